#!/usr/bin/env python3
"""How long the real Taskwarrior takes to catch up with a long history, and how much of that is the server's.

A history of sealed versions, each of which changes a task, is put into a fresh tcsync-server; then a replica without
data syncs. The server's processor time over that sync, as a share of the time that it took, says who was waited for:
far below one, the client sets the pace.

    bench/taskwarrior-catch-up.py [--versions N] [--build DIR]

Needs a build (build/), and a Taskwarrior as tests/e2e/taskwarrior.py finds it.
"""

import argparse
import ctypes
import http.client
import json
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TASKS = 100  # as many as people have; every version changes one of them


class Sealer:
    """Seals history segments with the library's C ABI, as a replica of that user does."""

    def __init__(self, library, user):
        self._library = ctypes.CDLL(str(library))
        pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
        to_pointer = ctypes.POINTER(pointer)
        for name, result, arguments in (
            ("tcsync_key_derive", ctypes.c_int32, (text, text, size, to_pointer, to_pointer)),
            ("tcsync_seal", ctypes.c_int32, (pointer, text, text, size, to_pointer, to_pointer)),
            ("tcsync_bytes_data", pointer, (pointer,)),
            ("tcsync_bytes_size", size, (pointer,)),
            ("tcsync_bytes_free", None, (pointer,)),
        ):
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._key = pointer()
        secret = user.secret.encode()
        self._check(
            self._library.tcsync_key_derive(
                user.client_id.encode(), secret, len(secret), ctypes.byref(self._key), None
            )
        )

    @staticmethod
    def _check(code):
        if code != 0:
            raise RuntimeError(f"the library answered code {code}")

    def seal(self, parent_id, plaintext):
        sealed = ctypes.c_void_p()
        self._check(
            self._library.tcsync_seal(
                self._key, parent_id.encode(), plaintext, len(plaintext), ctypes.byref(sealed), None
            )
        )
        try:
            return ctypes.string_at(
                self._library.tcsync_bytes_data(sealed), self._library.tcsync_bytes_size(sealed)
            )
        finally:
            self._library.tcsync_bytes_free(sealed)


def operations(number, task_ids):
    """What version `number` does: creates a task, and after the first TASKS versions changes one."""
    task_id = task_ids[number % TASKS]
    stamp = "2026-01-01T00:00:00Z"
    changed = [("modified", str(1_767_225_600 + number)), ("description", f"task of version {number}")]
    made = []
    if number < TASKS:
        made = [{"Create": {"uuid": task_id}}]
        changed += [("status", "pending"), ("entry", "1767225600")]
    updates = [
        {"Update": {"uuid": task_id, "property": name, "value": value, "timestamp": stamp}}
        for name, value in changed
    ]
    return json.dumps({"operations": made + updates}).encode()


def fill(url, user, sealer, versions):
    from wire import NIL_VERSION, SEGMENT_TYPE

    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    task_ids = [str(uuid.uuid4()) for _ in range(TASKS)]
    parent_id = NIL_VERSION
    headers = {"X-Client-Id": user.client_id, "Content-Type": SEGMENT_TYPE}
    for number in range(versions):
        segment = sealer.seal(parent_id, operations(number, task_ids))
        connection.request("POST", f"/v1/client/add-version/{parent_id}", segment, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"version {number} was answered with {answer.status}")
        parent_id = answer.headers["X-Version-Id"]
    connection.close()


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--versions", type=int, default=10_000, help="versions in the history (default 10000)")
    parser.add_argument("--build", type=Path, default=REPOSITORY / "build", help="the build's directory")
    options = parser.parse_args()
    os.environ["TCSYNC_BUILD_DIR"] = str(options.build.resolve())
    sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))
    import taskwarrior
    from server import Server

    library = next(options.build.glob("lib/libtcsync.*"))
    client = taskwarrior.find_client()
    user = taskwarrior.User()
    # A long history takes Taskwarrior longer than a test waits.
    taskwarrior.TASK_TIMEOUT_S = 600
    with tempfile.TemporaryDirectory(dir=client.root / "tmp") as directory:
        home = Path(directory) / "home"
        home.mkdir()
        server = Server(Path(directory) / "log", Path(directory) / "data")
        try:
            fill(server.url, user, Sealer(library, user), options.versions)
            replica = taskwarrior.Replica(client, home, server.url, user)
            server_before, begin = processor_seconds(server.pid), time.monotonic()
            replica.sync()
            took, server_took = time.monotonic() - begin, processor_seconds(server.pid) - server_before
            tasks = len(replica.export())
        finally:
            server.stop()
    if tasks != min(TASKS, options.versions):
        sys.exit(f"the replica has {tasks} tasks after the sync, not {min(TASKS, options.versions)}")
    print(
        f"{options.versions} versions in {took:.2f} s: {options.versions / took:.0f} versions/s; "
        f"the server's processor time was {server_took:.2f} s, {server_took / took:.1%} of that"
    )


if __name__ == "__main__":
    main()
