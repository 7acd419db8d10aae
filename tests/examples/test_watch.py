"""The example that waits for the next version. If one of these fails, people who start from it hear of changes late,
ask a server without an end, or cannot end their program."""

import os
import signal
import subprocess
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
import wire

PROGRAM = Path(os.environ["TCSYNC_BUILD_DIR"]) / "bin" / "watch_c"
DEADLINE_S = 60
PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY")


@contextmanager
def watching(*arguments):
    environment = {name: value for name, value in os.environ.items() if name not in PROXIES}
    command = [PROGRAM, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def added(server, client_id, parent):
    done = wire.add_version(server.url, client_id, parent)
    assert done.status == 200
    return done.headers["X-Version-Id"]


@pytest.fixture
def server(start_server):
    return start_server()


def test_each_version_is_told_until_an_interrupt(start_server):
    server = start_server("--metrics-listen", "127.0.0.1:0")
    client_id = str(uuid.uuid4())
    first = added(server, client_id, wire.NIL_VERSION)
    with watching(server.url, client_id, first) as process:
        latest = first
        for _ in range(3):
            server.await_metric("tcsync_http_waiting_requests", 1)
            latest = added(server, client_id, latest)
            assert process.stdout.readline() == f"new: {latest}\n"
        server.await_metric("tcsync_http_waiting_requests", 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr.read() == ""


def test_what_was_there_before_is_told_at_once(server):
    client_id = str(uuid.uuid4())
    first = added(server, client_id, wire.NIL_VERSION)
    second = added(server, client_id, first)
    with watching(server.url, client_id) as process:
        assert process.stdout.readline() == f"new: {first}\n"
        assert process.stdout.readline() == f"new: {second}\n"


def test_a_version_that_the_server_lacks_is_the_end(server):
    client_id, unknown = str(uuid.uuid4()), str(uuid.uuid4())
    added(server, client_id, wire.NIL_VERSION)
    with watching(server.url, client_id, unknown) as process:
        assert process.wait(DEADLINE_S) == 1
        assert process.stderr.read() == f"the server does not have {unknown} any more\n"


@pytest.mark.parametrize("options", [("--version-wait-max", "0"), None])
def test_a_pause_can_be_interrupted(start_server, options):
    """Of a server that lets nobody wait, or is away."""
    server = start_server(*(options or ()))
    client_id = str(uuid.uuid4())
    first = added(server, client_id, wire.NIL_VERSION)
    if options is None:
        server.stop()
    with watching(server.url, client_id, first) as process:
        time.sleep(1)  # After which it pauses, for minutes or for seconds.
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0


@pytest.mark.parametrize(
    ("arguments", "status"), [((), 2), (("http://127.0.0.1:9", "no-uuid"), 1), (("ftp://x", str(uuid.uuid4())), 1)]
)
def test_wrong_arguments_are_told(arguments, status):
    with watching(*arguments) as process:
        assert process.wait(DEADLINE_S) == status
        assert process.stderr.read()
