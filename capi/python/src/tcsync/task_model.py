"""The properties of a task as Taskwarrior 3 reads and writes them: dates, tags, annotations, dependencies, status.

Functions that change a task return the operations for `Replica.commit`, and change nothing themselves. They compare
with the given properties, so that a change without an effect is an empty list; every other list sets `modified`. None
has an UndoPoint: put one before the changes that an undo should revert together.

A date is decimal seconds since 1970. A tag is a property `tag_NAME`, a dependency `dep_UUID`, both with the value "x",
and an annotation is `annotation_SECONDS` with the text as its value: so each can be changed on two computers without a
conflict. As Taskwarrior does, these functions also keep the lists `tags` and `depends`, separated by commas, for
programs that read those.

`now` is the time of the operations, and of the dates that they set, with a time zone; None for the present. Functions
raise a TaskModelError for a change that Taskwarrior could not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum
from uuid import UUID

from .errors import TaskModelError
from .operations import Create, Operation, Update

#: A text, a date, or None or "" for no such property.
Value = str | datetime | None

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECONDS = re.compile(r"[+-]?[0-9]+")
_TAG, _ANNOTATION, _DEPENDENCY = "tag_", "annotation_", "dep_"
_TAG_LIST, _DEPENDENCY_LIST = "tags", "depends"
#: Taskwarrior takes these for operators at the beginning of a tag.
_NOT_FIRST_IN_TAG = "+-*/()<>^!%=~0123456789"


class Status(Enum):
    """The value of the property `status`. A waiting task is a pending one with the date `wait` in the future."""

    PENDING = "pending"
    COMPLETED = "completed"
    #: Still stored, so that every computer learns of it. The operation Delete removes a task for ever.
    DELETED = "deleted"
    #: The template of a recurring task.
    RECURRING = "recurring"


@dataclass(frozen=True)
class Annotation:
    """A note on a task. Its time, in whole seconds, is unique within the task."""

    entry: datetime
    description: str = field(repr=False)


def status_of(task: Mapping[str, str]) -> Status | None:
    """PENDING without the property; None for a status that is not known here. Leave such a task as it is."""
    try:
        return Status(task.get("status", "pending"))
    except ValueError:
        return None


def date_of(task: Mapping[str, str], name: str) -> datetime | None:
    """A date such as `due`, `wait`, `entry` or `end`, in UTC; None without the property, or when it has no date."""
    return _date(task.get(name, ""))


def tags_of(task: Mapping[str, str]) -> set[str]:
    """The tags that a person gave to the task, without Taskwarrior's virtual ones, such as PENDING."""
    return set(_names(task, _TAG))


def annotations_of(task: Mapping[str, str]) -> list[Annotation]:
    """The annotations, the oldest first."""
    dated = ((_date(name), task[_ANNOTATION + name]) for name in _names(task, _ANNOTATION))
    return sorted(
        (Annotation(entry, description) for entry, description in dated if entry is not None),
        key=lambda annotation: annotation.entry,
    )


def dependencies_of(task: Mapping[str, str]) -> set[UUID]:
    """The tasks on which this one depends, whether or not they are completed or exist."""
    found = set()
    for name in _names(task, _DEPENDENCY):
        try:
            found.add(UUID(name))
        except ValueError:
            continue
    return found


def add(
    task_id: UUID,
    description: str,
    *,
    properties: Mapping[str, Value] | None = None,
    status: Status = Status.PENDING,
    tags: Iterable[str] = (),
    dependencies: Iterable[UUID] = (),
    now: datetime | None = None,
) -> list[Operation]:
    """Makes a new task, whose ID is a new uuid4(). `properties` may also have `entry` and `modified`, which are the
    time of the call otherwise."""
    after: dict[str, str] = {"entry": _seconds(now)}
    _set_properties(after, {**(properties or {}), "description": description})
    _set_status(after, status, now)
    _change_tags(after, tags, ())
    _change_dependencies(after, task_id, dependencies, ())
    return [Create(task_id), *_difference(task_id, {}, after, now)]


def modify(
    task_id: UUID,
    task: Mapping[str, str],
    *,
    properties: Mapping[str, Value] | None = None,
    status: Status | None = None,
    add_tags: Iterable[str] = (),
    remove_tags: Iterable[str] = (),
    add_dependencies: Iterable[UUID] = (),
    remove_dependencies: Iterable[UUID] = (),
    now: datetime | None = None,
) -> list[Operation]:
    """Changes a task, which has the properties `task`. A status of COMPLETED or DELETED sets `end`, unless it has one;
    PENDING and RECURRING remove it."""
    after = dict(task)
    _set_properties(after, properties or {})
    if status is not None:
        _set_status(after, status, now)
    _change_tags(after, add_tags, remove_tags)
    _change_dependencies(after, task_id, add_dependencies, remove_dependencies)
    return _difference(task_id, task, after, now)


def complete(task_id: UUID, task: Mapping[str, str], *, now: datetime | None = None) -> list[Operation]:
    """Completes and stops a task."""
    return modify(task_id, task, properties={"start": None}, status=Status.COMPLETED, now=now)


def delete(task_id: UUID, task: Mapping[str, str], *, now: datetime | None = None) -> list[Operation]:
    """Gives a task the status DELETED."""
    return modify(task_id, task, status=Status.DELETED, now=now)


def start(task_id: UUID, task: Mapping[str, str], *, now: datetime | None = None) -> list[Operation]:
    """Starts a task. One that is completed or deleted becomes pending; one that was started already stays so."""
    if "start" in task:
        return []
    is_over = status_of(task) in (Status.COMPLETED, Status.DELETED)
    return modify(
        task_id, task, properties={"start": _seconds(now)}, status=Status.PENDING if is_over else None, now=now
    )


def stop(task_id: UUID, task: Mapping[str, str], *, now: datetime | None = None) -> list[Operation]:
    """Stops a task that was started."""
    return modify(task_id, task, properties={"start": None}, now=now)


def annotate(
    task_id: UUID, task: Mapping[str, str], description: str, *, now: datetime | None = None
) -> list[Operation]:
    """Adds an annotation, with a later second if the task has one of this second."""
    if not description.strip():
        raise TaskModelError("an annotation cannot be empty; give it a text")
    second = int(_seconds(now))
    while f"{_ANNOTATION}{second}" in task:
        second += 1
    return _difference(task_id, task, {**task, f"{_ANNOTATION}{second}": description}, now)


def remove_annotation(
    task_id: UUID, task: Mapping[str, str], entry: datetime, *, now: datetime | None = None
) -> list[Operation]:
    """Removes the annotation of that time, if there is one."""
    removed = f"{_ANNOTATION}{_seconds(entry)}"
    return _difference(task_id, task, {name: value for name, value in task.items() if name != removed}, now)


def _names(task: Mapping[str, str], prefix: str) -> list[str]:
    """The rest of each property's name that begins with the prefix and is longer."""
    return [name[len(prefix) :] for name in task if name.startswith(prefix) and len(name) > len(prefix)]


def _date(text: str) -> datetime | None:
    if not _SECONDS.fullmatch(text):
        return None
    try:
        return _EPOCH + timedelta(seconds=int(text))
    except (OverflowError, ValueError):  # Beyond the year 9999, or with thousands of digits.
        return None


def _seconds(moment: datetime | None) -> str:
    if moment is None:
        moment = datetime.now(timezone.utc)
    elif moment.utcoffset() is None:
        raise TaskModelError("a date lacks its time zone; give one with it, as datetime.now(timezone.utc) has it")
    return str((moment - _EPOCH) // timedelta(seconds=1))


def _set_properties(task: dict[str, str], properties: Mapping[str, Value]) -> None:
    for name, value in properties.items():
        if name in ("status", _TAG_LIST, _DEPENDENCY_LIST) or name.startswith((_TAG, _ANNOTATION, _DEPENDENCY)):
            raise TaskModelError(f"the property {name!r} follows rules of its own; change it by the argument for it")
        if name == "description" and not (isinstance(value, str) and value.strip()):
            raise TaskModelError("a description cannot be empty; give it a text")
        if isinstance(value, datetime):
            value = _seconds(value)
        if value:
            task[name] = value
        else:
            task.pop(name, None)


def _set_status(task: dict[str, str], status: Status, now: datetime | None) -> None:
    task["status"] = status.value
    if status in (Status.COMPLETED, Status.DELETED):
        task.setdefault("end", _seconds(now))
    else:
        task.pop("end", None)


def _change_tags(task: dict[str, str], added: Iterable[str], removed: Iterable[str]) -> None:
    before = tags_of(task)
    for tag in removed:
        task.pop(_TAG + tag, None)
    for tag in added:
        # Of capital letters alone, it is a virtual one of Taskwarrior's, or looks like one.
        if (
            not tag
            or tag[0] in _NOT_FIRST_IN_TAG
            or ":" in tag[1:]
            or "," in tag
            or any(character.isspace() for character in tag)
            or re.fullmatch("[A-Z]+", tag)
        ):
            raise TaskModelError(
                f"{tag!r} cannot be a tag; give one without spaces, colons and commas that begins with no digit or "
                "operator, and is not of capital letters alone"
            )
        task.setdefault(_TAG + tag, "x")
    if tags_of(task) != before:
        _set_list(task, _TAG_LIST, tags_of(task))


def _change_dependencies(task: dict[str, str], task_id: UUID, added: Iterable[UUID], removed: Iterable[UUID]) -> None:
    before = dependencies_of(task)
    for dependency in removed:
        task.pop(f"{_DEPENDENCY}{dependency}", None)
    for dependency in added:
        if dependency == task_id:
            raise TaskModelError(f"the task {task_id} cannot depend on itself; give another task")
        task.setdefault(f"{_DEPENDENCY}{dependency}", "x")
    if dependencies_of(task) != before:
        _set_list(task, _DEPENDENCY_LIST, map(str, dependencies_of(task)))


def _set_list(task: dict[str, str], name: str, items: Iterable[str]) -> None:
    text = ",".join(sorted(items, key=str.encode))
    if text:
        task[name] = text
    else:
        task.pop(name, None)


def _difference(
    task_id: UUID, before: Mapping[str, str], after: dict[str, str], now: datetime | None
) -> list[Operation]:
    """The updates that lead from the one to the other: sorted, and the status last, as Taskwarrior writes them."""
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if names and "modified" not in names:
        after["modified"] = _seconds(now)
        if before.get("modified") != after["modified"]:
            names.add("modified")
    ordered = sorted(names, key=lambda name: (name == "status", name))
    return [Update(task_id, name, after.get(name), now) for name in ordered]
