"""One command at a time changes a computer. The lock is the operating system's, on a directory: it needs no file, and
ends with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .findings import Problem


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keeps other commands from working on Taskwarrior's data in the directory, which need not exist yet.
    CommandStopped if one does. Two commands at once lose nothing without it, but what they say of each other would
    mislead."""
    file = _open(directory)
    try:
        if not _try_lock(file) and not _try_lock_again(file):
            raise Problem.COMPUTER_BUSY.stop(directory=directory)
        yield
    finally:
        os.close(file)


def is_alone(directory: Path) -> bool:
    """Whether no command works on the data in the directory at the moment."""
    file = _open(directory)
    try:
        return _try_lock(file)
    finally:
        os.close(file)


def _open(directory: Path) -> int:
    place = next(found for found in (directory, *directory.parents) if found.is_dir())
    return os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _try_lock_again(file: int) -> bool:
    """After the moment for which `is_alone` of another process may have had the lock."""
    time.sleep(0.1)
    return _try_lock(file)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # A file system without locks, such as some that are mounted over a network.
    return True
