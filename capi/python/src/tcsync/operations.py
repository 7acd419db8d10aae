"""The changes of tasks that a Replica applies and keeps. Each is a value, and contains no reference to its replica."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class UndoPoint:
    """Changes nothing. `Replica.undo` reverts what follows the last one, so it comes first in a group of changes."""


@dataclass(frozen=True)
class Create:
    """Creates a task without properties. Invalid if the task exists."""

    task_id: UUID


@dataclass(frozen=True)
class Update:
    """Sets one property, or removes it with the value None. Invalid without the task."""

    task_id: UUID
    property: str
    value: str | None = field(repr=False)
    #: The time of the change, with a time zone; None for the time of the commit. Of two updates of one property on two
    #: replicas, the later one wins. Replicas keep nanoseconds, of which a datetime has only the microseconds.
    timestamp: datetime | None = None
    #: The value before the update, None if there was none. A commit ignores it; operations from other replicas lack it.
    old_value: str | None = field(default=None, repr=False)
    #: The nanoseconds of the time beyond `timestamp`, from 0 to 999: with them an operation that was read is written as
    #: it was.
    nanosecond: int = 0


@dataclass(frozen=True)
class Delete:
    """Deletes the whole task for ever. Invalid without the task. Taskwarrior's `delete` only sets a status."""

    task_id: UUID
    #: Those of the task before the deletion. A commit ignores them; operations from other replicas lack them.
    old_properties: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)


Operation = UndoPoint | Create | Update | Delete
