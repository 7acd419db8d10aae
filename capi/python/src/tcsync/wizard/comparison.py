"""The comparison of two computers' tasks, property by property."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from uuid import UUID

from .words import listed, plural

Tasks = Mapping[UUID, Mapping[str, str]]


@dataclass(frozen=True)
class Differences:
    """The tasks that are not the same on the server and here."""

    only_there: frozenset[UUID]
    only_here: frozenset[UUID]
    changed: frozenset[UUID]

    def __bool__(self) -> bool:
        return bool(self.only_there or self.only_here or self.changed)

    def __str__(self) -> str:
        """Such as "2 tasks are only on the server and 1 task has other properties here"."""
        parts = [
            f"{plural(len(tasks), 'task')} {one if len(tasks) == 1 else several}"
            for tasks, one, several in (
                (self.only_there, "is only on the server", "are only on the server"),
                (self.only_here, "is only here", "are only here"),
                (self.changed, "has other properties here", "have other properties here"),
            )
            if tasks
        ]
        return listed(parts) if parts else "all tasks are the same"


def compare(there: Tasks, here: Tasks, unsent: Set[UUID] = frozenset()) -> Differences:
    """Compares every property of every task, but for those with unsent changes."""
    return Differences(
        frozenset(there.keys() - here.keys() - unsent),
        frozenset(here.keys() - there.keys() - unsent),
        frozenset(task for task in there.keys() & here.keys() - unsent if dict(there[task]) != dict(here[task])),
    )
