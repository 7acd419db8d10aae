"""A Debian machine for the packages: the system on which they were built, in namespaces of its own, without a network
but loopback. The system is kept for the next run, with the archives of the packages that ours depend on; a machine sees
it through an overlay, so each begins with nothing of ours. systemctl in there is the stand-in beside this file.
"""

import hashlib
import os
import platform
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import debian_root
import image
import prerequisites
from support import BUILD_DIR, run_bounded

SUITE = platform.freedesktop_os_release()["VERSION_CODENAME"]
BASE = BUILD_DIR / f"debian-{SUITE}-packages"
# Of a machine on which people install programs and write their own.
BASE_PACKAGES = ("ca-certificates", "gcc", "libc6-dev", "pkg-config", "systemd")
STAND_IN = Path(__file__).with_name("systemctl")
APT_TIMEOUT_S = 600
TIMEOUT_S = 120
APT_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                   "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}  # fmt: skip
APT_INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0")

# Its last line's process is the first one of the machine, and takes care of those that lost their parents.
_START = """
set -eu
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$DIRECTORY/upper,workdir=$DIRECTORY/work" "$DIRECTORY/root" \
  || cp -a "$BASE/." "$DIRECTORY/root"
cd "$DIRECTORY/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p run/systemd/system opt/taskwarrior opt/packages
mount --rbind "$TASKWARRIOR" opt/taskwarrior
mount --bind "$PACKAGES" opt/packages
ip link set lo up
exec chroot . /bin/bash -c 'trap : CHLD; echo ready; while :; do sleep 3600 & wait; done'
"""

# Taskwarrior of another system, with that system's libraries.
_TASK = """#!/bin/sh
exec /opt/taskwarrior/lib64/ld-linux-x86-64.so.2 \
  --library-path /opt/taskwarrior/usr/lib/x86_64-linux-gnu:/opt/taskwarrior/usr/lib /opt/taskwarrior{task} "$@"
"""


def prepare(packages):
    """Makes the system, and fetches what these packages depend on, unless that was done for the same dependencies."""
    prerequisites.root()
    for name in ("nsenter", "unshare", "ip", "curl", "dpkg-deb"):
        prerequisites.program(name)
    try:
        debian_root.require(BASE, SUITE, *BASE_PACKAGES)
    except debian_root.RootUnavailable as reason:
        prerequisites.lacking(f"no Debian to install packages on: {reason}")
    fields = [run_bounded(["dpkg-deb", "--field", str(path), "Depends"], timeout_s=30).stdout for path in packages]
    wanted = hashlib.sha256("".join(fields).encode()).hexdigest()
    stamp = BASE / "var/cache/apt/fetched"
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return
    # A mirror may be older than its lists say that they are good for.
    (BASE / "etc/apt/apt.conf.d/lists").write_text('Acquire::Check-Valid-Until "false";\n', encoding="ascii")
    copies = BASE / "tmp/packages"
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    for path in packages:
        shutil.copy(path, copies)
    try:
        for command in (("apt-get", "update"), (*APT_INSTALL, "--download-only", *_inside(packages, "/tmp/packages"))):
            done = run_bounded([*debian_root.enter(BASE), *command], env=APT_ENVIRONMENT, timeout_s=APT_TIMEOUT_S)
            assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    finally:
        shutil.rmtree(copies)
    stamp.write_text(wanted, encoding="ascii")


def _inside(packages, folder):
    return [f"{folder}/{Path(path).name}" for path in packages]


class Machine:
    """One machine, gone after `end`. `packages`: the directory that it has as /opt/packages. `client`: a Taskwarrior of
    this machine (see tests/e2e), which it has as `task`."""

    def __init__(self, directory, packages, client):
        for name in ("root", "upper", "work"):
            (directory / name).mkdir(parents=True)
        self._process = subprocess.Popen(
            ["unshare", *image.NAMESPACES, "--kill-child", "/bin/sh", "-c", _START],
            env={
                "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
                "BASE": str(BASE),
                "DIRECTORY": str(directory),
                "PACKAGES": str(packages),
                "TASKWARRIOR": str(client.root),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout.readline() == "ready\n", "the machine has not started"
        pid = self._process.pid
        (self._pid,) = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        # apt gives maintainer scripts a PATH without /usr/local.
        self.run("mv", "/usr/bin/systemctl", "/usr/bin/systemctl.real")
        self.write("/usr/bin/systemctl", STAND_IN.read_text(encoding="utf-8"), mode="755")
        self.run("ln", "-s", "/opt/taskwarrior/usr/share/taskwarrior", "/usr/share/taskwarrior")
        task = "/usr/bin/task" if client.command[-1] == "task" else client.command[-1]
        self.write("/usr/local/bin/task", _TASK.format(task=task), mode="755")

    def end(self):
        """Ends it with all of its processes."""
        os.kill(int(self._pid), signal.SIGKILL)
        self._process.wait(TIMEOUT_S)
        self._process.stdout.close()

    def run(self, *command, user=None, given="", check=True, timeout_s=TIMEOUT_S, **variables):
        """Runs a command in there, as root or as a user with a home; its CompletedProcess, with both outputs together.
        With `check`, a status other than 0 fails the test."""
        environment = {**APT_ENVIRONMENT, **variables}
        settings = [f"{name}={value}" for name, value in environment.items()]
        enter = ["nsenter", f"--target={self._pid}", "--mount", "--pid", "--net", f"--root=/proc/{self._pid}/root"]
        become = ["runuser", "-u", user, "--"] if user else []
        done = subprocess.run(
            [*enter, "/usr/bin/env", "--chdir=/", *become, "/usr/bin/env", "-i", *settings, *map(str, command)],
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{shlex.join(map(str, command))}: status {done.returncode}\n{done.stdout}"
        return done

    def output(self, *command, **options):
        return self.run(*command, **options).stdout.strip()

    def is_there(self, path):
        return self.run("test", "-e", path, check=False).returncode == 0

    def read(self, path):
        return self.run("cat", path).stdout

    def write(self, path, text, mode="644"):
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, given=text)

    def install(self, *packages, options=(), check=True):
        """Installs .deb files of /opt/packages, by name, as apt-get does for a person; the output."""
        files = [f"/opt/packages/{Path(package).name}" for package in packages]
        return self.run(*APT_INSTALL, *options, *files, timeout_s=APT_TIMEOUT_S, check=check)

    def apt(self, *words):
        return self.output("apt-get", "--yes", "-o", "Dpkg::Use-Pty=0", *words, timeout_s=APT_TIMEOUT_S)

    def state_of(self, package):
        """Its state as dpkg has it, or an empty text."""
        return self.run("dpkg-query", "--show", "--showformat=${db:Status-Status}", package, check=False).stdout.split(
            "dpkg-query:"
        )[0]

    def health(self):
        """The server's answer about its health, and an empty text where nothing answers."""
        enter = ["nsenter", f"--target={self._pid}", "--net"]
        url = "http://127.0.0.1:8080/health"
        return run_bounded([*enter, "curl", "--silent", "--max-time", "10", url], timeout_s=TIMEOUT_S).stdout

    def is_active(self, unit):
        return self.run("systemctl", "is-active", unit, check=False).returncode == 0

    def main_pid(self, unit):
        return self.output("cat", f"/run/stand-in/{unit}")
