"""The doctor's checks, one function each, and their order."""

from __future__ import annotations

import stat
import time
from dataclasses import dataclass
from typing import Any

from tcsync import Credentials, History, Probe

from ..computer import TaskProgram, ThisComputer
from ..console import Console
from ..exit_codes import ExitCode
from ..findings import CommandStopped, Finding, Problem
from ..replica import Replica
from ..server_check import ConnectionOptions, ReplicaPosition, ServerCheck
from ..setup.ask import Asker
from ..setup.outcome import describe_tasks
from .hooks import describe_hooks
from .last_sync import LastSync, NotRun
from .report import CHECKS, SERVER_LINKS, Report
from .second_look import refined
from .taskwarriors_way import TaskwarriorsWay

#: A clock that differs by more is reported. Certificates and the order of changes need no better one.
CLOCK_TOLERANCE_S = 60

# The server's problems that belong to a link; other problems belong to "server".
_LINK_OF = {
    Problem.REMOTE_NAME_NOT_RESOLVED: "name",
    Problem.REMOTE_CONNECTION_REFUSED: "connection",
    Problem.REMOTE_NETWORK_FAILED: "connection",
    Problem.REMOTE_FAILED: "connection",
    Problem.REMOTE_PROXY_FAILED: "connection",
    Problem.REMOTE_TIMED_OUT: "connection",
    Problem.REMOTE_CERTIFICATE_EXPIRED: "tls",
    Problem.REMOTE_CERTIFICATE_UNTRUSTED: "tls",
    Problem.REMOTE_CERTIFICATE_WRONG_HOST: "tls",
    Problem.REMOTE_NOT_TLS: "tls",
    Problem.REMOTE_SPEAKS_TLS: "tls",
    Problem.REMOTE_TLS_FAILED: "tls",
    Problem.REMOTE_NOT_ALLOWED: "credentials",
}
# A proxy looks the name up itself, and a timeout may have been at any step.
_UNKNOWN_WAY = (Problem.REMOTE_PROXY_FAILED, Problem.REMOTE_TIMED_OUT)


@dataclass(frozen=True)
class _Findings:
    """The first checks' results, as the later ones need them; None: that check has failed."""

    computer: ThisComputer
    credentials: Credentials
    replica: Replica | None
    way: TaskwarriorsWay | None


class Doctor:
    """One examination. Each check is a function; `report.finish` adds those that an earlier failure made impossible."""

    def __init__(
        self,
        console: Console,
        asker: Asker,
        program: TaskProgram,
        connection: ConnectionOptions,
        *,
        is_first: bool,
        sync: bool | None,
    ) -> None:
        self._program = program
        self._connection = connection
        self._report = Report(console)
        self._last_sync = LastSync(console, asker, connection, sync, is_first)

    @property
    def exit_code(self) -> ExitCode:
        return self._report.exit_code

    def as_json(self) -> dict[str, Any]:
        return self._report.as_json()

    def run(self) -> None:
        computer = self._report.run("taskrc", lambda: ThisComputer(self._program))
        if computer is not None and (found := self._check_computer(computer)) is not None:
            history = self._check_server(found)
            if history is not None and found.way is not None:
                found.way.check()
                self._run_sync(found, history)
        self._report.finish()

    # This computer

    def _check_computer(self, computer: ThisComputer) -> _Findings | None:
        taskwarrior = self._report.run("task", lambda: computer.taskwarrior, str)
        credentials = self._check_taskrc(computer)
        replica = self._report.run("replica", computer.replica, lambda found: _describe_replica(found, computer))
        self._report.run("hooks", lambda: describe_hooks(computer), str)
        if credentials is None:
            return None
        way = None
        if taskwarrior is not None:
            has_ca_file = self._connection.ca_file is not None
            way = TaskwarriorsWay(taskwarrior, credentials.url, self._report, has_ca_file=has_ca_file)
            way.check_proxy()
        return _Findings(computer, credentials, replica, way)

    def _check_taskrc(self, computer: ThisComputer) -> Credentials | None:
        credentials = self._report.run(
            "taskrc",
            computer.require_credentials,
            lambda found: f"{computer.taskrc_path} is set to sync with {found.url}",
        )
        if credentials is not None:
            self._report.run("permissions", lambda: _check_mode(computer), str)
        return credentials

    # The server

    def _check_server(self, found: _Findings) -> History | None:
        """The history on the server, if every link of the way to it holds."""
        credentials = found.credentials
        try:
            with ServerCheck(credentials, self._connection) as server:
                probe = server.probe()
                asked_at = time.time()
                self._reached(credentials, probe)
                self._report.run("clock", lambda: _check_clock(probe, asked_at), str)
                self._report.ok("credentials", f"the server allows the client ID {credentials.client_id}")
                history = self._report.run("data", server.history, _describe_history)
                if history is not None:
                    self._check_position(found, server, history)
                return history
        except CommandStopped as stop:
            finding = refined(stop.finding, credentials.url)
            link = self._failed_link(finding)
            if found.way is not None:
                found.way.check_after(finding, link)
            return None

    def _reached(self, credentials: Credentials, probe: Probe) -> None:
        self._report.ok("name", f"the name of {credentials.url} is known")
        self._report.ok("connection", "the server can be reached")
        self._report.ok(
            "tls", "the certificate is valid" if probe.uses_tls else "not used: the URL begins with http://"
        )
        self._report.ok("server", probe.server_name or "a sync server answers")

    def _failed_link(self, finding: Finding) -> str:
        """Reports a failed link and returns its name. The earlier ones on the way have held, unless the failure does
        not show how far it got."""
        link = _LINK_OF.get(finding.problem, "server")
        way = () if finding.problem in _UNKNOWN_WAY else SERVER_LINKS
        for earlier in way:
            if CHECKS.index(earlier) < CHECKS.index(link) and not self._report.has(earlier):
                self._report.ok(earlier, "holds")
        self._report.failed(link, finding)
        return link

    def _check_position(self, found: _Findings, server: ServerCheck, history: History) -> None:
        replica = found.replica
        if replica is not None:
            self._report.run("position", lambda: _describe_position(replica, server, history), str)

    # The last check

    def _run_sync(self, found: _Findings, history: History) -> None:
        replica = found.replica
        if replica is None or not self._report.allows_sync():
            return
        try:
            self._report.run(
                "sync", lambda: self._last_sync.run(found.computer, found.credentials, replica, history), str
            )
        except NotRun as reason:
            self._report.skipped("sync", str(reason))


def _check_mode(computer: ThisComputer) -> str:
    mode = stat.S_IMODE(computer.taskrc_path.stat().st_mode)
    if mode & 0o077:
        raise Problem.TASKRC_EXPOSED.stop(path=computer.taskrc_path, mode=f"{mode:04o}")
    return f"only you can read {computer.taskrc_path}"


def _check_clock(probe: Probe, asked_at: float) -> str:
    if probe.server_time is None:
        return "the server does not report its time"
    ahead_s = round(asked_at - probe.server_time)
    if abs(ahead_s) > CLOCK_TOLERANCE_S:
        direction = "ahead of" if ahead_s > 0 else "behind"
        raise Problem.CLOCK_WRONG.stop(seconds=abs(ahead_s), direction=direction)
    return "agrees with the server's"


def _describe_replica(replica: Replica, computer: ThisComputer) -> str:
    where = computer.taskrc.data_location
    return f"{describe_tasks(replica.tasks)} in {where}, {replica.unsent_operations} changes not sent"


def _describe_history(history: History) -> str:
    if history.is_empty:
        return "the server has none yet"
    return f"unsealed: {describe_tasks(history.tasks)}"


def _describe_position(replica: Replica, server: ServerCheck, history: History) -> str:
    """Whether the replica is up to date, behind, ahead, or both. CommandStopped when the history lacks its position."""
    if not replica.has_synced:
        return "this computer has not synced yet"
    if history.is_empty:
        raise Problem.HISTORY_LOST.stop()
    position = server.position(replica.base_version, history)
    if position is ReplicaPosition.GONE:
        raise Problem.REPLICA_GONE.stop()
    behind = position is ReplicaPosition.BEHIND
    ahead = replica.unsent_operations > 0
    if behind and ahead:
        return "this computer is behind the server, and has changes of its own to send: run `task sync`"
    if behind:
        return "this computer is behind the server: run `task sync` to fetch its changes"
    if ahead:
        number = replica.unsent_operations
        return f"this computer is ahead of the server by {number} changes: run `task sync` to send them"
    return "this computer is up to date with the server"
