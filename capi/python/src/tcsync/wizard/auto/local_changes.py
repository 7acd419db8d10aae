"""This computer's changes: whether its database has something to send that was not there at the last sync."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from tcsync import NIL_VERSION, Operation, Replica, ReplicaError, ReplicaFault, UndoPoint

_DATABASE = "taskchampion.sqlite3"
_FILES = (_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-journal")


class LocalChanges:
    """Looks at one data directory, which need not exist. One thread."""

    def __init__(self, data_directory: Path) -> None:
        self._directory = data_directory
        self.database = data_directory / _DATABASE
        self._seen: tuple[object, ...] | None = None
        #: What the last sync has left, because no sync sends it: no reason for another one.
        self._left: tuple[Operation, ...] = ()
        self._pending: tuple[Operation, ...] = ()
        #: Whether a look has found a database: then it is not to be made anew where it is missing.
        self.has_had_database = False
        #: Whether the last look could not read the database, because it was in use.
        self.is_unread = False
        #: The version up to which the replica was synced, at the last look.
        self.base_version: UUID = NIL_VERSION

    def look(self) -> bool:
        """Whether there are changes to send, and others than at the last look. Costs little while no program has
        written to the database."""
        seen = self._signature()
        self.is_unread = False
        if seen == self._seen:
            return False
        before = self._pending
        if not self._read():
            self.is_unread = True  # The next look reads it.
            return False
        self._seen = seen
        return bool(self._pending) and self._pending not in (before, self._left)

    def look_after_sync(self) -> bool:
        """The same after a sync that has succeeded."""
        before = self._pending
        self._seen = None
        has_changes = self.look()
        if self._pending == before:
            self._left = before
        return has_changes

    def _read(self) -> bool:
        try:
            with Replica.copy_of(self._directory) as copy:
                self.base_version = copy.state().base_version_id
                operations = copy.pending_operations()
            self.has_had_database = True
        except ReplicaError as error:
            if error.fault is not ReplicaFault.REPLICA_MISSING:
                return False
            self.base_version, operations = NIL_VERSION, []
        self._pending = tuple(operation for operation in operations if not isinstance(operation, UndoPoint))
        return True

    def _signature(self) -> tuple[object, ...]:
        """Another one whenever a program has written to the database."""
        found: list[object] = []
        for name in _FILES:
            with suppress(OSError):
                status = os.stat(self._directory / name)
                found.append((name, status.st_ino, status.st_size, status.st_mtime_ns))
        return tuple(found)
