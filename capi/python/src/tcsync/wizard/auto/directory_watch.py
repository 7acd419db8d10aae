"""Waiting for programs that write into a directory: by Linux's inotify, or else by coming back after a short time."""

from __future__ import annotations

import ctypes
import os
import select
import time
from contextlib import suppress
from pathlib import Path

#: Between two looks where the system does not tell of changes, and at the least between two that it tells of.
LOOK_S = 0.5
#: Between two looks otherwise. The system does not tell of what another computer writes to a network's file system.
IDLE_LOOK_S = 5.0

# From inotify(7).
_IN_MODIFY, _IN_CLOSE_WRITE, _IN_MOVED, _IN_CREATE, _IN_DELETE = 0x2, 0x8, 0x40 | 0x80, 0x100, 0x200
_IN_DELETE_SELF, _IN_MOVE_SELF = 0x400, 0x800
_IN_ONLYDIR = 0x01000000
_EVENTS = _IN_MODIFY | _IN_CLOSE_WRITE | _IN_MOVED | _IN_CREATE | _IN_DELETE | _IN_DELETE_SELF | _IN_MOVE_SELF
_BUFFER_BYTES = 64 * 1024


class DirectoryWatch:
    """Watches the directory of a file, which need not exist. One thread, but for `wake`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._wake_reader, self._wake_writer = os.pipe()
        for descriptor in (self._wake_reader, self._wake_writer):
            os.set_blocking(descriptor, False)
        self._inotify = _Inotify.start()
        self._watch = self._place_watch()
        self._told_at = 0.0

    def wake(self) -> None:
        """Ends the wait that is under way, or else the next one. From any thread."""
        with suppress(BlockingIOError):  # As many were written as there is room for.
            os.write(self._wake_writer, b"w")

    def wait(self, longest_s: float = IDLE_LOOK_S, until: float | None = None) -> None:
        """Until a program has written into the directory, or may have, `wake` was called, or the time is over: in so
        many seconds, or at that instant of the monotonic clock."""
        before, self._watch = self._watch, self._place_watch()
        if self._watch != before:
            return  # What has happened before is not told.
        end = time.monotonic() + (min(longest_s, LOOK_S) if self._watch is None else longest_s)
        if until is not None:
            end = min(end, until)
        # A program that writes on and on does not keep this one busy.
        if self._select(min(end, self._told_at + LOOK_S), [self._wake_reader]):
            return
        told = [] if self._inotify is None or self._watch is None else [self._inotify.descriptor]
        ready = self._select(end, [self._wake_reader, *told])
        if self._inotify is not None and self._inotify.descriptor in ready:
            self._told_at = time.monotonic()
            self._inotify.take()

    def close(self) -> None:
        if self._inotify is not None:
            os.close(self._inotify.descriptor)
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _place_watch(self) -> int | None:
        """The number of the watch; another one when the directory is another one, and None when nothing is watched."""
        if self._inotify is None:
            return None
        # A link to the database leads SQLite, with its other files, to another directory.
        return self._inotify.watch(Path(os.path.realpath(self._file)).parent)

    def _select(self, end: float, descriptors: list[int]) -> list[int]:
        """Those that can be read. Wake-ups are taken."""
        ready, _, _ = select.select(descriptors, [], [], max(0.0, end - time.monotonic()))
        if self._wake_reader in ready:
            with suppress(BlockingIOError):
                os.read(self._wake_reader, _BUFFER_BYTES)
        return ready


class _Inotify:
    """One watch, which moves when another directory has taken the place of the watched one."""

    def __init__(self, libc: ctypes.CDLL, descriptor: int) -> None:
        self.descriptor = descriptor
        self._libc = libc
        self._watch = -1

    @classmethod
    def start(cls) -> _Inotify | None:
        """None where the system has no inotify, or has given out all that a user may have."""
        libc = ctypes.CDLL(None)
        if not hasattr(libc, "inotify_init1"):
            return None
        descriptor = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        return cls(libc, descriptor) if descriptor >= 0 else None

    def watch(self, directory: Path) -> int | None:
        """Watches this directory and no other. Costs little when it was watched before."""
        before = self._watch
        # Gives the same number for the same directory, whatever its name was.
        self._watch = self._libc.inotify_add_watch(self.descriptor, os.fsencode(directory), _EVENTS | _IN_ONLYDIR)
        if before not in (-1, self._watch):
            self._libc.inotify_rm_watch(self.descriptor, before)
        return self._watch if self._watch >= 0 else None

    def take(self) -> None:
        """Forgets what has happened: the files tell more."""
        with suppress(BlockingIOError):
            while os.read(self.descriptor, _BUFFER_BYTES):
                pass
