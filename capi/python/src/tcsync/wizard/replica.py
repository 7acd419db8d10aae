"""A replica's own file, read without changing it: its position, its unsent changes, and its tasks.

Taskwarrior 3 keeps a replica in taskchampion.sqlite3 in the data directory. The parts that are used here:

    sync_meta   (key, value)    'base_version': the last version that this replica has, absent before the first sync
    operations  (data, synced)  JSON, or the text "UndoPoint"; synced 0: not sent yet
    tasks       (uuid, data)    JSON of one task's properties
    version     (major, minor)  since TaskChampion 2; other formats than major 0 are unknown

Any other file gives ReplicaUnreadable: nothing is guessed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from tcsync import NIL_VERSION
from tcsync.operations import Create, Delete, Operation, UndoPoint, Update

DATABASE = "taskchampion.sqlite3"
#: The database, and the files that SQLite may keep beside it.
DATABASE_FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")

_BUSY_TIMEOUT_S = 5.0
_COLUMNS = {"sync_meta": {"key", "value"}, "operations": {"data", "synced"}, "tasks": {"uuid", "data"}}


class ReplicaUnreadable(Exception):
    """The file exists, but cannot be read as a replica. `str()` is the reason."""


@dataclass(frozen=True)
class Replica:
    """The state of a replica at one moment. A computer on which Taskwarrior never ran has an empty one."""

    base_version: UUID = NIL_VERSION
    #: The operations that no sync has sent, in their order, without undo points.
    pending: tuple[Operation, ...] = field(default=(), repr=False)
    tasks: Mapping[UUID, Mapping[str, str]] = field(default_factory=dict, repr=False)

    @property
    def unsent_operations(self) -> int:
        return len(self.pending)

    @property
    def changed_tasks(self) -> int:
        """The number of tasks that pending operations touch."""
        return len({operation.task_id for operation in self.pending if not isinstance(operation, UndoPoint)})

    @property
    def has_synced(self) -> bool:
        return self.base_version != NIL_VERSION


def read_replica(data_directory: Path) -> Replica:
    """The replica in a data directory; an empty one if there is none. ReplicaUnreadable for an unknown format."""
    path = data_directory / DATABASE
    try:
        if not path.exists():
            return Replica()
        return _read(path)
    except (OSError, sqlite3.Error) as error:
        raise ReplicaUnreadable(f"{path} cannot be read: {error}") from None
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ReplicaUnreadable(f"{path} has content that TaskChampion does not write") from None


def _read(path: Path) -> Replica:
    database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S)
    try:
        database.execute("BEGIN")  # All reads are of one moment.
        _check_format(path, database)
        base = database.execute("SELECT value FROM sync_meta WHERE key = 'base_version'").fetchone()
        pending = database.execute(
            """SELECT data FROM operations WHERE NOT synced AND data <> '"UndoPoint"' ORDER BY rowid"""
        )
        tasks = database.execute("SELECT uuid, data FROM tasks")
        return Replica(
            UUID(base[0]) if base else NIL_VERSION,
            tuple(_operation(json.loads(data)) for (data,) in pending),
            {UUID(identifier): dict(json.loads(data)) for identifier, data in tasks},
        )
    finally:
        database.close()


def _operation(data: Mapping[str, Any]) -> Operation:
    """One operation of the table, without the time of an update."""
    ((kind, fields),) = data.items()
    task_id = UUID(fields["uuid"])
    if kind == "Create":
        return Create(task_id)
    if kind == "Update":
        return Update(task_id, fields["property"], fields["value"], old_value=fields.get("old_value"))
    return Delete(task_id, old_properties=fields.get("old_task", {}))


def _check_format(path: Path, database: sqlite3.Connection) -> None:
    for table, wanted in _COLUMNS.items():
        found = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
        if not wanted <= found:
            lacking = ", ".join(sorted(wanted - found))
            raise ReplicaUnreadable(f"{path} has an unknown format: table {table} lacks {lacking}")
    if database.execute("PRAGMA table_info(version)").fetchall():
        major, minor = database.execute("SELECT major, minor FROM version").fetchone()
        if major != 0:
            raise ReplicaUnreadable(f"{path} has format {major}.{minor}, which is newer than the known ones")
