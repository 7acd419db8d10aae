"""The doctor's checks, one function each, and their order."""

from __future__ import annotations

import os
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
from .proxies import Way, any_set, taskwarrior_way, tcsync_way
from .rehearsal import Authorities, NotRehearsed, Rehearsal
from .report import CHECKS, SERVER_LINKS, Report
from .second_look import refined, shows_authority

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

_NO_TLS = "not used: the URL begins with http://"
_TRUSTED = {
    Authorities.SYSTEM: "Taskwarrior trusts the system's authorities",
    Authorities.BUILT_IN: "Taskwarrior trusts the authorities that it was built with, and not the system's",
    Authorities.UNKNOWN: "it is not known whether Taskwarrior trusts the system's authorities or its own: "
    "that depends on its build",
}


@dataclass(frozen=True)
class _Findings:
    """The computer's part, as the later checks need it; None: that check has failed."""

    computer: ThisComputer
    credentials: Credentials
    replica: Replica | None
    rehearsal: Rehearsal | None
    #: Taskwarrior's way to the server; None: it has none, or it is not known.
    way: Way | None
    own_way: Way

    @property
    def ways_differ(self) -> bool:
        return self.way is not None and self.way.proxy != self.own_way.proxy


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
            if history is not None:
                self._check_taskwarriors_way(found)
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
        rehearsal = Rehearsal(taskwarrior) if taskwarrior else None
        own_way = tcsync_way(credentials.url, os.environ)
        way = self._check_proxy(credentials.url, rehearsal, own_way) if rehearsal else None
        return _Findings(computer, credentials, replica, rehearsal, way, own_way)

    def _check_taskrc(self, computer: ThisComputer) -> Credentials | None:
        credentials = self._report.run(
            "taskrc",
            computer.require_credentials,
            lambda found: f"{computer.taskrc_path} is set to sync with {found.url}",
        )
        if credentials is not None:
            self._report.run("permissions", lambda: _check_mode(computer), str)
        return credentials

    def _check_proxy(self, url: str, rehearsal: Rehearsal, own_way: Way) -> Way | None:
        """Taskwarrior's way to the server, and tcsync's where it is another one."""
        if not any_set(os.environ):
            self._report.ok("proxy", "no variable names one: Taskwarrior and tcsync connect directly")
            return Way()
        rules = rehearsal.proxy_rules
        if rules is None:
            self._report.skipped("proxy", "it is not known which variables this Taskwarrior obeys")
            return None
        return self._report.run(
            "proxy",
            lambda: taskwarrior_way(url, os.environ, rules),
            lambda way: (
                f"`task sync` goes {way}, "
                + (
                    "and so does tcsync"
                    if way.proxy == own_way.proxy
                    else f"and tcsync goes {own_way}: their rules differ"
                )
            ),
        )

    # The server, as tcsync reaches it

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
            self._failed_link(finding)
            self._rehearse_after(finding, found)
            return None

    def _reached(self, credentials: Credentials, probe: Probe) -> None:
        self._report.ok("name", f"the name of {credentials.url} is known")
        self._report.ok("connection", "the server can be reached")
        self._report.ok(
            "tls", "the certificate is valid" if probe.uses_tls else "not used: the URL begins with http://"
        )
        self._report.ok("server", probe.server_name or "a sync server answers")

    def _failed_link(self, finding: Finding) -> None:
        """Reports a failed link. The earlier ones on the way have held, unless the failure does not show how far it
        got."""
        link = _LINK_OF.get(finding.problem, "server")
        way = () if finding.problem in _UNKNOWN_WAY else SERVER_LINKS
        for earlier in way:
            if CHECKS.index(earlier) < CHECKS.index(link) and not self._report.has(earlier):
                self._report.ok(earlier, "holds")
        self._report.failed(link, finding)

    def _check_position(self, found: _Findings, server: ServerCheck, history: History) -> None:
        replica = found.replica
        if replica is not None:
            self._report.run("position", lambda: _describe_position(replica, server, history), str)

    # The server, as Taskwarrior reaches it

    def _check_taskwarriors_way(self, found: _Findings) -> None:
        if found.rehearsal is None or self._report.has_failed("proxy"):
            return
        self._check_trust(found.credentials.url, found.rehearsal)
        try:
            finding = found.rehearsal.run()
        except NotRehearsed as reason:
            self._report.skipped("rehearsal", f"Taskwarrior cannot sync an empty replica here: {reason}")
            return
        if finding is None:
            self._report.ok(
                "rehearsal", "Taskwarrior itself fetched all data into an empty replica, which was thrown away"
            )
        else:
            self._report.failed("rehearsal", self._explained(finding, found))

    def _check_trust(self, url: str, rehearsal: Rehearsal) -> None:
        if url.startswith("http://"):
            self._report.ok("trust", _NO_TLS)
            return
        authorities = rehearsal.authorities
        tell = self._report.skipped if authorities is Authorities.UNKNOWN else self._report.ok
        tell("trust", _TRUSTED[authorities])

    def _explained(self, finding: Finding, found: _Findings) -> Finding:
        """The cause of a failure that Taskwarrior does not explain: a difference between its way and tcsync's, which
        has reached the server."""
        url, rehearsal = found.credentials.url, found.rehearsal
        if finding.problem is not Problem.SYNC_UNREACHABLE or rehearsal is None:
            return finding
        if found.ways_differ:
            return Problem.SYNC_OTHER_PROXY.finding(way=found.way, own_way=found.own_way)
        if url.startswith("http://"):
            return finding
        if shows_authority(url):
            return Problem.SYNC_SHOWN_AUTHORITY.finding(url=url)
        if rehearsal.authorities is Authorities.BUILT_IN:
            return Problem.SYNC_BUILT_IN_AUTHORITIES.finding(url=url)
        return Problem.SYNC_UNTRUSTED.finding() if self._connection.ca_file is not None else finding

    def _rehearse_after(self, finding: Finding, found: _Findings) -> None:
        """Taskwarrior may reach a server that tcsync does not reach: by another way, with other authorities, or through
        a redirect."""
        may_differ = found.ways_differ or _LINK_OF.get(finding.problem) == "tls"
        if found.rehearsal is None or not (may_differ or finding.problem is Problem.REMOTE_REDIRECTED):
            return
        try:
            works = found.rehearsal.run() is None
        except NotRehearsed:
            return
        if works:
            self._report.ok("rehearsal", "Taskwarrior itself can fetch from the server, although tcsync cannot")

    # The last check

    def _run_sync(self, found: _Findings, history: History) -> None:
        replica = found.replica
        if replica is None or found.rehearsal is None or not self._report.allows_sync():
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
