"""Fixtures of the e2e tests: servers, replicas and recorders that are gone when the test is."""

import os
import shutil
import tempfile

import pytest

import server as server_module
import task_fixture
from recorder import Recorder
from server import Server
from taskwarrior import Replica, User

OWN_DIRECTORY = object()

task_client = task_fixture.task_client


@pytest.fixture(scope="session", autouse=True)
def server_binary():
    """Without the binary every test would fail in the same way; this says once what is missing."""
    if not os.access(server_module.BINARY, os.X_OK):
        pytest.exit(f"{server_module.BINARY} is missing: build it, or name one in TCSYNC_SERVER", returncode=1)


@pytest.fixture
def start_server(tmp_path):
    """Starts a Server; at the end each one still running must stop cleanly."""
    servers = []

    def start(*flags, data_dir=OWN_DIRECTORY, **options):
        """`data_dir`: a path, None for no flag, or by default a new directory for each server."""
        number = len(servers)
        chosen = tmp_path / f"data{number}" if data_dir is OWN_DIRECTORY else data_dir
        servers.append(Server(tmp_path / f"server{number}.log", chosen, *flags, **options))
        return servers[-1]

    yield start
    failures = []
    for server in servers:
        try:
            server.stop()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


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
