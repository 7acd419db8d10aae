"""The operating system's locks on files and directories, which end with the process, however that ends."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_S = 0.02


def try_lock(file: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether this process has the lock now."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # A file system without locks, such as some that are mounted over a network.
    return True


def repeated(attempt: Callable[[], T], seconds: float) -> T:
    """The first true result within so many seconds, or the last one: others may have a lock for a moment."""
    end = time.monotonic() + seconds
    while not (result := attempt()) and time.monotonic() < end:
        time.sleep(_PAUSE_S)
    return result
