"""A file that is written as a whole or not at all, and that only its owner can read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .findings import Problem


def refuse_existing(path: Path, *, force: bool) -> None:
    """CommandStopped if the file exists and must not be replaced. To be called before long work; `whole_file` checks
    again."""
    if path.exists() and not path.is_file():  # To replace /dev/null would break the system.
        raise Problem.OUTPUT_FAILED.stop(path=path, detail="it is not a regular file")
    if not force and os.path.lexists(path):
        raise Problem.OUTPUT_EXISTS.stop(path=path)


@contextmanager
def whole_file(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """A temporary file beside `path`, which takes that name at the end of the block, durably. After an exception
    nothing of it is left. With `force` an existing file is replaced, the target of a symbolic link in the link's
    place; its content is complete at every moment."""
    if force:
        path = Path(os.path.realpath(path))
    try:
        descriptor, name = tempfile.mkstemp(prefix=".tcsync-export-", dir=path.parent)  # Mode 0600.
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _move(name, path, force=force)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)
        _sync_directory(path.parent)
    except OSError as error:
        raise Problem.OUTPUT_FAILED.stop(path=path, detail=error.strerror or type(error).__name__) from None


def _move(name: str, path: Path, *, force: bool) -> None:
    if force:
        os.replace(name, path)
        return
    try:
        os.link(name, path)  # Unlike a rename, it never replaces a file that has just come.
    except FileExistsError:
        raise Problem.OUTPUT_EXISTS.stop(path=path) from None
    except OSError:  # A file system without hard links, such as a USB stick's.
        refuse_existing(path, force=False)
        os.rename(name, path)


def _sync_directory(directory: Path) -> None:
    with suppress(OSError):  # Not every file system can.
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
