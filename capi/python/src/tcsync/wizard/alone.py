"""One command at a time changes a computer. The lock is the operating system's, on a directory: it needs no file, and
ends with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .findings import Problem


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keeps other commands from working on Taskwarrior's data in the directory, which need not exist yet.
    CommandStopped if one does. Two commands at once lose nothing without it, but what they say of each other would
    mislead."""
    place = next(found for found in (directory, *directory.parents) if found.is_dir())
    file = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem.COMPUTER_BUSY.stop(directory=directory) from None
        except OSError:
            pass  # A file system without locks, such as some that are mounted over a network.
        yield
    finally:
        os.close(file)
