"""This computer's move to another history, with all of its tasks: the report to the person, and the way for a computer
that was away when the others moved on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from tcsync import Create, Delete, JoinReport, Replica, TcsyncError, Update, Version

from . import unfinished
from .comparison import Tasks
from .computer import ThisComputer
from .console import Console
from .findings import CommandStopped
from .received_history import ReceivingLine
from .server_check import ConnectionOptions, ServerCheck
from .setup import texts
from .words import listed, plural

#: Seconds to wait for another program that holds the replica, such as a `task sync` on a slow connection.
BUSY_TIMEOUT_S = 10.0
#: Versions of the old history that are looked through for the beginning of the new one. A computer that was away for
#: longer is merged instead.
_CATCH_UP_VERSIONS_MAX = 10_000
#: Requests to the new server for that.
_CATCH_UP_REQUESTS_MAX = 200
_NAMED_MAX = 5
_TEXT_CHARACTERS_MAX = 40


@dataclass(frozen=True)
class Joined:
    """The effect of a join."""

    report: JoinReport
    #: The directory with a copy of the replica as it was.
    kept_aside: Path


def join_history(computer: ThisComputer, history: Replica, *, command: str) -> Joined:
    """Lets this computer's replica continue `history`, in place, and keeps a copy of it as it was. Leaves a trail,
    which `command` ends when nothing is left to do. CommandStopped if the replica cannot be changed; it is as it was
    then."""
    directory = computer.taskrc.data_location
    kept_aside = _unused(directory / f"before-tcsync-{datetime.now():%Y%m%d-%H%M%S}")
    keeps_synced = computer.taskwarrior.keeps_synced_operations
    has_trail = unfinished.read(directory) is not None
    unfinished.begin(directory, command, kept_aside)
    try:
        with computer.replica_findings(), Replica(directory, busy_timeout_s=BUSY_TIMEOUT_S) as replica:
            report = replica.join(history, drop_synced_operations=not keeps_synced, copy_directory=kept_aside)
    except BaseException:
        if not has_trail:
            unfinished.end(directory)
        with suppress(OSError):
            kept_aside.rmdir()
        raise
    return Joined(report, kept_aside)


def tell(console: Console, joined: Joined, computer: ThisComputer, *, begins: bool) -> None:
    """Tells a person the effects of a join, after it; `begins` says that the history is a new one."""
    tasks = computer.replica().tasks if joined.report.doubtful else {}
    first, *rest = describe(joined.report, tasks, begins=begins)
    console.done(first)
    for line in rest:
        console.line(line)
    console.line(texts.KEPT_ASIDE.format(path=joined.kept_aside))


def describe(report: JoinReport, tasks: Tasks, *, begins: bool) -> Iterator[str]:
    """The same as lines."""
    if begins:
        yield f"A new history begins with {plural(report.added_tasks, 'task')} of this computer."
        return
    parts = [
        f"{plural(number, 'task')} {what}"
        for number, what in (
            (report.received_tasks, "came from the server"),
            (report.added_tasks, "of this computer will be sent"),
            (report.changed_tasks, "had later changes here"),
            (report.overruled_tasks, "had later changes there"),
            (report.removed_tasks, "had been purged there"),
            (report.deleted_tasks, "had been purged here"),
        )
        if number
    ]
    yield f"Merged: {listed(parts)}." if parts else "Merged: both had the same tasks."
    if not report.doubtful:
        return
    doubts = plural(len(report.doubtful), "decision")
    yield f"{doubts} could not be made by the times of the changes:"
    for doubt in report.doubtful[:_NAMED_MAX]:
        yield f"- {_describe_doubt(doubt, tasks)}"
    if len(report.doubtful) > _NAMED_MAX:
        yield f"- and {len(report.doubtful) - _NAMED_MAX} more"


def catch_up(computer: ThisComputer, server: ServerCheck, connection: ConnectionOptions) -> bool:
    """Receives the rest of the old history up to the version with which the new one begins, if the old server still has
    it: then the new history continues this replica's, and nothing needs to be merged. False, and no change, if that is
    not possible for any reason."""
    try:
        old = computer.configured()
        if old is None or not computer.taskwarrior.keeps_synced_operations:
            return False
        with ServerCheck(old, connection) as old_server:
            link = _link(computer.replica().base_version, old_server, server)
            if link is None:
                return False
            with computer.replica_findings(), Replica(computer.taskrc.data_location, create=False) as replica:
                progress = ReceivingLine(None)
                replica.sync(old_server.remote, last_version_id=link, progress=progress.show)
                return replica.state().base_version_id == link
    except (CommandStopped, TcsyncError):
        return False


def _link(base_version: UUID, old: ServerCheck, new: ServerCheck) -> UUID | None:
    """The version of the old history that the new one continues."""
    versions: list[UUID] = []
    parent = base_version
    while isinstance(child := old.remote.get_child_version(parent), Version):
        parent = child.version_id
        versions.append(parent)
        if len(versions) > _CATCH_UP_VERSIONS_MAX:
            return None
    for version in versions[: -_CATCH_UP_REQUESTS_MAX - 1 : -1]:
        if isinstance(new.remote.get_child_version(version), Version):
            return version
    return None


def _describe_doubt(doubt: object, tasks: Tasks) -> str:
    if isinstance(doubt, Create):
        return f"{_name(doubt.task_id, tasks)} had been purged there, and is back"
    if isinstance(doubt, Delete):
        return f"{_name(doubt.task_id, tasks)} had been purged here, and stays"
    assert isinstance(doubt, Update)
    kept = "removed" if doubt.value is None else _shown(doubt.value)
    other = "none" if doubt.old_value is None else _shown(doubt.old_value)
    return f"{_name(doubt.task_id, tasks)}: {_plain(doubt.property)} is {kept}; the other side had {other}"


def _name(task_id: UUID, tasks: Tasks) -> str:
    description = tasks.get(task_id, {}).get("description")
    return _shown(description) if description else f"task {task_id}"


def _shown(text: str) -> str:
    text = _plain(text)
    return f"“{text}”" if len(text) <= _TEXT_CHARACTERS_MAX else f"“{text[: _TEXT_CHARACTERS_MAX - 1]}…”"


def _plain(text: str) -> str:
    """Text from other computers that cannot command a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _unused(path: Path) -> Path:
    """The path itself, or with a number if it exists."""
    number = 1
    found = path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found
