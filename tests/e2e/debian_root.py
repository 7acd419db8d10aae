"""Small Debian systems in directories, for programs that must run on another system than this one. Made once with
debootstrap, which needs root, and kept; TCSYNC_DEBOOTSTRAP_MIRROR names a mirror, without it debootstrap has its own.
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from support import run_bounded

DEBOOTSTRAP_TIMEOUT_S = 900
_SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class RootUnavailable(Exception):
    """There is no such system here; the text says why."""


def enter(root):
    """The beginning of a command that runs in there."""
    chroot = shutil.which("chroot", path=_SYSTEM_PATH)
    if not chroot:
        raise RootUnavailable("there is no chroot command")
    return (chroot, str(root))


def require(root, suite, *packages):
    """Makes the system with these packages at `root`, unless it is there."""
    if os.geteuid() != 0:
        raise RootUnavailable("only root can use a chroot")
    enter(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{root}.lock", "w", encoding="utf-8") as lock:  # Two test runs at once make it once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.is_dir():
            _make(root, suite, packages)


def _make(root, suite, packages):
    """Makes it beside its place and renames it, so that a broken-off attempt is never taken for a whole one."""
    debootstrap = shutil.which("debootstrap", path=_SYSTEM_PATH)
    if not debootstrap:
        raise RootUnavailable("debootstrap, which could fetch one, is not installed")
    partial = Path(f"{root}.partial")
    _remove_partial(partial)
    command = [debootstrap, "--variant=minbase", f"--include={','.join(packages)}", suite, str(partial)]
    if mirror := os.environ.get("TCSYNC_DEBOOTSTRAP_MIRROR"):
        command.append(mirror)
    try:
        done = run_bounded(command, timeout_s=DEBOOTSTRAP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise RootUnavailable(f"debootstrap took over {DEBOOTSTRAP_TIMEOUT_S} s") from None
    if done.returncode != 0:
        last_lines = " | ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        raise RootUnavailable(f"debootstrap failed: {last_lines}")
    partial.rename(root)


def _remove_partial(partial):
    """Removes the rest of a broken-off debootstrap, which may still have /proc and /sys mounted in it."""
    for name in ("proc", "sys"):
        if os.path.ismount(partial / name):
            run_bounded(["umount", "--lazy", str(partial / name)], timeout_s=30)
    run_bounded(["rm", "-rf", "--one-file-system", str(partial)], timeout_s=300)
