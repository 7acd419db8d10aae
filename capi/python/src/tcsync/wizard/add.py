"""`tcsync add`: one new task on the server, without a replica on this computer.

A version needs the latest version's ID as its parent. A server answers a wrong parent with that ID and stores nothing,
so one request finds it and the next one adds the task. Two things come first, because no server checks them:

- A server accepts any parent for a client without versions. The task would begin a history of its own there, and a
  computer that has synced before could never sync again. So the history must exist, unless the person says that it is
  to begin; the parent of the first attempt is then the nil version, which a new computer begins with.
- A version that is sealed with another secret stops every computer of its user for ever. So the beginning of the
  history is unsealed first: its first version, or the snapshot if that version was removed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timezone
from uuid import UUID, uuid4

from tcsync import (
    NIL_VERSION,
    Conflict,
    Create,
    Operation,
    RemoteError,
    RemoteFault,
    SnapshotUrgency,
    TcsyncError,
    Update,
    UpToDate,
    Version,
    VersionAdded,
    task_model,
)
from tcsync.taskwarrior_json import DATE_SECONDS

from .diagnosis import errors_as_findings
from .findings import CommandStopped, Problem
from .server_check import ServerCheck

#: Attempts against other computers that sync at the same moment. Each one loses to a change of theirs.
_TRIES_MAX = 20

_DUE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
#: Control characters, line and paragraph separators, and halves of characters.
_REFUSED_CATEGORIES = ("Cc", "Zl", "Zp", "Cs")
#: After these the server may have stored the version; the others come before it was sent, or are its refusals.
_MAY_HAVE_ARRIVED = (
    RemoteFault.NETWORK_FAILED,
    RemoteFault.TIMED_OUT,
    RemoteFault.TLS_FAILED,
    RemoteFault.SERVER_UNAVAILABLE,
    RemoteFault.SERVER_FAILED,
    RemoteFault.BROKEN_ANSWER,
    RemoteFault.ANSWER_TOO_LARGE,
    RemoteFault.FAILED,
)


class NewTask:
    """A task of one line, from a person's words. CommandStopped for words that cannot be a task's."""

    def __init__(
        self, words: Sequence[str], *, project: str | None = None, tags: Sequence[str] = (), due: str | None = None
    ) -> None:
        self.task_id = uuid4()
        self.description = _one_line(" ".join(words), "the text")
        now = datetime.now(timezone.utc)
        properties: dict[str, task_model.Value] = {}
        if project is not None:
            properties["project"] = _one_line(project, "the project")
        if due is not None:
            properties["due"] = _due(due)
        tags = [_one_line(tag, "a tag") for tag in tags]
        with errors_as_findings():
            operations = task_model.add(self.task_id, self.description, properties=properties, tags=tags, now=now)
        #: The history segment, unsealed. It differs from every other one by the task's ID.
        self.segment = _segment(operations, now)


class Addition:
    """Adds one task for one client. `may_begin` allows it to begin the history of a client that has none;
    `has_synced_here` says that this computer has synced that client's history, so that it must have existed."""

    def __init__(self, server: ServerCheck, client_id: UUID, *, may_begin: bool, has_synced_here: bool) -> None:
        self._server = server
        self._client_id = client_id
        self._may_begin = may_begin
        self._has_synced_here = has_synced_here

    def run(self, task: NewTask) -> UUID:
        """Adds it; the ID of its version."""
        history_exists = self._examine()
        parent = NIL_VERSION
        for _ in range(_TRIES_MAX):
            outcome = self._add(parent, task)
            if isinstance(outcome, VersionAdded):
                if history_exists and parent == NIL_VERSION:
                    raise Problem.HISTORY_REPLACED.stop(client_id=self._client_id)
                return outcome.version_id
            if not history_exists:  # Another computer has begun it just now, perhaps with another secret.
                history_exists = self._examine()
            parent = outcome.latest_version_id
        raise Problem.ADD_CONFLICTS.stop(tries=_TRIES_MAX)

    def _examine(self) -> bool:
        """Whether there is a history, which then opens with the secret. CommandStopped where no task may be added."""
        with self._server.findings():
            first = self._server.remote.get_child_version(NIL_VERSION)
            if isinstance(first, Version):
                return True
            snapshot = self._server.remote.get_snapshot()
        if isinstance(first, UpToDate):
            if snapshot is not None:
                raise Problem.HISTORY_UNREADABLE.stop(detail="there is a snapshot and no version after it")
            return self._examine_empty()
        if snapshot is None:
            raise Problem.HISTORY_UNREADABLE.stop(detail="its beginning was removed, and no snapshot covers it")
        return True

    def _examine_empty(self) -> bool:
        if self._server.probe().has_versions:
            return self._examine()
        if self._has_synced_here:
            raise Problem.HISTORY_LOST.stop()
        if not self._may_begin:
            raise Problem.HISTORY_NOT_BEGUN.stop(client_id=self._client_id)
        return False

    def _add(self, parent: UUID, task: NewTask) -> VersionAdded | Conflict:
        try:
            with self._server.findings():
                try:
                    return self._server.remote.add_version(parent, task.segment)
                except RemoteError as error:
                    if error.fault not in _MAY_HAVE_ARRIVED:
                        raise
                    return self._look_up(parent, task, error)
        except KeyboardInterrupt:
            raise Problem.INTERRUPTED_WHILE_ADDING.stop(task=task.task_id) from None

    def _look_up(self, parent: UUID, task: NewTask, error: RemoteError) -> VersionAdded:
        """The outcome of a request whose answer did not come: never added again blindly, because that could make two
        tasks of one for a person who then repeats the command."""
        try:
            child = self._server.remote.get_child_version(parent)
        except TcsyncError:
            raise self._unknown(task, error) from None
        if isinstance(child, Version):
            if child.plaintext != task.segment:
                raise error  # Another version has that place, so the task was not added.
            return VersionAdded(child.version_id, SnapshotUrgency.NONE)
        raise self._unknown(task, error)

    def _unknown(self, task: NewTask, error: RemoteError) -> CommandStopped:
        return Problem.ADD_UNKNOWN.stop(task=task.task_id, detail=str(error).rstrip(". "))


def _one_line(text: str, what: str) -> str:
    """The text without space around it. CommandStopped when it is not one line of plain text."""
    for character in text:
        if unicodedata.category(character) in _REFUSED_CATEGORIES:
            name = (
                "a line break" if character in "\r\n\u2028\u2029" else f"the control character U+{ord(character):04X}"
            )
            if unicodedata.category(character) == "Cs":
                name = "bytes that are not UTF-8"
            raise Problem.TEXT_REFUSED.stop(detail=f"{what} has {name} in it; it must be one line of plain text")
    if not text.strip():
        raise Problem.TEXT_REFUSED.stop(detail=f"{what} is empty")
    return text.strip()


def _due(text: str) -> datetime:
    """A date or a time in ISO 8601's extended format. Without a zone it is this computer's; a date is its midnight, as
    in Taskwarrior."""
    found = _DUE.fullmatch(text)
    try:
        if found:
            day, time, zone = found.groups()
            moment = datetime.fromisoformat(f"{day}T{time or '00:00'}{(zone or '').replace('Z', '+00:00')}")
            moment = moment.astimezone(timezone.utc)
            if int(moment.timestamp()) in DATE_SECONDS:
                return moment
    except (ValueError, OverflowError, OSError):
        pass
    raise Problem.TEXT_REFUSED.stop(
        detail="the due date is not one from 1980 on, such as 2026-12-24, 2026-12-24T18:00 or 2026-12-24T18:00Z"
    )


def _segment(operations: Sequence[Operation], now: datetime) -> bytes:
    """The operations as TaskChampion writes them into a version."""
    timestamp = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond:06}Z"
    listed: list[dict[str, object]] = []
    for operation in operations:
        if isinstance(operation, Create):
            listed.append({"Create": {"uuid": str(operation.task_id)}})
        elif isinstance(operation, Update):
            listed.append(
                {
                    "Update": {
                        "uuid": str(operation.task_id),
                        "property": operation.property,
                        "value": operation.value,
                        "timestamp": timestamp,
                    }
                }
            )
    return json.dumps({"operations": listed}, ensure_ascii=False).encode()
