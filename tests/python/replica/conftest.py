"""Fixtures of the replica's tests: the real server, the real Taskwarrior, and programs that share its databases."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "e2e"))

import server_fixture
import task_fixture
from programs import Origin, Program

server_binary = server_fixture.server_binary
start_server = server_fixture.start_server
task_client = task_fixture.task_client
new_replica = task_fixture.new_replica
user = task_fixture.user


@pytest.fixture
def server(start_server):
    """A server that one address can keep as busy as a schedule does."""
    return start_server("--new-clients-per-address-day", "0", "--client-requests-per-second", "0")


@pytest.fixture
def start_program():
    """Starts a Program; those that still run at the end are killed."""
    origins = []
    programs = []

    def start(kind, directory, server_url, user):
        origins.append(Origin(kind, server_url, user))
        programs.append(Program(origins[-1], directory))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()
    for origin in origins:
        origin.end()


def pytest_generate_tests(metafunc):
    """`seed`: the schedules of every run; TCSYNC_SCHEDULES and TCSYNC_SCHEDULES_FIRST ask for others."""
    if "seed" in metafunc.fixturenames:
        first = int(os.environ.get("TCSYNC_SCHEDULES_FIRST", "1"))
        count = int(os.environ.get("TCSYNC_SCHEDULES", "6"))
        metafunc.parametrize("seed", range(first, first + count))
