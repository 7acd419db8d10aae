"""The fixtures of everything that drives a Taskwarrior, here and in other folders."""

import os
import shutil
import tempfile

import pytest
import taskwarrior
from taskwarrior import ClientUnavailable, Replica, User


@pytest.fixture(scope="session")
def task_client():
    """The Taskwarrior to test with. Where there is none, CI must notice; a person may have good reasons."""
    try:
        return taskwarrior.find_client()
    except ClientUnavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no Taskwarrior: {reason}", pytrace=False)
        pytest.skip(f"no Taskwarrior: {reason}")


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
