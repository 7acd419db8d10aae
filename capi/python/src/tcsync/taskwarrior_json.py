"""Tasks as Taskwarrior's own JSON: the array that `task export` prints and `task import` reads.

    [
    {"description":"Buy milk","due":"20261224T000000Z",...,"uuid":"...","annotations":[...],"tags":[...]},
    {...}
    ]

The attributes are those of `task export`, without `id` and `urgency`, which each computer computes for itself, and
without empty values. A property without a type of Taskwarrior's is a text; a computer on which it is a date or a number
reads that text.

Taskwarrior refuses a whole file for one date or status that it cannot read, and drops an annotation without a date in
silence. Dates before 1980 and in the last hours of 9999 it imports, and then it cannot export any task. A property of
these kinds is therefore the text `unreadable_NAME` here, which every Taskwarrior keeps, and is reported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from uuid import UUID

UNREADABLE = "unreadable_"

_DATES = frozenset({"due", "end", "entry", "modified", "scheduled", "start", "until", "wait"})
_NUMBERS = frozenset({"imask", "last"})
#: Names of the JSON that are no properties.
_RESERVED = frozenset({"", "annotations", "id", "urgency", "uuid"})
_STATUSES = frozenset({"pending", "waiting", "completed", "deleted", "recurring"})
_LISTS = ("tags", "depends")
_TAG, _ANNOTATION, _DEPENDENCY = "tag_", "annotation_", "dep_"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_WHOLE = re.compile("[0-9]{1,20}")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
#: The dates that Taskwarrior reads again after it has stored them: from 1980-01-01T00:00:00Z to 9999-12-31T21:59:58Z.
DATE_SECONDS = range(315_532_800, 253_402_293_599)
#: Characters that a terminal may obey, and those that some programs take for the end of a line.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Unreadable:
    """A property that Taskwarrior cannot read. No value is in it, so it can be shown and logged."""

    task_id: UUID
    property: str
    reason: str

    def __str__(self) -> str:
        # As JSON of ASCII: the name comes from other computers, and must not reach a terminal as it is.
        name = json.dumps(self.property[:60])
        return f"task {self.task_id}: the property {name} {self.reason}; exported as text"


def format_tasks(tasks: Mapping[UUID, Mapping[str, str]], unreadable: list[Unreadable]) -> Iterator[str]:
    """The lines of the array, each with its end. The properties that Taskwarrior cannot read are added to
    `unreadable` as they come."""
    yield "["
    separator = "\n"
    for task_id, properties in tasks.items():
        attributes, found = task_attributes(task_id, properties)
        unreadable.extend(found)
        yield separator + _format(attributes)
        separator = ",\n"
    yield "\n]\n"


def task_attributes(task_id: UUID, properties: Mapping[str, str]) -> tuple[dict[str, object], list[Unreadable]]:
    """One task as JSON values, and the properties that Taskwarrior cannot read."""
    attributes: dict[str, object] = {}
    annotations: list[tuple[int, dict[str, str]]] = []
    tags: list[str] = []
    dependencies: list[str] = []
    texts: list[tuple[str, str]] = []
    unreadable: list[Unreadable] = []
    for name in sorted(properties):
        value = properties[name]
        try:
            if name.startswith(_ANNOTATION):
                seconds = _seconds(name[len(_ANNOTATION) :], "has no date in its name")
                annotations.append((seconds, {"entry": _iso(seconds), "description": _sound(value)}))
            elif name.startswith(_TAG):
                tags.append(_sound(_nonempty(name[len(_TAG) :])))
            elif name.startswith(_DEPENDENCY):
                dependencies.append(_dependency(name[len(_DEPENDENCY) :]))
            elif name in _LISTS:
                _compare_list(name, value, properties)
            elif value:
                attributes[_sound(name)] = _attribute(name, value)
        except _Refused as refused:
            unreadable.append(Unreadable(task_id, name, str(refused)))
            texts.append((name, value))
    for name, value in texts:
        attributes[_unused(UNREADABLE + _replaced(name), attributes, properties)] = _replaced(value)
    attributes = {name: attributes[name] for name in sorted(attributes)}
    attributes["uuid"] = str(task_id)
    if annotations:
        attributes["annotations"] = [annotation for _, annotation in sorted(annotations, key=lambda pair: pair[0])]
    if tags:
        attributes["tags"] = tags
    if dependencies:
        attributes["depends"] = dependencies
    return attributes, unreadable


class _Refused(Exception):
    """Taskwarrior cannot read a property; `str()` is the reason, as the rest of a sentence."""


def _attribute(name: str, value: str) -> object:
    if name in _RESERVED:
        raise _Refused("has a name with another meaning")
    if name in _DATES:
        return _iso(_seconds(value, "is not a date that Taskwarrior reads"))
    if name in _NUMBERS:
        if not _NUMBER.fullmatch(value):
            raise _Refused("is not a number")
        return float(value) if "." in value else int(value)
    if name == "status" and value not in _STATUSES:
        raise _Refused("is not a status of Taskwarrior's")
    return _sound(value)


def _seconds(text: str, reason: str) -> int:
    if not _WHOLE.fullmatch(text) or int(text) not in DATE_SECONDS:
        raise _Refused(reason)
    return int(text)


def _iso(seconds: int) -> str:
    return f"{_EPOCH + timedelta(seconds=seconds):%Y%m%dT%H%M%SZ}"


def _nonempty(tag: str) -> str:
    if not tag:
        raise _Refused("is a tag without a name")
    return tag


def _dependency(text: str) -> str:
    try:
        identifier = UUID(text)
    except ValueError:
        raise _Refused("names no task") from None
    return str(identifier)


def _compare_list(name: str, value: str, properties: Mapping[str, str]) -> None:
    """The lists `tags` and `depends` repeat properties of their own for each entry, which are the truth. Taskwarrior
    exports only those; an entry that only the list has would be lost."""
    prefix = _TAG if name == "tags" else _DEPENDENCY
    lacking = [entry for entry in value.split(",") if entry and prefix + entry not in properties]
    if lacking:
        raise _Refused("has an entry that Taskwarrior ignores")


def _sound(text: str) -> str:
    if _SURROGATE.search(text):
        raise _Refused("is not Unicode text")
    return text


def _replaced(text: str) -> str:
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _unused(name: str, attributes: Mapping[str, object], properties: Mapping[str, str]) -> str:
    while name in attributes or name in properties:
        name = UNREADABLE + name
    return name


def _format(attributes: Mapping[str, object]) -> str:
    # Taskwarrior does not understand the two escapes of JSON for one character beyond U+FFFF, so text stays as it is.
    text = json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def summary(unreadable: Iterable[Unreadable]) -> str:
    """The number of tasks with such properties, as the beginning of a sentence."""
    count = len({found.task_id for found in unreadable})
    return "1 task has" if count == 1 else f"{count} tasks have"
