"""The agent's own directory, for each of Taskwarrior's data directories another one, and the lock in it: one agent at a
time has it, and its end, however it comes, releases it."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from ..locks import repeated, try_lock

JOURNAL = "journal.json"
_LOCK = "lock"
#: Longer than another process takes to look at the lock, or to write its number after it has got it.
_MOMENT_S = 1.0


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
        is_only = repeated(lambda: try_lock(file), _MOMENT_S)
        if is_only:
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
        yield is_only
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
        found = repeated(lambda: "none" if try_lock(file, fcntl.LOCK_SH) else _written(file), _MOMENT_S)
        return int(found) if found.isdigit() else None
    finally:
        os.close(file)


def _written(file: int) -> str:
    return os.pread(file, 20, 0).decode().strip()
