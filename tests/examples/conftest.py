"""Fixtures of the tests of examples. The real server and the real Taskwarrior are those of tests/e2e."""

import resource
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import embedders
import server_fixture
import task_fixture
import wire

server_binary = server_fixture.server_binary
start_server = server_fixture.start_server
task_client = task_fixture.task_client
user = task_fixture.user
new_replica = task_fixture.new_replica


def pytest_addoption(parser):
    parser.addoption("--language", choices=sorted(embedders.LANGUAGES), help="test the example in this language alone")


def pytest_generate_tests(metafunc):
    if "language" in metafunc.fixturenames:
        only = metafunc.config.getoption("--language")
        metafunc.parametrize("language", [only] if only else sorted(embedders.LANGUAGES), scope="session")


@pytest.fixture(scope="session")
def program(language):
    """The command that runs the example, which is built first."""
    return embedders.build(embedders.LANGUAGES[language])


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """A busy machine with a slow disk is no failure, and neither is a low limit of descriptors."""
    monkeypatch.setattr(wire, "TIMEOUT_S", 120)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture
def start(program, tmp_path):
    """Starts the example; at the end each one still running must stop cleanly, and its data is removed."""
    started = []

    def make(data_dir=None, **options):
        directory = data_dir or tmp_path / f"embedded{len(started)}"
        started.append(embedders.Embedder(program, directory, tmp_path / f"log{len(started)}", **options))
        return started[-1]

    yield make
    try:
        server_fixture.stop_all(started)
    finally:
        for embedder in started:
            shutil.rmtree(embedder.data_dir, ignore_errors=True)
