"""`tcsync status`: this computer's part of sync at one glance, and the server's position, in at most two requests.

Taskwarrior keeps no time of its syncs, and the time of the database's file is that of any change. The tasks tell a
bound: the last sync was not before the newest change that it has carried, in either direction. A sync without changes
leaves no trace, so nothing tells the time itself.

The first request asks for the version after this computer's. A server without the client's data answers it as one
without a later version does, and so does a program that is no sync server; in that case the second request, for the
first version, tells them apart. It also shows whether the secret opens the history.
"""

from __future__ import annotations

from datetime import datetime, timezone
from enum import Enum
from typing import Any
from uuid import UUID

from tcsync import NIL_VERSION, Credentials, Gone, UpToDate
from tcsync.operations import Create, Delete, Operation, Update

from .auto.overview import look_at_agent
from .computer import ThisComputer
from .console import Console
from .exit_codes import ExitCode
from .findings import CommandStopped, Finding, Problem
from .replica import LocalReplica
from .server_check import ConnectionOptions, ServerCheck

#: Seconds for one answer, unless a flag says otherwise: a glance is short.
ANSWER_TIMEOUT_S = 10.0

_MODIFIED = "modified"


class ServerState(Enum):
    """The server's latest version beside this computer's."""

    EQUAL = "equal"
    AHEAD = "ahead"
    #: This computer's version is not in the server's history.
    LACKS_VERSION = "lacks-version"
    NO_DATA = "no-data"
    #: The server was not reached, or its answer cannot be used.
    UNKNOWN = "unknown"


class Status:
    """One look. `run` prints it as it comes: this computer's part first, which needs no server."""

    def __init__(self, computer: ThisComputer, connection: ConnectionOptions, console: Console) -> None:
        self._connection = connection
        self._console = console
        self.credentials: Credentials = computer.require_credentials()
        self.replica: LocalReplica = computer.replica()
        self.changed_tasks = len(self.replica.unsent_tasks)
        self.synced_at = newest_synced_change(self.replica) if self.replica.has_synced else None
        self.server = ServerState.UNKNOWN
        self._agent = look_at_agent(computer.taskrc)
        self.findings: list[Finding] = []

    def run(self) -> None:
        self._show_computer()
        try:
            self.server = self._ask()
        except CommandStopped as stop:
            self._add(stop.finding)
        self._show_server()

    @property
    def is_in_sync(self) -> bool:
        return self.server is ServerState.EQUAL and not self.replica.pending

    def exit_code(self, *, tells_work: bool) -> ExitCode:
        """The status: that of the first finding; with `tells_work`, whether there is something to sync."""
        if self.findings:
            return self.findings[0].exit_code
        return ExitCode.TO_SYNC if tells_work and not self.is_in_sync else ExitCode.DONE

    def as_json(self, exit_code: ExitCode) -> dict[str, Any]:
        return {
            "exit_code": int(exit_code),
            "server_url": self.credentials.url,
            "client_id": str(self.credentials.client_id),
            "has_synced": self.replica.has_synced,
            "last_sync_not_before": self.synced_at and f"{self.synced_at:%Y-%m-%dT%H:%M:%SZ}",
            "pending_changes": self.replica.unsent_operations,
            "pending_tasks": self.changed_tasks,
            "server": self.server.value,
            "agent_runs": self._agent.pid is not None,
            "messages": [finding.as_json() for finding in self.findings],
        }

    # This computer

    def _show_computer(self) -> None:
        self._console.field("Server URL", self.credentials.url)
        self._console.field("Client ID", self.credentials.client_id)
        self._console.field("Last sync", self._last_sync())
        self._console.field("Not sent", self._not_sent())
        if self._agent.is_on:
            self._console.field("By itself", self._by_itself())

    def _last_sync(self) -> str:
        if not self.replica.has_synced:
            return "none yet"
        if self.synced_at is None:
            return "at an unknown time: it has carried no task that is here"
        moment = f"{self.synced_at.astimezone():%Y-%m-%d %H:%M}"
        return f"{moment} or later (the time of the newest synced change)"

    def _by_itself(self) -> str:
        if self._agent.pid is None:
            return "no, because its agent does not run; `tcsync auto on` starts it"
        succeeded_at = self._agent.journal.succeeded_at
        last = f", last at {datetime.fromtimestamp(succeeded_at):%Y-%m-%d %H:%M}" if succeeded_at else ""
        return f"yes{last}; `tcsync auto status` shows more"

    def _not_sent(self) -> str:
        return describe_pending(self.replica.unsent_operations, self.changed_tasks)

    # The server

    def _ask(self) -> ServerState:
        base = self.replica.base_version
        with ServerCheck(self.credentials, self._connection) as server, server.findings():
            found = server.remote.get_child_version(base)
            if isinstance(found, UpToDate):
                if base == NIL_VERSION or isinstance(server.remote.get_child_version(NIL_VERSION), UpToDate):
                    return ServerState.NO_DATA
                return ServerState.EQUAL
            if isinstance(found, Gone) and base != NIL_VERSION:
                return ServerState.LACKS_VERSION
            return ServerState.AHEAD  # To a replica that has nothing, a history that has lost its beginning is ahead.

    def _show_server(self) -> None:
        say = self._console
        if self.server is ServerState.UNKNOWN:
            return
        if self.server is ServerState.LACKS_VERSION:
            self._add(Problem.REPLICA_GONE.finding())
        elif not self.replica.has_synced:
            say.note("This computer has not synced yet: `tcsync doctor` finishes the setup.")
        elif self.server is ServerState.NO_DATA:
            self._add(Problem.HISTORY_LOST.finding())
        elif self.server is ServerState.AHEAD:
            say.note("The server has changes that this computer does not have yet: run `task sync`.")
        elif self.replica.pending:
            say.note("The server has no newer changes; run `task sync` to send those of this computer.")
        else:
            say.done("This computer and the server are in sync.")

    def _add(self, finding: Finding) -> None:
        self.findings.append(finding)
        self._console.finding(finding)


def describe_pending(changes: int, tasks: int) -> str:
    """Such as "6 changes of 1 task"."""
    if not changes:
        return "nothing"
    return f"{changes} {'change' if changes == 1 else 'changes'} of {tasks} {'task' if tasks == 1 else 'tasks'}"


def newest_synced_change(replica: LocalReplica) -> datetime | None:
    """The newest time at which Taskwarrior has changed one of the tasks, without the pending changes. Tasks that were
    purged, and other programs' changes of tasks without a time, do not count."""
    modified = {task_id: task.get(_MODIFIED) for task_id, task in replica.tasks.items()}
    modified.update(_before_pending(replica.pending))
    return max(filter(None, map(_moment, modified.values())), default=None)


def _before_pending(pending: tuple[Operation, ...]) -> dict[UUID, str | None]:
    """The times of change that tasks had before their pending operations, where these have changed the time."""
    before: dict[UUID, str | None] = {}
    for operation in pending:
        if isinstance(operation, Create):
            before.setdefault(operation.task_id, None)
        elif isinstance(operation, Update) and operation.property == _MODIFIED:
            before.setdefault(operation.task_id, operation.old_value)
        elif isinstance(operation, Delete):
            before.setdefault(operation.task_id, operation.old_properties.get(_MODIFIED))
    return before


def _moment(seconds: str | None) -> datetime | None:
    try:
        moment = datetime.fromtimestamp(int(seconds or ""), timezone.utc)
        moment.astimezone()  # The last days of the calendar have no local time.
        return moment
    except (ValueError, OverflowError, OSError):
        return None
