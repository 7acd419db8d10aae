"""The agent's own directory, for each of Taskwarrior's data directories another one, and the lock in it: one agent at a
time has it, and its end, however it comes, releases it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")

JOURNAL = "journal.json"
_LOCK = "lock"


def state_directory_of(data_location: Path) -> Path:
    """The place of the agent's files."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    digest = hashlib.sha256(os.fsencode(os.path.realpath(data_location))).digest()
    return base / "tcsync" / "auto" / UUID(bytes=digest[:16]).hex


@contextmanager
def only_agent(state_directory: Path) -> Iterator[bool]:
    """Whether there is no other agent for this directory; there will be none until the end."""
    state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(state_directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # `running_agent` of another process has it for a moment.
        is_only = _repeated(lambda: _try_lock(file, fcntl.LOCK_EX))
        if is_only:
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
        yield bool(is_only)
    finally:
        os.close(file)


def running_agent(state_directory: Path) -> int | None:
    """The process of the agent that runs; None when none does."""
    try:
        file = os.open(state_directory / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # An agent that has just begun writes its number in a moment.
        found = _repeated(lambda: "none" if _try_lock(file, fcntl.LOCK_SH) else os.pread(file, 20, 0).decode().strip())
        return int(found) if found and found.isdigit() else None
    finally:
        os.close(file)


def _try_lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # A file system without locks.
    return True


def _repeated(attempt: Callable[[], T]) -> T:
    """The first true result within a second, or the last one."""
    end = time.monotonic() + 1.0
    while not (result := attempt()) and time.monotonic() < end:
        time.sleep(0.02)
    return result
