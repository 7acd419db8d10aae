"""Shared by the tests of bench/: the programs' paths, and servers to put under load."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
BIN = pathlib.Path(os.environ.get("TCSYNC_BUILD_DIR", SOURCE / "build")) / "bin"

sys.path.insert(0, str(SOURCE / "bench" / "harness"))


@contextlib.contextmanager
def tcsync_server(directory):
    import servers

    with servers.tcsync(BIN / "tcsync-server", directory / "data", directory / "log") as server:
        yield server.url


@contextlib.contextmanager
def fake_server(*arguments):
    command = [sys.executable, "-B", str(HERE / "fake_server.py"), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()
            server.wait()


@pytest.fixture
def server(tmp_path):
    with tcsync_server(tmp_path) as url:
        yield url


def run_load(url, load, connections, *arguments):
    """The exit status and the report."""
    command = [
        BIN / "tcsync-load",
        "--json",
        "--url",
        url,
        "--load",
        load,
        "--connections",
        str(connections),
        "--warmup-seconds",
        "0",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def run_script(name, *arguments):
    """bench/NAME, with the Python that runs these tests."""
    return subprocess.run(
        [SOURCE / "bench" / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHON": sys.executable},
    )
