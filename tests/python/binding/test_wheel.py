"""The wheel is self-contained: it runs on a Debian that has Python and nothing else of ours."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from uuid import uuid4

import debian_root
import pytest
from support import BUILD_DIR, REPOSITORY, run_bounded

from tcsync import NIL_VERSION, encode_pairing_code

TIMEOUT_S = 120
# The oldest system that is supported, and one with a Taskwarrior that can sync. Their uses are below.
ROOTS = {
    "bookworm": ("debian-12-python", ("python3",)),
    "testing": ("debian-taskwarrior-python", ("python3", "taskwarrior")),
}


class Machine:
    """A system into which the wheel and its pure Python dependencies were installed, from outside."""

    def __init__(self, root, packages):
        self.root, self.packages = root, packages

    def run(self, *arguments, given=None):
        """Runs a program there, with a home of its own and nothing of this machine's environment."""
        home = self.packages.parent / "home"
        home.mkdir(exist_ok=True)
        inside = f"/{home.relative_to(self.root)}"
        return subprocess.run(
            [*debian_root.enter(self.root), "/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8",
             f"HOME={inside}", f"PYTHONPATH=/{self.packages.relative_to(self.root)}", *arguments],
            input=given, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip

    def python(self, *arguments, **options):
        done = self.run("python3", *arguments, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def machine(request):
    """`machine` by the name of its suite."""
    suite = request.param
    name, needed = ROOTS[suite]
    root = BUILD_DIR / name
    try:
        debian_root.require(root, suite, *needed)
    except debian_root.RootUnavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no Debian {suite}: {reason}", pytrace=False)
        pytest.skip(f"no Debian {suite}: {reason}")
    (wheel,) = (BUILD_DIR / "python-wheel").glob("tcsync-*.whl")
    directory = Path(tempfile.mkdtemp(prefix="wheel-", dir=root / "tmp"))
    try:
        packages = directory / "packages"
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(packages)]
        done = run_bounded([*install, str(wheel)], timeout_s=600)
        assert done.returncode == 0, done.stderr
        yield Machine(root, packages)
    finally:
        shutil.rmtree(directory)


def test_one_wheel_works_with_every_python():
    """If this fails, people with another Python than the builder's have to build the library themselves."""
    (wheel,) = (BUILD_DIR / "python-wheel").glob("tcsync-*.whl")
    assert wheel.stem.split("-")[2:4] == ["py3", "none"]
    assert wheel.stem.split("-")[4] != "any"


def test_the_wheel_brings_the_manual_pages():
    """If this fails, `man tcsync` finds nothing after an installation with pip or pipx."""
    (wheel,) = (BUILD_DIR / "python-wheel").glob("tcsync-*.whl")
    names = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if ".data/data/share/man/man1/" in name}
    assert names == {path.name for path in (REPOSITORY / "docs" / "man").glob("*.1")}


@pytest.mark.parametrize("machine", ["bookworm"], indirect=True)
def test_runs_on_a_bare_debian(machine, server, credentials, remote):
    """If this fails, the library in the wheel needs one that is only on the machine where it was built."""
    assert list(machine.packages.glob("tcsync/libtcsync.so.0"))
    assert "0.1.0" in machine.python("-m", "tcsync", "--version")
    remote.add_version(NIL_VERSION, b'{"operations":[{"Create":{"uuid":"%s"}}]}' % str(uuid4()).encode())
    counted = machine.python(
        "-c",
        "import os, sys, tcsync\n"
        "credentials = tcsync.decode_pairing_code(sys.stdin.read())\n"
        "replica = tcsync.Replica(os.path.expanduser('~/tasks'))\n"
        "with replica, tcsync.RemoteServer(credentials) as server:\n"
        "    print(replica.sync(server).received_versions, len(replica.tasks()))\n",
        given=encode_pairing_code(credentials).reveal(),
    )
    assert counted == "1 1\n"


@pytest.mark.parametrize("machine", ["testing"], indirect=True)
def test_sets_up_a_second_computer(machine, server, credentials, remote):
    """If this fails, the setup works only where tcsync was built."""
    operations = []
    for description in ("Buy milk", "Call Ada"):
        task = str(uuid4())
        operations.append({"Create": {"uuid": task}})
        for name, value in (("status", "pending"), ("description", description), ("entry", "1767225600")):
            operations.append(
                {"Update": {"uuid": task, "property": name, "value": value, "timestamp": "2026-01-01T00:00:00Z"}}
            )
    remote.add_version(NIL_VERSION, json.dumps({"operations": operations}).encode())
    machine.python(
        "-m", "tcsync", "setup", "--pairing-code-file", "-", "--yes", given=encode_pairing_code(credentials).reveal()
    )
    exported = json.loads(machine.run("task", "export").stdout)
    assert sorted(task["description"] for task in exported) == ["Buy milk", "Call Ada"]
