"""Fixtures of the wizard's tests: the real server, the real Taskwarrior, computers that are gone when the test is."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "e2e"))

import agents
import server_fixture
import task_fixture
import taskwarrior
from computers import Computer
from servers import Authority

from tcsync import NIL_VERSION, Credentials, RemoteServer

task_client = task_fixture.task_client
server_binary = server_fixture.server_binary
start_server = server_fixture.start_server


def pytest_configure(config):
    config.stash[taskwarrior.RELEASES_RUN] = set()


def pytest_terminal_summary(terminalreporter, config):
    if releases := config.stash[taskwarrior.RELEASES_RUN]:
        terminalreporter.write_line(f"Releases of Taskwarrior in the tests of releases: {', '.join(sorted(releases))}")


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture
def new_computer(tmp_path, task_client):
    """Makes a computer on which nothing was set up."""
    computers = []

    def make(**options):
        computers.append(Computer(tmp_path, task_client, **options))
        return computers[-1]

    yield make
    for computer in computers:
        computer.remove()


@pytest.fixture
def first(new_computer):
    return new_computer()


@pytest.fixture
def second(new_computer):
    return new_computer()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def paired(server, first):
    """A first computer that is set up, with two tasks; the computer."""
    first.add("Buy milk", "Call Ada")
    done = first.tcsync("setup", "--first-computer", "--server-url", server.url)
    assert done.returncode == 0, done.stdout
    return first


@pytest.fixture
def credentials(server):
    """Those of a person whose history has begun: without one, the server lets nobody wait."""
    made = Credentials.generate(server.url)
    with RemoteServer(made) as remote:
        remote.add_version(NIL_VERSION, b'{"operations":[]}')
    return made


@pytest.fixture
def connected(new_computer, credentials):
    """Makes computers of one person that can sync."""

    def make(url=None, **options):
        computer = new_computer(**options)
        computer.write_taskrc(agents.settings(credentials, url))
        return computer

    return make
