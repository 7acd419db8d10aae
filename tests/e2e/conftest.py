"""Fixtures of the e2e tests: servers, replicas and recorders that are gone when the test is."""

import postgres_fixture
import pytest
import server_fixture
import task_fixture
from recorder import Recorder

postgres_cluster = postgres_fixture.postgres_cluster
new_database = postgres_fixture.new_database
each_storage = postgres_fixture.each_storage
task_client = task_fixture.task_client
user = task_fixture.user
new_replica = task_fixture.new_replica
server_binary = server_fixture.server_binary
start_server = server_fixture.start_server


@pytest.fixture
def server(start_server):
    """One server with the defaults."""
    return start_server()


@pytest.fixture
def two_computers(server, user, new_replica):
    """Two computers of one user, with nothing on them yet."""
    return new_replica(server.url, user), new_replica(server.url, user)


@pytest.fixture
def record():
    """Puts a Recorder before a server."""
    recorders = []

    def start(server_url):
        recorders.append(Recorder(server_url))
        return recorders[-1]

    yield start
    for recorder in recorders:
        recorder.close()
