"""The setup from its first question to its last line: the order of questions, and the moment of each change."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from tcsync import Credentials, Probe, Replica

from .. import unfinished
from ..auto.overview import look_at_agent, start_agent
from ..computer import TaskProgram, ThisComputer
from ..console import Console
from ..exit_codes import ExitCode
from ..findings import CommandStopped, Problem
from ..join import catch_up, tell
from ..keyring_copy import KeyringError, store
from ..received_history import ReceivedHistory
from ..recurrence import has_recurring, makes_repetitions
from ..replica import LocalReplica
from ..server_check import ReplicaPosition, ServerCheck
from . import texts
from .answers import Answers, ServerKind
from .changes import SetupChanges
from .conversation import AfterFailure, Conversation
from .first_sync import first_sync
from .mend import Mending, describe_edit
from .outcome import Outcome, Result, describe_tasks

T = TypeVar("T")


@dataclass(frozen=True)
class Confirmed:
    """Credentials that the server confirms. `history` is what it has of them: None for the first computer of a new
    one."""

    server: ServerCheck
    history: ReceivedHistory | None


class Setup:
    """One run of the setup. `outcome` is filled in as it goes on; CommandStopped and KeyboardInterrupt end it early."""

    def __init__(self, answers: Answers, conversation: Conversation, console: Console, program: TaskProgram) -> None:
        self._answers = answers
        self._conversation = conversation
        self._console = console
        self._program = program
        self._connection = answers.connection
        self.outcome = Outcome()

    def run(self) -> None:
        with ExitStack() as self._open:
            self._run()

    def _run(self) -> None:
        self._answers.check()
        self._computer = ThisComputer(self._program)
        self.outcome.taskrc = self._computer.taskrc_path
        self._open.enter_context(self._computer.alone())
        if self._keeps():
            return
        kind = self._conversation.server()
        if kind == "skip":
            self.outcome.result = "skipped"
            self._console.line(texts.SKIPPED)
            return
        self._console.line(f"This computer has {self._computer.taskwarrior}.")
        self._computer.require_place()
        self.outcome.computer = self._conversation.computer()
        if self.outcome.computer == "first":
            self._first(kind)
        else:
            self._second(kind)

    # The present settings

    def _keeps(self) -> bool:
        """Shows the present settings, and returns whether they stay."""
        computer = self._computer
        others, configured = computer.other_settings(), self._configured_or_none()
        if not others and not computer.own_settings():
            return False
        if Mending(computer, self._answers, self._conversation, self._console, self.outcome).run():
            self._keep(self._configured_or_none(), texts.MENDED, result="mended")
            return True
        given = self._conversation.given_credentials()
        if given is not None and computer.is_configured_with(given):
            return self._keeps_same(given)
        heading = texts.CONFIGURED if configured else texts.CONFIGURED_HALF
        heading = texts.CONFIGURED_ELSE if others else heading
        if self._conversation.replace(computer.taskrc_path, heading, self._shown_settings()):
            return False
        self._keep(configured, texts.KEPT)
        return True

    def _keeps_same(self, given: Credentials) -> bool:
        """The same values again change nothing; but a setup without its first sync continues."""
        if not self._computer.replica().has_synced:
            return False
        unfinished.end(self._computer.taskrc.data_location)  # Only its end was missing.
        self._keep(given, texts.SAME)
        return True

    def _keep(self, configured: Credentials | None, text: str, *, result: Result = "kept") -> None:
        self.outcome.result = result
        self.outcome.credentials = configured
        if configured is not None and not self._computer.replica().has_synced:
            self.outcome.exit_code = ExitCode.UNVERIFIED
            text = texts.KEPT_UNVERIFIED if result == "kept" else texts.UNVERIFIED
        self._console.line(text)
        if self._answers.auto is None or self._answers.dry_run:
            return
        if self._computer.replica().has_synced:
            self._stay_in_sync()
        elif self._answers.auto:
            self._console.line(texts.AUTO_LATER)

    def _configured_or_none(self) -> Credentials | None:
        try:
            return self._computer.configured()
        except CommandStopped as stop:
            self._console.finding(stop.finding)
            return None

    def _shown_settings(self) -> dict[str, str]:
        """The sync settings of the taskrc, with possible secrets masked."""
        taskrc = self._computer.taskrc
        return {
            name: mask(name, value)
            for name in sorted(taskrc.settings)
            if name.startswith("sync.") and (value := taskrc.get(name))
        }

    # The two computers

    def _first(self, kind: ServerKind) -> None:
        chosen = [kind]

        def generate(again: bool) -> Credentials:
            if again:
                chosen[0] = self._conversation.server()
                if chosen[0] == "skip":
                    raise Problem.DECLINED.stop()
            return Credentials.generate(self._conversation.url(chosen[0]))

        may_ask_again = self._answers.server is None and self._answers.server_url is None
        credentials, confirmed = self._enter_and_check(generate, self._probe, may_ask_again=may_ask_again)
        replica = self._computer.replica()
        if replica.has_synced:
            self._conversation.begin_again(describe_tasks(replica.tasks))
        self._computer.wants_recurrence = self._answers.recurrence
        self._apply(credentials, replica, confirmed, joins=replica.has_synced)
        if self.outcome.result in ("done", "unverified"):
            self._conversation.show_credentials(credentials)

    def _second(self, kind: ServerKind) -> None:
        def enter(_again: bool) -> Credentials:
            return self._conversation.credentials(kind)

        may_ask_again = not self._answers.gives_credentials
        credentials, confirmed = self._enter_and_check(enter, self._fetch, may_ask_again=may_ask_again)
        replica = self._computer.replica()
        joins = bool(replica.tasks or replica.has_synced) and not self._belongs(credentials, replica, confirmed)
        if joins and confirmed is None and replica.has_synced:
            # Its tasks can join a history only when that can be received.
            raise Problem.REPLICA_SYNCED_ELSEWHERE.stop()
        if joins and replica.tasks:
            self._conversation.merge(describe_tasks(replica.tasks))
        if joins or not replica.has_synced:
            remote = confirmed.history.tasks if confirmed and confirmed.history else {}
            self._computer.wants_recurrence = self._conversation.recurrence(
                self._computer.taskrc, replica.tasks, remote
            )
        self._apply(credentials, replica, confirmed, joins=joins and confirmed is not None)

    def _belongs(self, credentials: Credentials, replica: LocalReplica, confirmed: Confirmed | None) -> bool:
        """Whether this replica already belongs to that history, so that `task sync` continues it."""
        if not replica.has_synced:
            return False
        if confirmed is None or confirmed.history is None:
            return self._computer.is_configured_with(credentials)
        position = confirmed.server.position(replica.base_version, confirmed.history)
        return position is not ReplicaPosition.GONE

    # Before any change

    def _enter_and_check(
        self, get: Callable[[bool], Credentials], check: Callable[[Credentials], T], *, may_ask_again: bool
    ) -> tuple[Credentials, T | None]:
        """Credentials that the server confirms, with its data; or unconfirmed ones, with None."""
        computer = self.outcome.computer or "first"
        credentials = get(False)
        while True:
            try:
                return credentials, check(credentials)
            except CommandStopped as stop:
                chosen = self._conversation.after_failure(
                    stop.finding, computer, may_save=not self._answers.dry_run, may_ask_again=may_ask_again
                )
                self.outcome.findings = [stop.finding]
            if chosen is AfterFailure.SAVE:
                return credentials, None
            self.outcome.findings = []
            if chosen is AfterFailure.ENTER_AGAIN:
                credentials = get(True)

    def _probe(self, credentials: Credentials) -> Confirmed:
        self._console.line(texts.CHECKING.format(url=credentials.url))
        server = self._open.enter_context(ServerCheck(credentials, self._connection))
        self._describe_server(server.probe())
        return Confirmed(server, None)

    def _describe_server(self, probe: Probe) -> None:
        found = texts.SERVER_FOUND.format(name=probe.server_name)
        self._console.done(found if probe.server_name else texts.SERVER_FOUND_NAMELESS)

    def _fetch(self, credentials: Credentials) -> Confirmed:
        self._console.line(texts.FETCHING.format(url=credentials.url))
        server = self._open.enter_context(ServerCheck(credentials, self._connection))
        history = self._open.enter_context(server.existing_history(self._console))
        self._console.done(texts.MATCH.format(tasks=describe_tasks(history.tasks)))
        return Confirmed(server, history)

    # The changes

    def _apply(
        self, credentials: Credentials, replica: LocalReplica, confirmed: Confirmed | None, *, joins: bool
    ) -> None:
        self.outcome.credentials = credentials
        if self._answers.dry_run:
            self._describe_changes(credentials, replica, joins=joins)
            return
        with SetupChanges(self._computer) as changes:
            is_verified = self._write_and_sync(changes, credentials, replica, confirmed, joins=joins)
        if not is_verified:
            self.outcome.result, self.outcome.exit_code = "unverified", ExitCode.UNVERIFIED
            self._console.note(texts.UNVERIFIED)
            if self._answers.auto:
                self._console.line(texts.AUTO_LATER)
        else:
            if self.outcome.computer == "second":
                self._console.line(texts.SECOND_DONE)
            self._stay_in_sync()
        self._copy_to_keyring(credentials)

    def _stay_in_sync(self) -> None:
        """Starts the agent, if that is wanted. Its failure is not the setup's, and an interrupt means no: everything
        else is done."""
        is_running = look_at_agent(self._computer.taskrc).pid is not None
        if is_running and self._answers.auto is None:
            return
        try:
            if self._conversation.auto():
                timeout_s, ca_file = self._program.timeout_s, self._connection.ca_file
                start_agent(self._computer, self._console, timeout_s=timeout_s, ca_file=ca_file)
            else:
                self._console.line(texts.AUTO_STAYS if is_running else texts.BY_ITSELF)
        except CommandStopped as stop:
            self._console.finding(stop.finding)
            self.outcome.findings.append(stop.finding)
        except KeyboardInterrupt:
            self._console.line()
            self._console.line(texts.BY_ITSELF)

    def _write_and_sync(
        self,
        changes: SetupChanges,
        credentials: Credentials,
        replica: LocalReplica,
        confirmed: Confirmed | None,
        *,
        joins: bool,
    ) -> bool:
        """False when there is nothing to sync with yet, or the sync has failed and the settings are kept for later."""
        if not joins:
            self._write(changes, credentials, None)
        elif confirmed is None or confirmed.history is None:
            # A new history. The server would accept this replica as it is, without what it has sent elsewhere.
            with Replica.in_memory() as nothing:
                self._write(changes, credentials, nothing)
        else:
            caught_up = replica.has_synced and catch_up(self._computer, confirmed.server, self._connection)
            if caught_up:
                self._console.done(texts.CAUGHT_UP)
                self._write(changes, credentials, None)
            else:
                with confirmed.history.for_join() as history:
                    self._write(changes, credentials, history)
        return confirmed is not None and self._sync(changes, confirmed, replica)

    def _write(self, changes: SetupChanges, credentials: Credentials, history: Replica | None) -> None:
        edit, joined = changes.apply(credentials, history)
        if joined is not None:
            self.outcome.kept_aside, self.outcome.join = joined.kept_aside, joined.report
            begins = self.outcome.computer == "first"
            tell(self._console, joined, self._computer, begins=begins)
        self.outcome.changed, self.outcome.backup = edit.changed, edit.backup
        describe_edit(edit, self._computer, self._console)
        self._tell_recurrence()

    def _tell_recurrence(self) -> None:
        """Says which computer makes the repetitions of recurring tasks, where the setup decides it."""
        if self._computer.wants_recurrence is False and not makes_repetitions(self._computer.taskrc):
            self._console.line(texts.RECURRENCE_ELSEWHERE)
        elif has_recurring(self._computer.replica().tasks) and makes_repetitions(self._computer.taskrc):
            self._console.line(texts.RECURRENCE_HERE)

    def _sync(self, changes: SetupChanges, confirmed: Confirmed, at_first: LocalReplica) -> bool:
        """The first sync and its check. False when one of them failed, and the settings are kept for later."""
        while True:
            try:
                with changes.syncing():
                    done = first_sync(
                        self._computer,
                        confirmed.server,
                        self._connection,
                        self._console,
                        history=confirmed.history,
                        at_first=at_first,
                    )
                break
            except CommandStopped as stop:
                chosen = self._conversation.after_failure(
                    stop.finding, self.outcome.computer or "first", may_save=True, may_ask_again=False
                )
                if chosen is AfterFailure.SAVE:
                    self.outcome.findings = [stop.finding]
                    return False
        self.outcome.sent_operations, self.outcome.received_tasks = done.sent_operations, done.received_tasks
        self.outcome.tasks = done.tasks
        self.outcome.result = "done"
        if done.finding is not None:
            self.outcome.findings.append(done.finding)
            self.outcome.exit_code = done.finding.exit_code
        return done.tasks is not None

    def _describe_changes(self, credentials: Credentials, replica: LocalReplica, *, joins: bool) -> None:
        self.outcome.result = "dry-run"
        path, *_ = self._computer.require_place()
        self._console.line(texts.DRY_RUN)
        if not path.exists():
            self._console.line(texts.WOULD_CREATE.format(path=path))
        for name, value in self._computer.changes(credentials).items():
            text = texts.WOULD_REMOVE if value is None else texts.WOULD_SET
            self._console.line(text.format(name=name, value=value, path=path))
        if joins:
            self._console.line(texts.WOULD_JOIN.format(tasks=describe_tasks(replica.tasks)))
        self._console.line(texts.WOULD_SYNC)

    def _copy_to_keyring(self, credentials: Credentials) -> None:
        if not self._answers.keyring:
            return
        try:
            store(credentials)
        except KeyringError as error:
            finding = Problem.KEYRING_FAILED.finding(detail=error)
            self._console.finding(finding)
            self.outcome.findings.append(finding)
        else:
            self._console.done(texts.KEYRING)


def mask(name: str, value: str) -> str:
    """A setting's value, masked when its name suggests a secret."""
    return "********" if any(word in name for word in ("secret", "key", "credential", "password")) else value
