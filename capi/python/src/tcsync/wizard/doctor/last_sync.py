"""The doctor's last check: Taskwarrior's own `task sync`, if the user agrees; it also finishes an unverified setup."""

from __future__ import annotations

from dataclasses import dataclass

from ..computer import ThisComputer
from ..console import Console
from ..findings import CommandStopped, Problem
from ..received_history import ReceivedHistory
from ..repair import repair
from ..replica import LocalReplica
from ..server_check import ConnectionOptions, ServerCheck
from ..setup.ask import Asker
from ..setup.first_sync import first_sync
from ..setup.outcome import describe_tasks
from ..setup.texts import MERGING
from ..words import plural

_SYNC = "Run `task sync` now, as the last check?"
_FINISH = "Finish the setup now by running `task sync`?"
_IS_FIRST_COMPUTER = "The server has no data yet. Is this the first computer (no other has these credentials)?"


class NotRun(Exception):
    """`task sync` was not run, because nobody wanted it; `str()` says why."""


@dataclass(frozen=True)
class LastSync:
    """`wanted`: --sync or --no-sync; None: a person is asked."""

    console: Console
    asker: Asker
    connection: ConnectionOptions
    wanted: bool | None
    is_first: bool

    def run(self, computer: ThisComputer, server: ServerCheck, history: ReceivedHistory, replica: LocalReplica) -> str:
        """Runs it and says what came of it. CommandStopped after a failure; NotRun."""
        if not replica.has_synced:
            return self._finish(computer, server, history, replica)
        if not self._agreed(_SYNC, flag="--sync"):
            raise NotRun("`task sync` was not run" + ("" if self.wanted is False else "; --sync runs it"))
        before = computer.replica()
        sent, after = computer.sync(before)
        received = len(after.tasks.keys() - before.tasks.keys())
        return f"`task sync` succeeded: {plural(sent, 'change')} sent, {plural(received, 'new task')} received"

    def _finish(
        self, computer: ThisComputer, server: ServerCheck, history: ReceivedHistory, replica: LocalReplica
    ) -> str:
        """Runs the first sync of an unverified setup, if the user agrees."""
        is_first_computer = history.is_empty
        if is_first_computer and not self.is_first:
            if not self.asker.is_interactive:
                raise Problem.HISTORY_EMPTY.stop(client_id=server.client_id)
            if not self.asker.confirm(_IS_FIRST_COMPUTER, default=False, flag="--first-computer"):
                raise Problem.HISTORY_EMPTY.stop(client_id=server.client_id)
        if replica.tasks and not is_first_computer:
            self.console.line(MERGING.format(local=describe_tasks(replica.tasks)))
        if not self._agreed(_FINISH, flag="--yes"):
            raise Problem.SYNC_UNFINISHED.stop()
        if replica.tasks and not is_first_computer:
            repair(computer, history, self.console, command="doctor")
        done = first_sync(
            computer, server, self.connection, self.console, history=None if is_first_computer else history
        )
        if done.finding is not None:
            raise CommandStopped(done.finding)
        return "the setup is finished: this computer and the server have the same tasks"

    def _agreed(self, question: str, *, flag: str) -> bool:
        if self.wanted is not None:
            return self.wanted
        try:
            return self.asker.confirm(question, default=True, flag=flag)
        except CommandStopped:  # There is no terminal to ask on.
            return False
