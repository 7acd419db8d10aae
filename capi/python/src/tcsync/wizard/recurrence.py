"""Recurring tasks on several computers: which one of them makes the repetitions, and the ones that were made twice.

A recurring task is a template with the status "recurring". Taskwarrior makes its repetitions, each with the template's
UUID in `parent` and its number in `imask`, whenever it lists tasks on a computer whose setting `recurrence` is on, as
it is by default. Two computers that do so before a sync brings them each other's repetitions make each one twice. So
one of a person's computers should make them; the others receive them by sync.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from uuid import UUID

from tcsync import Taskrc
from tcsync.task_model import Status, date_of, status_of

from .findings import Problem

SETTING = "recurrence"

#: Taskwarrior makes the next repetition before the last one is due. The computer that does may be off for a weekend.
LATE_AFTER = timedelta(days=3)

#: So many tasks are named in one message; after their deletion the doctor names the next ones.
NAMED_MAX = 20

_TRUE = ("true", "1", "y", "yes", "on")

Task = Mapping[str, str]


@dataclass(frozen=True)
class Repetition:
    """A repetition of which there is more than one: its template and number, and the tasks beyond the one to keep."""

    template: UUID
    number: float
    surplus: tuple[UUID, ...]


def makes_repetitions(taskrc: Taskrc) -> bool:
    """Whether Taskwarrior makes repetitions on this computer."""
    setting = taskrc.setting(SETTING)
    return setting is None or setting.value.lower() in _TRUE


def changes(taskrc: Taskrc, wanted: bool | None) -> dict[str, str | None]:
    """The settings to write so that this computer makes repetitions or not; `wanted` None: it stays as it is."""
    if wanted is None or wanted is makes_repetitions(taskrc):
        return {}
    return {SETTING: "on" if wanted else "off"}


def has_recurring(*replicas: Mapping[UUID, Task]) -> bool:
    """Whether there is a recurring task in any of these."""
    return any(status_of(task) is Status.RECURRING for tasks in replicas for task in tasks.values())


def doubled(tasks: Mapping[UUID, Task]) -> list[Repetition]:
    """The repetitions of which more than one is left, so that a person would do one twice.

    If one of them is completed, all pending ones are surplus; otherwise the one that was changed last stays. Every
    computer names the same ones.
    """
    found: dict[tuple[UUID, float], list[UUID]] = defaultdict(list)
    for task_id, task in tasks.items():
        key = _key(task)
        if key is not None and status_of(task) in (Status.PENDING, Status.COMPLETED):
            found[key].append(task_id)
    return [
        Repetition(template, number, surplus)
        for (template, number), alike in sorted(found.items())
        if len(alike) > 1 and (surplus := _surplus(alike, tasks))
    ]


def late(tasks: Mapping[UUID, Task], now: datetime) -> list[UUID]:
    """The recurring tasks whose next repetition should have been made by some computer and was not."""
    last_due: dict[UUID, datetime] = {}
    for task in tasks.values():
        key, due = _key(task), date_of(task, "due")
        if key is not None and due is not None:
            last_due[key[0]] = max(due, last_due.get(key[0], due))
    return [
        task_id
        for task_id, task in tasks.items()
        if status_of(task) is Status.RECURRING and _is_late(task, last_due.get(task_id), now)
    ]


def describe(tasks: Mapping[UUID, Task], taskrc: Taskrc, now: datetime | None = None) -> str:
    """A sentence for the doctor. CommandStopped when repetitions exist twice, or are not made any more."""
    is_on = makes_repetitions(taskrc)
    if repetitions := doubled(tasks):
        surplus = [task_id for repetition in repetitions for task_id in repetition.surplus]
        raise Problem.RECURRENCE_DOUBLED.stop(
            number=len(repetitions), here="on" if is_on else "off", tasks=_names(surplus[:NAMED_MAX])
        )
    if not is_on and (templates := late(tasks, now or datetime.now(timezone.utc))):
        raise Problem.RECURRENCE_STOPPED.stop(number=len(templates), tasks=_names(templates[:NAMED_MAX]))
    if not has_recurring(tasks):
        return "there are no recurring tasks"
    if is_on:
        return f"this computer makes the repetitions; {SETTING} should be off on all the others"
    return "another computer makes the repetitions"


def _key(task: Task) -> tuple[UUID, float] | None:
    """The template and the number of a repetition. Taskwarrior 2 has written numbers such as 3.000000."""
    try:
        return UUID(task["parent"]), float(task["imask"])
    except (KeyError, ValueError):
        return None


def _surplus(alike: list[UUID], tasks: Mapping[UUID, Task]) -> tuple[UUID, ...]:
    pending = [task_id for task_id in alike if status_of(tasks[task_id]) is Status.PENDING]
    if len(pending) == len(alike):
        never = datetime.min.replace(tzinfo=timezone.utc)
        pending.remove(max(pending, key=lambda task_id: (date_of(tasks[task_id], "modified") or never, task_id)))
    return tuple(sorted(pending))


def _is_late(template: Task, last_due: datetime | None, now: datetime) -> bool:
    until = date_of(template, "until")
    expected = last_due or date_of(template, "entry")
    return (until is None or until > now) and expected is not None and expected + LATE_AFTER < now


def _names(tasks: Iterable[UUID]) -> str:
    """The UUIDs, shortened as Taskwarrior accepts them. Digits alone would be a task's small number."""
    return " ".join(str(task) if str(task)[:8].isdigit() else str(task)[:8] for task in tasks)
