"""One command at a time changes a computer. The lock is on a directory: it needs no file of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .findings import Problem
from .locks import repeated, try_lock

#: Longer than a look at the lock takes, and longer than most syncs of the agent.
_PATIENCE_S = 3.0


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keeps other commands from working on Taskwarrior's data in the directory, which need not exist yet.
    CommandStopped if one does. Two commands at once lose nothing without it, but what they say of each other would
    mislead."""
    file = _open(directory)
    try:
        if not repeated(lambda: try_lock(file), _PATIENCE_S):
            raise Problem.COMPUTER_BUSY.stop(directory=directory)
        yield
    finally:
        os.close(file)


def is_alone(directory: Path) -> bool:
    """Whether no command works on the data in the directory at the moment."""
    file = _open(directory)
    try:
        return try_lock(file)
    finally:
        os.close(file)


def _open(directory: Path) -> int:
    place = next(found for found in (directory, *directory.parents) if found.is_dir())
    return os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
