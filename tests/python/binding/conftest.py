"""Fixtures of the binding's tests: the real library, the real tcsync-server, the real Taskwarrior, recorded data."""

import gc
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "e2e"))

import task_fixture
from server import Server
from support import BUILD_DIR, REPOSITORY
from unending import BEGINNINGS, FOREVER, Slow

from tcsync import AsyncRemoteServer, Credentials, RemoteServer, SealingKey, Secret, _library

task_client = task_fixture.task_client

# The package's own has no server in it.
FULL_LIBRARY = BUILD_DIR / "lib" / ("libtcsync.0.dylib" if sys.platform == "darwin" else "libtcsync.so.0")
RECORDED = REPOSITORY / "tests" / "testdata" / "taskwarrior-3.5.0"


@dataclass(frozen=True)
class Blob:
    """One recorded request body of the real Taskwarrior, sealed and as it was before."""

    kind: str
    client_id: UUID
    secret: Secret
    version_id: UUID
    authenticated_id: UUID
    sealed: bytes
    plaintext: bytes


@pytest.fixture(scope="session")
def blobs():
    return [
        Blob(
            entry["kind"],
            UUID(entry["client_id"]),
            Secret(entry["secret"]),
            UUID(entry["version_id"]),
            UUID(entry["aad_version_id"]),
            (RECORDED / f"{entry['file']}.sealed").read_bytes(),
            (RECORDED / f"{entry['file']}.plain").read_bytes(),
        )
        for entry in json.loads((RECORDED / "index.json").read_text(encoding="utf-8"))
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all of a file's tests: clients do not see each other."""
    directory = tmp_path_factory.mktemp("server")
    running = Server(directory / "server.log", directory / "data")
    yield running
    running.stop()


@pytest.fixture
def credentials(server):
    return Credentials.generate(server.url)


@pytest.fixture
def remote(credentials):
    with RemoteServer(credentials, proxy="") as opened:
        yield opened


@pytest.fixture(scope="module")
def full_library():
    """For a file's tests the library of the build takes the place of the package's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TCSYNC_LIBRARY", str(FULL_LIBRARY))
        _library.library.cache_clear()
        yield FULL_LIBRARY
        gc.collect()  # Memory of the one library must not be freed by the other one.
    _library.library.cache_clear()


@pytest.fixture
def python():
    """Runs a text as a program of this Python, with these variables in its environment or, for None, without them; its
    CompletedProcess."""

    def run(program, **variables):
        environment = {name: value for name, value in {**os.environ, **variables}.items() if value is not None}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture
def slow(request):
    server = Slow(BEGINNINGS[getattr(request, "param", "silent")])
    yield server
    server.close()


@pytest.fixture(scope="module")
def client_and_key():
    """A client with its key, which takes long to derive."""
    credentials = Credentials.generate("http://127.0.0.1:1")
    with SealingKey.derive(credentials.client_id, credentials.secret) as key:
        yield credentials, key


@pytest.fixture
def remote_of(client_and_key):
    """Makes a RemoteServer for a URL, with that key."""
    credentials, key = client_and_key
    return lambda url: RemoteServer(Credentials(url, credentials.client_id, credentials.secret), key=key, **FOREVER)


@pytest.fixture
def async_remote_of(client_and_key):
    credentials, key = client_and_key
    return lambda url: AsyncRemoteServer.open(
        Credentials(url, credentials.client_id, credentials.secret), key=key, **FOREVER
    )


@pytest.fixture
def fork():
    """Does the work in a forked process. Gives a function that waits for its end, and checks it."""

    def start(work):
        child = os.fork()
        if not child:
            status = 9
            try:
                signal.alarm(60)
                work()
                status = 7
            finally:
                os._exit(status)

        def check():
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

        return check

    return start
