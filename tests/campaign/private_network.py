"""Runs a program in a network of its own, with machines that can be cut off; whatever it starts ends with it.

    problem = private_network.enter()    # None, or the sentence why this is not possible here

`enter` runs the program again in new namespaces, as the user that it already has, and passes on its exit status: the
first process does not return from it. Root needs nothing for that, another user needs user namespaces that everybody may
make. The second process has these namespaces of its own:

    network      a bridge, to which each Machine is connected by a cable that can be cut
    processes    all of them are killed with the first one, and that one with the process that called `enter`
    shared memory, and /dev/shm    what killed processes leave disappears with them
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

INSIDE = "IN_PRIVATE_NETWORK"
BRIDGE = "bridge0"
NETWORK_BITS = 24
POLL_INTERVAL_S = 0.01
TIMEOUT_S = 30
_PR_SET_PDEATHSIG = 1
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def enter():
    if INSIDE in os.environ:
        _reap_in_first_process()
        _run("mount", "-t", "tmpfs", "tmpfs", "/dev/shm")
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        _run("ip", "link", "set", BRIDGE, "up")
        return None
    for program in ("unshare", "nsenter", "ip"):
        if not shutil.which(program, path=PATH):
            return f"{program} is not installed: see src/cmake/debian-packages.txt"
    unshare = ["unshare", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-current-user", "--keep-caps"]
    probe = subprocess.run([*unshare, "ip", "link", "add", BRIDGE, "type", "bridge"], env=_environment(),
                           capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # fmt: skip
    if probe.returncode != 0:
        return f"there can be no network of its own for this user here: {probe.stderr.strip()}"
    inner = subprocess.Popen([*unshare, sys.executable, "-B", *sys.argv], env=_environment() | {INSIDE: "1"},
                             preexec_fn=_end_with_parent)  # fmt: skip
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: inner.kill())
    status = inner.wait()
    os._exit(status if status >= 0 else 128 - status)


def _environment():
    return os.environ | {"PATH": PATH}


def _run(*command):
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stderr}")


def _end_with_parent():
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _reap_in_first_process():
    """The first process of a namespace inherits those whose parents have ended. It does nothing else; a child goes on."""
    child = os.fork()
    if child == 0:
        return
    while True:
        try:
            process_id, status = os.wait()
        except InterruptedError:
            continue
        if process_id == child:
            os._exit(os.waitstatus_to_exitcode(status) % 256)


def add_address(address):
    """Gives an address to the side of the bridge on which this program is, which may have it already."""
    _run("ip", "address", "replace", f"{address}/{NETWORK_BITS}", "dev", BRIDGE)


class Machine:
    """A network interface with an address, and the processes that use it."""

    def __init__(self, name, address):
        self.name = name
        self.address = address
        self._cable = f"to-{name}"
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], env=_environment())
        deadline = time.monotonic() + TIMEOUT_S
        while self._namespace_of("self") == self._namespace_of(self._holder.pid):
            assert time.monotonic() < deadline
            time.sleep(POLL_INTERVAL_S)
        self._namespace = self._namespace_of(self._holder.pid)
        _run("ip", "link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        _run("ip", "link", "set", self._cable, "master", BRIDGE, "up")
        self.run("ip", "address", "add", f"{address}/{NETWORK_BITS}", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "link", "set", "lo", "up")

    @staticmethod
    def _namespace_of(process_id):
        return os.readlink(f"/proc/{process_id}/ns/net")

    @property
    def entering(self):
        """The beginning of a command that runs on this machine."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--"]

    def run(self, *command):
        _run(*self.entering, *command)

    def cut(self):
        """Nothing arrives at the machine any more, nor comes from it."""
        _run("ip", "link", "set", self._cable, "down")

    def mend(self):
        _run("ip", "link", "set", self._cable, "up")

    def cut_from(self, machine):
        """What this machine sends to another one is lost, so that no connection between the two works."""
        self.run("ip", "neighbour", "replace", machine.address, "lladdr", "02:00:00:00:00:01", "nud", "permanent", "dev",
                 "eth0")  # fmt: skip

    def mend_from(self, machine):
        self.run("ip", "neighbour", "delete", machine.address, "dev", "eth0")

    def processes(self):
        """(process ID, name of the program) of all that runs here."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == self._holder.pid:
                continue
            try:
                if self._namespace_of(entry.name) == self._namespace:
                    found.append((int(entry.name), (entry / "comm").read_text(encoding="utf-8").strip()))
            except OSError:  # it has ended
                continue
        return found

    def signal(self, number, *names):
        """To all processes of programs with these names; without names, to all processes. Returns their number."""
        count = 0
        for process_id, name in self.processes():
            if not names or name in names:
                try:
                    os.kill(process_id, number)
                    count += 1
                except ProcessLookupError:
                    pass
        return count

    def remove(self):
        # The kernel would remove it with the namespace as well, some time later.
        _run("ip", "link", "delete", self._cable)
        self.signal(signal.SIGKILL)
        self._holder.kill()
        self._holder.wait()
