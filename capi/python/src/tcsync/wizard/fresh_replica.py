"""The safe way to let a replica join another history: export, a fresh replica, import, compare; and the way back.

A replica cannot forget its synced history, so a new one takes its place. The old one's files move into a directory of
their own beside it and stay there, with the export; nothing is deleted.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from .findings import Problem
from .interrupts import interrupts_deferred
from .replica import DATABASE_FILES
from .taskwarrior import Taskwarrior

EXPORT = "export.json"
#: Properties that Taskwarrior computes again on each computer.
_LOCAL_ATTRIBUTES = ("id", "urgency")


class FreshReplica:
    """One exchange of a replica. `run` makes it; `undo` restores the old replica, also after an incomplete exchange."""

    def __init__(self, taskwarrior: Taskwarrior, data_directory: Path) -> None:
        self._taskwarrior = taskwarrior
        self._data = data_directory
        self.kept_aside = _unused(data_directory / f"before-tcsync-{datetime.now():%Y%m%d-%H%M%S}")
        self._moved = False

    def run(self) -> None:
        """Carries all tasks over. CommandStopped when a task was lost or changed; the caller then undoes."""
        exported = self._taskwarrior.export()
        with interrupts_deferred():
            self.kept_aside.mkdir(mode=0o700)
            _write_private(self.kept_aside / EXPORT, exported)
            self._moved = True
            _move_all(self._data, self.kept_aside)
        before = _by_uuid(exported)
        self._taskwarrior.import_file(self.kept_aside / EXPORT)
        after = _by_uuid(self._taskwarrior.export())
        if before != after:
            lost = len(before.keys() - after.keys())
            changed = sum(before[key] != after[key] for key in before.keys() & after.keys())
            detail = f"of {len(before)} tasks {lost} were lost and {changed} changed"
            raise Problem.EXCHANGE_FAILED.stop(detail=detail, export=self.kept_aside / EXPORT)

    def undo(self) -> None:
        """Restores the old replica; the imported one is in the directory aside."""
        if not self._moved:
            return
        with interrupts_deferred():
            failed = _unused(self.kept_aside / "imported")
            failed.mkdir(mode=0o700)
            _move_all(self._data, failed)
            _move_all(self.kept_aside, self._data)
            self._moved = False


def _by_uuid(exported: str) -> dict[str, dict[str, Any]]:
    tasks: list[dict[str, Any]] = json.loads(exported)
    return {
        task["uuid"]: {name: value for name, value in task.items() if name not in _LOCAL_ATTRIBUTES} for task in tasks
    }


def _move_all(source: Path, target: Path) -> None:
    for name in DATABASE_FILES:
        if (source / name).exists():
            os.rename(source / name, target / name)


def _write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _unused(path: Path) -> Path:
    """The path itself, or with a number if it exists."""
    number = 1
    found = path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found
