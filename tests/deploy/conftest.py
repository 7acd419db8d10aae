"""Fixtures of the deploy tests. The real server and the real Taskwarrior are those of tests/e2e."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import server_fixture
import task_fixture
from taskwarrior import Client, Replica, User

task_client = task_fixture.task_client
server_binary = server_fixture.server_binary
start_server = server_fixture.start_server


@pytest.fixture
def user():
    return User()


@pytest.fixture
def new_replica(task_client):
    """Makes a computer without tasks. `authority`: a file with the certificate of an authority that it trusts, as if it
    were installed in its system. `entering`: the beginning of a command that runs where the server is, when that is
    another network namespace."""
    homes = []

    def make(server_url, user, authority=None, entering=()):
        home = Path(tempfile.mkdtemp(prefix="replica-", dir=task_client.root / "tmp"))
        homes.append(home)
        command = (*entering, *task_client.command)
        if authority:
            shutil.copy(authority, home / "authority.pem")
            trust = f"SSL_CERT_FILE={task_client.path_inside(home)}/authority.pem"
            command = (*entering, "env", trust, *task_client.command)
        return Replica(Client(command, task_client.root), home, server_url, user)

    yield make
    for home in homes:
        shutil.rmtree(home)
