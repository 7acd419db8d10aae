"""`tcsync rotate` and `tcsync move`: a new client for the same tasks, for a lost laptop or another server.

A server accepts any parent for the first version of a client. So the new history begins where this computer is in the
old one: with an empty version whose parent is this computer's base version, and a snapshot of the tasks at that point
for computers that have none yet. A computer that is up to date with the old history continues with the new one as soon
as its settings are changed; one that is behind catches up or merges (join.py). The old client stays on its server as it
is: nothing is deleted, and with the old credentials it can still be read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from tcsync import NIL_VERSION, Conflict, Credentials, Gone, Replica, UpToDate

from .comparison import Tasks, compare
from .computer import ThisComputer
from .console import Console
from .findings import CommandStopped, Finding, Problem
from .received_history import ReceivedHistory
from .server_check import EMPTY_SEGMENT, ConnectionOptions, ServerCheck
from .setup import texts
from .setup.changes import SetupChanges
from .setup.first_sync import first_sync
from .setup.mend import describe_edit
from .setup.outcome import count_tasks, describe_tasks


@dataclass(frozen=True)
class _Beginning:
    """The state with which the new history begins: what the old server and this computer have in common."""

    base_version: UUID
    tasks: Tasks


class Rotation:
    """One change of this computer's credentials, which takes the history along."""

    def __init__(
        self,
        computer: ThisComputer,
        new: Credentials,
        connection: ConnectionOptions,
        console: Console,
        agrees_without_old: Callable[[Finding], bool],
    ) -> None:
        self._computer = computer
        self._new = new
        self._connection = connection
        self._console = console
        #: Asked when the old server cannot be reached: what others have sent there since would be missing until they
        #: merge.
        self._agrees_without_old = agrees_without_old

    def run(self) -> dict[str, int]:
        """Makes the new client, and sets this computer up with it; the tasks by status. CommandStopped; before the new
        client is complete nothing of this computer is changed."""
        self._sync_with_old()
        beginning = self._beginning()
        with ServerCheck(self._new, self._connection) as server:
            self._console.line(texts.CHECKING.format(url=self._new.url))
            server.probe()
            self._begin(server, beginning)
            with ReceivedHistory(server, self._console) as history:
                self._verify(history, beginning)
                self._console.done(texts.ROTATED.format(tasks=describe_tasks(history.tasks)))
                return self._set_up(server, history)

    def _sync_with_old(self) -> None:
        self._console.line(texts.SYNCING_LAST)
        try:
            self._computer.taskwarrior.sync()
        except CommandStopped as stop:
            # Any other failure is one of this computer's, or an answer.
            if stop.finding.problem is not Problem.SYNC_UNREACHABLE or not self._agrees_without_old(stop.finding):
                raise
            self._console.note(texts.WITHOUT_OLD_SERVER)

    def _beginning(self) -> _Beginning:
        with self._computer.replica_findings(), Replica.copy_of(self._computer.taskrc.data_location) as copy:
            # What is not sent yet is no part of the version; `task sync` sends it to the new client.
            while copy.undo():
                pass
            state = copy.state()
            if state.base_version_id == NIL_VERSION:
                raise Problem.NOTHING_SYNCED.stop()
            return _Beginning(state.base_version_id, copy.tasks())

    def _begin(self, server: ServerCheck, beginning: _Beginning) -> None:
        """Makes the new client's first version and snapshot, unless an earlier try has made them."""
        remote = server.remote
        with server.findings():
            if _is_empty(server):
                added = remote.add_version(beginning.base_version, EMPTY_SEGMENT)
                if isinstance(added, Conflict):
                    raise self._in_use()
                version_id = added.version_id
            else:
                child = remote.get_child_version(beginning.base_version)
                if isinstance(child, Gone):
                    raise self._in_use()
                if isinstance(child, UpToDate) or remote.get_snapshot() is not None:
                    return
                version_id = child.version_id
            remote.add_snapshot(version_id, _snapshot(beginning.tasks))

    def _in_use(self) -> CommandStopped:
        return Problem.CLIENT_IN_USE.stop(client_id=self._new.client_id, url=self._new.url)

    def _verify(self, history: ReceivedHistory, beginning: _Beginning) -> None:
        """CommandStopped unless a new computer gets all tasks. Others may have gone on since an earlier try."""
        try:
            history.receive()
        except CommandStopped as stop:
            if stop.finding.problem is not Problem.HISTORY_BEGINNING_GONE:
                raise
            raise Problem.ROTATION_UNREADABLE.stop(url=self._new.url) from None
        if compare(history.tasks, beginning.tasks).only_here:
            raise Problem.ROTATION_UNREADABLE.stop(url=self._new.url)

    def _set_up(self, server: ServerCheck, history: ReceivedHistory) -> dict[str, int]:
        with SetupChanges(self._computer) as changes:
            edit, _ = changes.apply(self._new, None)
            describe_edit(edit, self._computer, self._console)
            with changes.syncing():
                done = first_sync(self._computer, server, self._connection, self._console, history=history)
        if done.finding is not None:
            raise CommandStopped(done.finding)
        return done.tasks or count_tasks(history.tasks.values())


def _is_empty(server: ServerCheck) -> bool:
    """Whether the client has neither versions nor a snapshot."""
    return isinstance(server.remote.get_child_version(NIL_VERSION), UpToDate) and server.remote.get_snapshot() is None


def _snapshot(tasks: Tasks) -> bytes:
    """A snapshot as TaskChampion writes it."""
    document = {str(task_id): dict(properties) for task_id, properties in tasks.items()}
    return zlib.compress(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
