"""A client's whole data: fetched from its sync server, unsealed and replayed as a replica replays it.

A snapshot is zlib of JSON {task UUID: {property: value}}. A version is JSON {"operations": [...]}, each operation
{"Create": {"uuid"}}, {"Delete": {"uuid"}} or {"Update": {"uuid", "property", "value" or null, "timestamp"}}. As in
TaskChampion, an operation on a missing task, or the creation of an existing one, changes nothing; data that
TaskChampion does not write is a HistoryError. Limits are on bytes, versions and time, so that no server, broken or
hostile, fills the memory or keeps a person waiting for ever.
"""

from __future__ import annotations

import json
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from .errors import HistoryDeadlineError, HistoryError
from .remote import NIL_VERSION, Gone, Snapshot, UpToDate, Version

#: The most bytes of unsealed and unpacked JSON in one history: hundreds of thousands of tasks.
PLAINTEXT_BYTES_MAX = 256 * 1024 * 1024

Tasks = dict[UUID, dict[str, str]]


@dataclass(frozen=True)
class TaskCounts:
    """Tasks by their status."""

    pending: int
    completed: int
    deleted: int
    recurring: int
    other: int

    @property
    def all(self) -> int:
        return self.pending + self.completed + self.deleted + self.recurring + self.other


@dataclass(frozen=True)
class History:
    """One client's data at its latest version."""

    #: Every task that was not purged, including completed and deleted ones: UUID -> property -> value.
    tasks: Mapping[UUID, Mapping[str, str]] = field(repr=False)
    #: The number of fetched versions: all of them, or those after the snapshot.
    version_count: int
    #: The version of the snapshot; None without a snapshot.
    snapshot_version_id: UUID | None
    #: NIL_VERSION for a client without a history.
    latest_version_id: UUID

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_empty(self) -> bool:
        """Whether the server has neither a version nor a snapshot of the client."""
        return self.latest_version_id == NIL_VERSION

    @property
    def counts(self) -> TaskCounts:
        """The tasks by status; one without a status is pending, as in Taskwarrior."""
        counts = Counter(task.get("status", "pending") for task in self.tasks.values())
        known = {name: counts.pop(name, 0) for name in ("pending", "completed", "deleted", "recurring")}
        return TaskCounts(**known, other=counts.total())


class HistorySource(Protocol):
    """A RemoteServer, or another place that has a whole history, such as an exported file."""

    def get_snapshot(self) -> Snapshot | None: ...

    def get_child_version(self, parent_version_id: UUID) -> Version | UpToDate | Gone: ...


def fetch_history(
    server: HistorySource, *, deadline_s: float = 120.0, plaintext_bytes_max: int = PLAINTEXT_BYTES_MAX
) -> History:
    """Fetches everything. The deadline is checked before each request, so one request may exceed it.

    RemoteError and UnsealError as from the server's methods; HistoryError for malformed data and beyond the limit;
    HistoryDeadlineError.
    """
    deadline = time.monotonic() + deadline_s
    for is_last_try in (False, True):
        replay = _Replay(plaintext_bytes_max)
        # If a new snapshot let the server remove the versions in between, another start helps.
        if _fetch(server, replay, deadline, deadline_s) or is_last_try:
            break
    if replay.is_broken_off:
        raise HistoryError(
            "the server's history has a gap: it begins after versions that have been removed, and no snapshot "
            "covers them; run `task sync` on the computer that has all tasks, which uploads a snapshot, and try again"
        )
    return History(replay.tasks, replay.version_count, replay.snapshot_version_id, replay.version_id)


def _fetch(server: HistorySource, replay: _Replay, deadline: float, deadline_s: float) -> bool:
    """Replays snapshot and versions to the latest one; False when the chain breaks off."""
    if snapshot := server.get_snapshot():
        replay.begin_with(snapshot)
    while True:
        if time.monotonic() > deadline:
            raise HistoryDeadlineError(
                f"after {replay.version_count} versions the history was not complete within {deadline_s:g} seconds; "
                "try again with a better connection"
            )
        match server.get_child_version(replay.version_id):
            case Version() as version:
                replay.apply(version)
            case UpToDate():
                return True
            case Gone():
                replay.is_broken_off = True
                return False


class _Replay:
    """The state of the tasks while versions are applied."""

    def __init__(self, plaintext_bytes_max: int) -> None:
        self.tasks: Tasks = {}
        self.version_id = NIL_VERSION
        self.version_count = 0
        self.snapshot_version_id: UUID | None = None
        self.is_broken_off = False
        self._seen = {NIL_VERSION}
        self._bytes_left = plaintext_bytes_max
        self._bytes_max = plaintext_bytes_max

    def begin_with(self, snapshot: Snapshot) -> None:
        where = f"the snapshot of version {snapshot.version_id}"
        unpacker = zlib.decompressobj()
        try:
            unpacked = unpacker.decompress(snapshot.plaintext, self._bytes_left + 1)
        except zlib.error:
            raise _malformed(where, "is not compressed correctly") from None
        self._spend(len(unpacked))
        if not unpacker.eof or unpacker.unused_data:
            raise _malformed(where, "is cut short, or has bytes behind its end")
        for task_uuid, properties in _object(_parse(unpacked, where), where).items():
            task = _object(properties, where)
            self.tasks[_task_uuid(task_uuid, where)] = {name: _text(value, where) for name, value in task.items()}
        self.snapshot_version_id = self.version_id = snapshot.version_id
        self._seen.add(snapshot.version_id)

    def apply(self, version: Version) -> None:
        where = f"the version {version.version_id}"
        if version.version_id in self._seen:
            raise HistoryError(f"{where} comes twice in the server's history; the server is broken")
        self._seen.add(version.version_id)
        self._spend(len(version.plaintext))
        operations = _object(_parse(version.plaintext, where), where).get("operations")
        if not isinstance(operations, list):
            raise _malformed(where, "has no list of operations")
        for operation in operations:
            self._apply_operation(_object(operation, where), where)
        self.version_id = version.version_id
        self.version_count += 1

    def _apply_operation(self, operation: Mapping[str, object], where: str) -> None:
        if len(operation) != 1:
            raise _malformed(where, "has an operation that is not one of Create, Delete and Update")
        ((kind, content),) = operation.items()
        fields = _object(content, where)
        task_uuid = _task_uuid(fields.get("uuid"), where)
        if kind == "Create":
            self.tasks.setdefault(task_uuid, {})
        elif kind == "Delete":
            self.tasks.pop(task_uuid, None)
        elif kind == "Update":
            name, value = _text(fields.get("property"), where), fields.get("value")
            task = self.tasks.get(task_uuid, {})
            if value is None:
                task.pop(name, None)
            else:
                task[name] = _text(value, where)
        else:
            raise _malformed(where, "has an operation that is not one of Create, Delete and Update")

    def _spend(self, size: int) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise HistoryError(f"the history is larger than {self._bytes_max} bytes, the limit")


def _parse(text: bytes, where: str) -> object:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed(where, "is not JSON") from None
    return parsed


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _malformed(where, "has another value in place of an object")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _malformed(where, "has another value in place of a text")
    return value


def _task_uuid(value: object, where: str) -> UUID:
    try:
        return UUID(_text(value, where))
    except ValueError:
        raise _malformed(where, "names a task by something that is not a UUID") from None


def _malformed(where: str, what: str) -> HistoryError:
    return HistoryError(f"{where} opens with the secret, but {what}; it was not written by TaskChampion as known here")
