"""Fixtures of the e2e tests: servers, replicas and recorders that are gone when the test is."""

import shutil
import tempfile

import pytest
import server_fixture
import task_fixture
from recorder import Recorder
from taskwarrior import Replica, User

task_client = task_fixture.task_client
server_binary = server_fixture.server_binary
start_server = server_fixture.start_server


@pytest.fixture
def server(start_server):
    """One server with the defaults."""
    return start_server()


@pytest.fixture
def user():
    return User()


@pytest.fixture
def new_replica(task_client):
    """Makes a computer without tasks, in a directory that the client can reach."""
    homes = []

    def make(server_url, user):
        homes.append(tempfile.mkdtemp(prefix="replica-", dir=task_client.root / "tmp"))
        return Replica(task_client, homes[-1], server_url, user)

    yield make
    for home in homes:
        shutil.rmtree(home)


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
