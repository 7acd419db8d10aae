"""Shared with the end-to-end tests: the real server as a process."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import server_fixture

server_binary = server_fixture.server_binary
start_server = server_fixture.start_server
