"""The fixtures of everything that starts a tcsync-server, here and in other folders."""

import os

import pytest
import server as server_module
from server import Server

OWN_DIRECTORY = object()


@pytest.fixture(scope="session", autouse=True)
def server_binary():
    """Without the binary every test would fail in the same way; this names the missing program once."""
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
    stop_all(servers)


def stop_all(servers):
    """Stops each one that still runs, the others also when one does not stop cleanly."""
    failures = []
    for server in servers:
        try:
            server.stop()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)
