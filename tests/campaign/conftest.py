"""Fixtures for the tests of the campaigns' parts."""

import campaign  # noqa: F401 - makes the helpers of tests/e2e importable
import server_fixture

server_binary = server_fixture.server_binary
start_server = server_fixture.start_server
