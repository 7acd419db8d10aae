"""Shared by the tests of an operator's commands: running them, asking the API, and data that replicas sealed."""

import base64
import contextlib
import json
import os
import pty
import subprocess
from dataclasses import dataclass

import server as server_module
import wire
from support import REPOSITORY, run_bounded

RECORDED = REPOSITORY / "tests" / "testdata" / "taskwarrior-3.5.0"
COMMAND_TIMEOUT_S = 120


def command_line(data_dir, *arguments):
    """A command on a data directory."""
    return [str(server_module.BINARY), *map(str, arguments), "--data-dir", str(data_dir)]


def environment(data_dir, **variables):
    """Of a command on a data directory, with its storage."""
    return server_module.environment(**{**server_module.storage_variables(data_dir), **variables})


def run(data_dir, *arguments, cwd=None, **variables):
    """Runs a command on a data directory; returns its output and its exit status."""
    return run_bounded(
        command_line(data_dir, *arguments),
        env=environment(data_dir, **variables),
        cwd=cwd,
        timeout_s=COMMAND_TIMEOUT_S,
    )


def succeed(data_dir, *arguments, **variables):
    """The same for a command that must succeed; returns its standard output."""
    done = run(data_dir, *arguments, **variables)
    assert (done.returncode, done.stderr) == (0, ""), f"{arguments}: {done.returncode} {done.stderr}"
    return done.stdout


def as_json(data_dir, *arguments, **variables):
    """A command's output with --json, when that is one document."""
    return json.loads(succeed(data_dir, *arguments, "--json", **variables))


def as_lines(data_dir, *arguments):
    """A command's output with --json, when that is a list."""
    return [json.loads(line) for line in succeed(data_dir, *arguments, "--json").splitlines()]


def refusal(data_dir, *arguments, status=1, **variables):
    """Runs a command that must fail with that status, in one line; returns the line."""
    done = run(data_dir, *arguments, **variables)
    assert done.returncode == status, f"{arguments}: {done.returncode} {done.stdout} {done.stderr}"
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@contextlib.contextmanager
def at_a_terminal(data_dir, *arguments):
    """A command whose standard input and error are a terminal: its process, and the person's end of the terminal."""
    person, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            command_line(data_dir, *arguments),
            env=environment(data_dir),
            stdin=terminal,
            stdout=subprocess.DEVNULL,
            stderr=terminal,
        ) as process:
            os.close(terminal)
            try:
                yield process, person
            finally:
                process.kill()
    finally:
        os.close(person)


def run_with_input(data_dir, text, *arguments):
    return subprocess.run(
        command_line(data_dir, *arguments),
        input=text,
        env=environment(data_dir),
        capture_output=True,
        timeout=COMMAND_TIMEOUT_S,
        text=True,
        check=False,
    )


def api(server, method, path, body=None):
    """One request to a running server's administration socket."""
    text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
    answer = wire.request(f"unix:{server.data_dir}/admin.sock", method, f"/v1/admin/{path}", body=text)
    return answer.status, json.loads(answer.body)


@dataclass(frozen=True)
class Recorded:
    """One client's history as Taskwarrior sealed it."""

    client_id: str
    versions: list  # of wire.Version
    snapshot_version_id: str
    snapshot: bytes

    def lines(self):
        """In the transfer format, with one line for the client, each version and the snapshot."""
        yield {"type": "client", "client_id": self.client_id, "created": 1_700_000_000}
        for number, version in enumerate(self.versions, 1):
            yield {
                "type": "version",
                "number": number,
                "version_id": version.version_id,
                "parent_version_id": version.parent_id,
                "appended": 1_700_000_000 + number,
                "segment": base64.b64encode(version.segment).decode(),
            }
        yield {
            "type": "snapshot",
            "version_id": self.snapshot_version_id,
            "stored": 1_700_000_100,
            "snapshot": base64.b64encode(self.snapshot).decode(),
        }

    def ndjson(self):
        return "".join(json.dumps(line) + "\n" for line in self.lines())


def recorded_clients():
    entries = json.loads((RECORDED / "index.json").read_text(encoding="utf-8"))
    clients = []
    for client_id in sorted({entry["client_id"] for entry in entries}):
        client_entries = [entry for entry in entries if entry["client_id"] == client_id]
        snapshot = next(entry for entry in client_entries if entry["kind"] == "snapshot")
        versions = [
            wire.Version(entry["version_id"], entry["parent_version_id"], sealed_bytes(entry))
            for entry in client_entries
            if entry["kind"] == "version"
        ]
        clients.append(Recorded(client_id, versions, snapshot["version_id"], sealed_bytes(snapshot)))
    return clients


def sealed_bytes(entry):
    return (RECORDED / f"{entry['file']}.sealed").read_bytes()


def add_chain(url, client_id, count, segment=b"sealed segment"):
    """A client with that many versions; returns their IDs."""
    parent_id = wire.NIL_VERSION
    version_ids = []
    for number in range(count):
        answer = wire.add_version(url, client_id, parent_id, segment + str(number).encode())
        assert answer.status == 200, answer
        parent_id = answer.headers["X-Version-Id"]
        version_ids.append(parent_id)
    return version_ids
