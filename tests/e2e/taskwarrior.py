"""The real Taskwarrior as a test's client: finds one that can sync, and runs it for one replica at a time.

Looked for in this order:
  1. the command in TCSYNC_TEST_TASK;
  2. `task` on PATH, when it is 3.1 or later (earlier ones cannot speak this protocol);
  3. `taskwarrior-chroot` in the build directory. When we are root it is made there, once (see debian_root.py).
TCSYNC_TEST_TASKS names further ones, with colons between them, for the tests that compare releases.
"""

import json
import os
import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import debian_root
import pytest
from debian_root import RootUnavailable
from support import BUILD_DIR, run_bounded

OLDEST_VERSION = (3, 1)
TASK_TIMEOUT_S = 60  # The client's own read timeout; its slowest single command here takes about a second.
#: Of a pytest configuration: the versions of Taskwarrior that the tests of releases have run.
RELEASES_RUN = pytest.StashKey[set]()
CHROOT = BUILD_DIR / "taskwarrior-chroot"

# Values that each computer computes for itself and never syncs: the number in the working set, and a rank by age.
LOCAL_ATTRIBUTES = ("id", "urgency")


class ClientUnavailable(Exception):
    """There is no Taskwarrior to test with; the text says why."""


@dataclass(frozen=True)
class Client:
    """A Taskwarrior: the command that runs it, and the directory that is `/` for it."""

    command: tuple
    root: Path = Path("/")

    def path_inside(self, path):
        """A path of this machine, as the client has to name it."""
        return "/" + str(Path(path).relative_to(self.root))


@dataclass(frozen=True)
class User:
    """The credentials that all computers of one user share."""

    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = field(default_factory=lambda: os.urandom(32).hex())


class Replica:
    """One computer: a home directory with its own Taskwarrior data and configuration."""

    def __init__(self, client, home, server_url, user):
        self._client = client
        self._home = Path(home)
        self._inside = client.path_inside(home)
        self._authority = {}
        self.use_server(server_url, user)

    @property
    def data_directory(self):
        """That of its database, as this machine names it."""
        return self._home / "data"

    def use_server(self, server_url, user):
        """Points the replica to a server, as a person does by editing the taskrc."""
        settings = {
            "data.location": f"{self._inside}/data",
            "confirmation": "off",
            "sync.server.url": server_url,
            "sync.server.client_id": user.client_id,
            "sync.encryption_secret": user.secret,
        }
        lines = (f"{name}={value}\n" for name, value in settings.items())
        (self._home / "taskrc").write_text("".join(lines), encoding="utf-8")

    def trust(self, authority_file):
        """As if that certificate authority were installed in the system."""
        (self._home / "authority.pem").write_bytes(Path(authority_file).read_bytes())
        self._authority = {"SSL_CERT_FILE": f"{self._inside}/authority.pem"}

    def task(self, *arguments, check=True):
        """Runs `task` and returns its CompletedProcess; with `check`, a status other than 0 fails the test."""
        environment = {
            "HOME": self._inside,
            "TASKRC": f"{self._inside}/taskrc",
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            **self._authority,
        }
        done = run_bounded([*self._client.command, *arguments], env=environment, timeout_s=TASK_TIMEOUT_S)
        if check and done.returncode != 0:
            raise AssertionError(f"task {' '.join(arguments)[:200]}: status {done.returncode}\n{done.stderr}")
        return done

    def sync(self, check=True):
        return self.task("sync", check=check)

    def add(self, *words):
        """Adds a task and returns its UUID."""
        return re.search(r"Created task ([0-9a-f-]{36})", self.task("rc.verbose=new-uuid", "add", *words).stdout)[1]

    def import_task(self, **attributes):
        """Adds a task from a file, for attributes longer than a command line takes, and returns its UUID."""
        task_uuid = str(uuid.uuid4())
        (self._home / "import.json").write_text(json.dumps([{"uuid": task_uuid, **attributes}]), encoding="utf-8")
        self.task("import", f"{self._inside}/import.json")
        return task_uuid

    def export(self):
        """Every task of the replica, of any status: UUID -> its synced attributes."""
        tasks = json.loads(self.task("export").stdout)
        return {
            task["uuid"]: {name: value for name, value in task.items() if name not in LOCAL_ATTRIBUTES}
            for task in tasks
        }

    def descriptions(self):
        return {task["description"] for task in self.export().values()}


def find_client():
    """The client to test with, or ClientUnavailable."""
    named = os.environ.get("TCSYNC_TEST_TASK")
    if named:
        return _require_version(Client((named,)), "TCSYNC_TEST_TASK")
    on_path = shutil.which("task")
    if on_path:
        client = Client((on_path,))
        if (_version(client) or (0,)) >= OLDEST_VERSION:
            return client
    return _chroot_client()


def further_clients():
    """Those in TCSYNC_TEST_TASKS. One that cannot be used is an error: somebody has asked for it."""
    named = os.environ.get("TCSYNC_TEST_TASKS", "")
    return [_require_version(Client((path,)), "TCSYNC_TEST_TASKS") for path in named.split(":") if path]


def _version(client):
    """(major, minor) as `task --version` says it, or None when it does not run or is some other program."""
    try:
        done = run_bounded([*client.command, "--version"], timeout_s=TASK_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"(\d+)\.(\d+)\S*\s*", done.stdout)
    return (int(found[1]), int(found[2])) if done.returncode == 0 and found else None


def _require_version(client, where):
    version = _version(client)
    if version is None:
        raise ClientUnavailable(f"{where}: `{' '.join(client.command)} --version` does not answer like Taskwarrior")
    if version < OLDEST_VERSION:
        raise ClientUnavailable(f"{where}: Taskwarrior {version[0]}.{version[1]} cannot sync, 3.1 or later can")
    return client


def _chroot_client():
    try:
        debian_root.require(CHROOT, "testing", "taskwarrior")
    except RootUnavailable as reason:
        raise ClientUnavailable(f"no `task` 3.1 or later on PATH, and {reason}") from None
    return _require_version(Client((*debian_root.enter(CHROOT), "task"), CHROOT), str(CHROOT))
