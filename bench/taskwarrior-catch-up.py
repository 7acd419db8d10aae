#!/usr/bin/env python3
"""Measures the time in which the real Taskwarrior catches up with a long history, and the server's
share of it.

A history of sealed versions, each of which changes a task, is put into a fresh tcsync-server; then
a replica without data syncs. The server's processor time over that sync, as a share of its
duration, shows the bottleneck: far below one, it is the client.

    build/python-venv/bin/python bench/taskwarrior-catch-up.py [--versions N] [--build DIR]

Needs a build (build/), a Python with the package tcsync (the tests create one), and a Taskwarrior
as tests/e2e/taskwarrior.py finds it.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TASKS = 100  # as many as people have; every version changes one of them


def operations(number, task_ids):
    """The operations of version `number`: creates a task, and after the first TASKS versions
    changes one."""
    task_id = task_ids[number % TASKS]
    stamp = "2026-01-01T00:00:00Z"
    changed = [("modified", str(1_767_225_600 + number)), ("description", f"task of version {number}")]
    made = []
    if number < TASKS:
        made = [{"Create": {"uuid": task_id}}]
        changed += [("status", "pending"), ("entry", "1767225600")]
    updates = [
        {"Update": {"uuid": task_id, "property": name, "value": value, "timestamp": stamp}} for name, value in changed
    ]
    return json.dumps({"operations": made + updates}).encode()


def fill(url, user, versions):
    from tcsync import NIL_VERSION, Credentials, RemoteServer, Secret, VersionAdded

    task_ids = [str(uuid.uuid4()) for _ in range(TASKS)]
    parent_id = NIL_VERSION
    with RemoteServer(Credentials(url, uuid.UUID(user.client_id), Secret(user.secret))) as server:
        for number in range(versions):
            added = server.add_version(parent_id, operations(number, task_ids))
            if not isinstance(added, VersionAdded):
                raise RuntimeError(f"version {number} was not added: {added}")
            parent_id = added.version_id


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

    client = taskwarrior.find_client()
    user = taskwarrior.User()
    # For a long history, Taskwarrior needs longer than the time limit of tests.
    taskwarrior.TASK_TIMEOUT_S = 600
    with tempfile.TemporaryDirectory(dir=client.root / "tmp") as directory:
        home = Path(directory) / "home"
        home.mkdir()
        server = Server(Path(directory) / "log", Path(directory) / "data")
        try:
            fill(server.url, user, options.versions)
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
