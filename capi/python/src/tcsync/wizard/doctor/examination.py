"""The doctor's checks, one function each, and their order."""

from __future__ import annotations

import stat
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tcsync import Credentials, Probe
from tcsync.taskrc import SERVER_ORIGIN, SERVER_URL

from .. import unfinished
from ..computer import TaskProgram, ThisComputer
from ..configured import secret_files, secret_in_repository, url_without_slash
from ..console import Console
from ..exit_codes import ExitCode
from ..findings import CommandStopped, Finding, Problem
from ..received_history import ReceivedHistory
from ..recurrence import describe as describe_recurrence
from ..replica import LocalReplica
from ..server_check import ConnectionOptions, ReplicaPosition, ServerCheck
from ..setup.ask import Asker
from ..setup.outcome import describe_tasks
from ..words import plural
from .agent import describe_agent
from .comparing import Comparing, NotCompared
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
    replica: LocalReplica | None
    way: TaskwarriorsWay | None


@dataclass(frozen=True)
class _Reached:
    """The server, and what it has."""

    server: ServerCheck
    history: ReceivedHistory


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
        repair: bool,
    ) -> None:
        self._program = program
        self._connection = connection
        self._report = Report(console)
        # What a repair merges here is complete when it has been sent.
        wants_sync = True if repair and sync is None else sync
        self._last_sync = LastSync(console, asker, connection, wants_sync, is_first)
        self._comparing = Comparing(console, asker, wants_repair=repair, is_first=is_first, sync=sync)

    @property
    def exit_code(self) -> ExitCode:
        return self._report.exit_code

    def as_json(self) -> dict[str, Any]:
        return self._report.as_json()

    def run(self) -> None:
        computer = self._report.run("taskrc", lambda: ThisComputer(self._program))
        with ExitStack() as opened:
            if computer is not None:
                opened.enter_context(computer.alone())
                self._check_links(computer, opened)
        self._report.finish()

    def _check_links(self, computer: ThisComputer, opened: ExitStack) -> None:
        found = self._check_computer(computer)
        reached = None if found is None else self._check_server(found, opened)
        if found is None or reached is None or found.way is None:
            return
        found.way.check()
        self._run_sync(found, reached)
        self._compare(found, reached)
        self._end_trail(found)

    # This computer

    def _check_computer(self, computer: ThisComputer) -> _Findings | None:
        taskwarrior = self._report.run("task", lambda: computer.taskwarrior, str)
        credentials = self._check_taskrc(computer)
        replica = self._report.run("replica", computer.replica, lambda found: _describe_replica(found, computer))
        self._report.run("unfinished", lambda: _check_trail(computer), str)
        if replica is not None:
            self._report.run("recurrence", lambda: describe_recurrence(replica.tasks, computer.taskrc), str)
        self._report.run("hooks", lambda: describe_hooks(computer), str)
        self._report.run("agent", lambda: describe_agent(computer), str)
        if credentials is None:
            return None
        way = None
        if taskwarrior is not None:
            has_ca_file = self._connection.ca_file is not None
            way = TaskwarriorsWay(taskwarrior, credentials.url, self._report, has_ca_file=has_ca_file)
            way.check_proxy()
        return _Findings(computer, credentials, replica, way)

    def _check_taskrc(self, computer: ThisComputer) -> Credentials | None:
        try:
            credentials = computer.require_credentials()
        except CommandStopped as stop:
            self._report.failed("taskrc", stop.finding)
            return None
        text = f"{computer.taskrc_path} is set to sync with {credentials.taskrc_url}"
        url = computer.taskrc.url_setting
        if url is not None and url.name == SERVER_ORIGIN:
            text += f", by {SERVER_ORIGIN}, the old name of {SERVER_URL}"
        finding = url_without_slash(computer.taskrc)
        if finding is None:
            self._report.ok("taskrc", text)
        elif _cuts_paths(computer):
            self._report.failed("taskrc", finding)
        else:
            self._report.noted("taskrc", text, finding)
        self._report.run("permissions", lambda: _check_secret_files(computer), str)
        return credentials

    # The server

    def _check_server(self, found: _Findings, opened: ExitStack) -> _Reached | None:
        """The server and its history, if every link of the way to it holds; `opened` closes them."""
        credentials = found.credentials
        try:
            server = opened.enter_context(ServerCheck(credentials, self._connection))
            probe = server.probe()
            asked_at = time.time()
            self._reached(credentials, probe)
            self._report.run("clock", lambda: _check_clock(probe, asked_at), str)
            self._report.ok("credentials", f"the server allows the client ID {credentials.client_id}")
            history = self._report.run("data", server.history, _describe_history)
            if history is None:
                return None
            reached = _Reached(server, opened.enter_context(history))
            self._check_position(found, reached)
            return reached
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

    def _check_position(self, found: _Findings, reached: _Reached) -> None:
        replica = found.replica
        if replica is None:
            return

        def describe() -> str:
            try:
                return _describe_position(replica, reached)
            except CommandStopped as stop:
                return self._comparing.rejoin(found.computer, reached.history, stop.finding)

        self._report.run("position", describe, str)

    # The last checks

    def _run_sync(self, found: _Findings, reached: _Reached) -> None:
        replica = found.replica
        if replica is None or not self._report.allows_sync():
            return
        try:
            self._report.run(
                "sync", lambda: self._last_sync.run(found.computer, reached.server, reached.history, replica), str
            )
        except NotRun as reason:
            self._report.skipped("sync", str(reason))

    def _compare(self, found: _Findings, reached: _Reached) -> None:
        if found.replica is None or not self._report.allows_sync():
            return
        try:
            self._report.run("tasks", lambda: self._comparing.run(found.computer, reached.history), str)
        except NotCompared as reason:
            self._report.skipped("tasks", str(reason))

    def _end_trail(self, found: _Findings) -> None:
        """A computer that has synced and has the server's tasks is through, whatever had been ended in the middle."""
        if self._report.has_passed("sync") and self._report.has_passed("tasks"):
            unfinished.end(found.computer.taskrc.data_location)


def _check_secret_files(computer: ThisComputer) -> str:
    """Whether the secret is safe in each file that has it."""
    files = secret_files(computer.taskrc)
    for file in files:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            raise Problem.TASKRC_EXPOSED.stop(path=file, mode=f"{mode:04o}")
    for finding in secret_in_repository(computer.taskrc):
        raise CommandStopped(finding)
    return f"only you can read {' and '.join(map(str, files))}"


def _check_trail(computer: ThisComputer) -> str:
    found = unfinished.read(computer.taskrc.data_location)
    if found is not None and found.command == "doctor":
        # A doctor changes the replica alone, in one transaction; the next checks tell whether it has.
        unfinished.end(computer.taskrc.data_location)
        return f"the checks go on where a `tcsync doctor` of {found.started} was ended in the middle"
    if found is not None:
        raise Problem.SETUP_UNFINISHED.stop(command=found.command, started=found.started, path=found.kept_aside)
    return "no command was ended in the middle"


def _cuts_paths(computer: ThisComputer) -> bool:
    """Whether this Taskwarrior would not use the whole path of a URL without a closing slash."""
    try:
        return computer.taskwarrior.cuts_paths
    except CommandStopped:
        return False  # It cannot sync at all, which the check "task" reports.


def _check_clock(probe: Probe, asked_at: float) -> str:
    if probe.server_time is None:
        return "the server does not report its time"
    ahead_s = round(asked_at - probe.server_time)
    if abs(ahead_s) > CLOCK_TOLERANCE_S:
        direction = "ahead of" if ahead_s > 0 else "behind"
        raise Problem.CLOCK_WRONG.stop(seconds=abs(ahead_s), direction=direction)
    return "agrees with the server's"


def _describe_replica(replica: LocalReplica, computer: ThisComputer) -> str:
    where = computer.taskrc.data_location
    return f"{describe_tasks(replica.tasks)} in {where}, {plural(replica.unsent_operations, 'change')} not sent"


def _describe_history(history: ReceivedHistory) -> str:
    if history.is_empty:
        return "the server has none yet"
    return f"unsealed: {describe_tasks(history.tasks)}"


def _describe_position(replica: LocalReplica, reached: _Reached) -> str:
    """Whether the replica is up to date, behind, ahead, or both. CommandStopped when the history lacks its position."""
    if not replica.has_synced:
        return "this computer has not synced yet"
    if reached.history.is_empty:
        raise Problem.HISTORY_LOST.stop()
    position = reached.server.position(replica.base_version, reached.history)
    if position is ReplicaPosition.GONE:
        raise Problem.REPLICA_GONE.stop()
    behind = position is ReplicaPosition.BEHIND
    ahead = replica.unsent_operations > 0
    if behind and ahead:
        return "this computer is behind the server, and has changes of its own to send: run `task sync`"
    if behind:
        return "this computer is behind the server: run `task sync` to fetch its changes"
    if ahead:
        number = plural(replica.unsent_operations, "change")
        return f"this computer is ahead of the server by {number}: run `task sync` to send them"
    return "this computer is up to date with the server"
