"""Checks each link from this computer's `task` to the tasks on the server, and finishes an unverified setup."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from tcsync import Credentials, History, Probe

from .computer import TaskProgram, ThisComputer
from .console import Console
from .exit_codes import ExitCode
from .findings import CommandStopped, Finding, Problem
from .replica import Replica
from .server_check import ConnectionOptions, ReplicaPosition, ServerCheck
from .setup.ask import Asker
from .setup.first_sync import first_sync
from .setup.outcome import describe_tasks, plural
from .setup.texts import MERGING

#: A clock that differs by more is reported. Certificates and the order of changes need no better one.
CLOCK_TOLERANCE_S = 60

_FINISH = "Finish the setup now by running `task sync`?"
_IS_FIRST_COMPUTER = "The server has no data yet. Is this the first computer (no other has these credentials)?"

T = TypeVar("T")

Status = Literal["ok", "failed", "skipped"]

# The checks in their order, each with the server's problems that belong to it; other problems belong to "server".
_SERVER_LINKS = ("name", "connection", "tls", "server")
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
    Problem.REMOTE_TLS_FAILED: "tls",
    Problem.REMOTE_NOT_ALLOWED: "credentials",
}
# A proxy looks the name up itself, and a timeout may have been at any step.
_UNKNOWN_WAY = (Problem.REMOTE_PROXY_FAILED, Problem.REMOTE_TIMED_OUT)
CHECKS = ("task", "taskrc", "permissions", "replica", *_SERVER_LINKS, "clock", "credentials", "data", "sync")


@dataclass(frozen=True)
class Check:
    """One link: the result of its check and, after a failure, the fault and the remedy."""

    name: str
    status: Status
    text: str
    finding: Finding | None = None

    def as_json(self) -> dict[str, str]:
        told = self.finding.as_json() if self.finding else {"text": self.text}
        return {"check": self.name, "status": self.status, **told}


class Doctor:
    """One examination. `checks` has every link in order, including those that could not be checked any more."""

    def __init__(
        self, console: Console, asker: Asker, program: TaskProgram, connection: ConnectionOptions, *, is_first: bool
    ) -> None:
        self._console = console
        self._asker = asker
        self._program = program
        self._connection = connection
        self._is_first = is_first
        self.checks: list[Check] = []

    @property
    def exit_code(self) -> ExitCode:
        failed = any(check.status == "failed" for check in self.checks)
        return ExitCode.CHECK_FAILED if failed else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        return {"exit_code": int(self.exit_code), "checks": [check.as_json() for check in self.checks]}

    def run(self) -> None:
        computer = self._local("taskrc", lambda: ThisComputer(self._program))
        if computer is not None:
            self._local("task", lambda: computer.taskwarrior, str)
            credentials = self._check_taskrc(computer)
            replica = self._local("replica", computer.replica, lambda found: _describe_replica(found, computer))
            if credentials is not None:
                self._check_server(computer, credentials, replica)
        self._skip_rest()

    # This computer

    def _check_taskrc(self, computer: ThisComputer) -> Credentials | None:
        credentials = self._local(
            "taskrc",
            computer.require_credentials,
            lambda found: f"{computer.taskrc_path} is set to sync with {found.url}",
        )
        if credentials is not None:
            self._local("permissions", lambda: self._check_mode(computer), str)
        return credentials

    def _check_mode(self, computer: ThisComputer) -> str:
        mode = stat.S_IMODE(computer.taskrc_path.stat().st_mode)
        if mode & 0o077:
            raise Problem.TASKRC_EXPOSED.stop(path=computer.taskrc_path, mode=f"{mode:04o}")
        return f"only you can read {computer.taskrc_path}"

    # The server

    def _check_server(self, computer: ThisComputer, credentials: Credentials, replica: Replica | None) -> None:
        try:
            with ServerCheck(credentials, self._connection) as server:
                probe = server.probe()
                asked_at = time.time()
                self._reached(credentials, probe)
                self._local("clock", lambda: self._check_clock(probe, asked_at), str)
                self._check_history(computer, credentials, replica, server)
        except CommandStopped as stop:
            self._failed_link(stop.finding)

    def _reached(self, credentials: Credentials, probe: Probe) -> None:
        self._ok("name", f"the name of {credentials.url} is known")
        self._ok("connection", "the server can be reached")
        self._ok("tls", "the certificate is valid" if probe.uses_tls else "not used: the URL begins with http://")
        self._ok("server", probe.server_name or "a sync server answers")

    def _failed_link(self, finding: Finding) -> None:
        """Reports a failed link. The earlier ones on the way have held, unless the failure does not show how far it
        got."""
        link = _LINK_OF.get(finding.problem, "server")
        way = () if finding.problem in _UNKNOWN_WAY else _SERVER_LINKS
        for earlier in way:
            if CHECKS.index(earlier) < CHECKS.index(link) and not self._has(earlier):
                self._ok(earlier, "holds")
        self._failed(link, finding)

    def _check_clock(self, probe: Probe, asked_at: float) -> str:
        if probe.server_time is None:
            return "the server does not report its time"
        ahead_s = round(asked_at - probe.server_time)
        if abs(ahead_s) > CLOCK_TOLERANCE_S:
            direction = "ahead of" if ahead_s > 0 else "behind"
            raise Problem.CLOCK_WRONG.stop(seconds=abs(ahead_s), direction=direction)
        return "agrees with the server's"

    def _check_history(
        self, computer: ThisComputer, credentials: Credentials, replica: Replica | None, server: ServerCheck
    ) -> None:
        self._ok("credentials", f"the server allows the client ID {credentials.client_id}")
        history = self._local("data", server.history, _describe_history)
        if history is None or replica is None:
            return
        if not replica.has_synced:
            self._local("sync", lambda: self._finish(computer, credentials, replica, history), str)
        else:
            self._local("sync", lambda: _describe_position(replica, server, history), str)

    def _finish(self, computer: ThisComputer, credentials: Credentials, replica: Replica, history: History) -> str:
        """Runs the first sync of an unverified setup, if the user agrees."""
        is_first_computer = history.is_empty
        if is_first_computer and not self._is_first:
            if not self._asker.is_interactive:
                raise Problem.HISTORY_EMPTY.stop(client_id=credentials.client_id)
            if not self._asker.confirm(_IS_FIRST_COMPUTER, default=False, flag="--first-computer"):
                raise Problem.HISTORY_EMPTY.stop(client_id=credentials.client_id)
        if replica.tasks and not is_first_computer:
            self._console.line(MERGING.format(local=describe_tasks(replica.tasks)))
        try:
            wanted = self._asker.confirm(_FINISH, default=True, flag="--yes")
        except CommandStopped:
            wanted = False
        if not wanted:
            raise Problem.SYNC_UNFINISHED.stop()
        done = first_sync(computer, credentials, self._connection, self._console, is_first_computer=is_first_computer)
        if done.finding is not None:
            raise CommandStopped(done.finding)
        return "the setup is finished: this computer and the server have the same tasks"

    # The list

    def _local(self, name: str, check: Callable[[], T], say: Callable[[T], str] | None = None) -> T | None:
        """Runs one check and returns its result, or None after a failure. Without `say` only a failure is reported."""
        try:
            found = check()
        except CommandStopped as stop:
            self._failed(name, stop.finding)
            return None
        if say is not None:
            self._ok(name, say(found))
        return found

    def _ok(self, name: str, text: str) -> None:
        self.checks.append(Check(name, "ok", text))
        self._console.done(f"{name}: {text}")

    def _failed(self, name: str, finding: Finding) -> None:
        self.checks.append(Check(name, "failed", finding.text, finding))
        self._console.finding(finding, link=name)

    def _has(self, name: str) -> bool:
        return any(check.name == name for check in self.checks)

    def _skip_rest(self) -> None:
        skipped = [name for name in CHECKS if not self._has(name)]
        self.checks += [Check(name, "skipped", "not checked, because an earlier link failed") for name in skipped]
        self.checks.sort(key=lambda check: CHECKS.index(check.name))
        if skipped:
            self._console.line(f"Not checked, because an earlier link failed: {', '.join(skipped)}.")


def _describe_replica(replica: Replica, computer: ThisComputer) -> str:
    where = computer.taskrc.data_location
    return f"{describe_tasks(replica.tasks)} in {where}, {plural(replica.unsent_operations, 'change')} not sent"


def _describe_history(history: History) -> str:
    if history.is_empty:
        return "the server has none yet"
    return f"unsealed: {describe_tasks(history.tasks)}"


def _describe_position(replica: Replica, server: ServerCheck, history: History) -> str:
    """Whether the replica is up to date, behind, ahead, or both. CommandStopped when the history lacks its position."""
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
        them = "it" if number == 1 else "them"
        return f"this computer is ahead of the server by {plural(number, 'change')}: run `task sync` to send {them}"
    return "this computer is up to date with the server"
