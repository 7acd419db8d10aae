"""The doctor's comparison of this computer's tasks with the server's, and the way back when they differ."""

from __future__ import annotations

from dataclasses import dataclass

from ..computer import ThisComputer
from ..console import Console
from ..findings import CommandStopped, Finding, Problem
from ..received_history import ReceivedHistory
from ..repair import repair
from ..setup.ask import Asker
from ..setup.first_sync import differences_from
from ..words import plural

_REJOIN = "Join the server's history with all tasks of this computer?"
_REPAIR = "Make them the same, with the later change of each property?"


class NotCompared(Exception):
    """The tasks cannot be compared now; `str()` says why."""


@dataclass(frozen=True)
class Comparing:
    """`wants_repair`: --repair; otherwise a person is asked, and without a terminal nothing is changed. `sync` False:
    --no-sync."""

    console: Console
    asker: Asker
    wants_repair: bool
    is_first: bool
    sync: bool | None

    def rejoin(self, computer: ThisComputer, history: ReceivedHistory, finding: Finding) -> str:
        """Lets a computer join whose replica cannot continue the history. CommandStopped with the finding if it is not
        to."""
        if history.is_empty and not self.is_first:
            raise CommandStopped(finding)
        if not self._agreed(_REJOIN, finding):
            raise CommandStopped(finding)
        repair(computer, None if history.is_empty else history, self.console, command="doctor")
        what = "has begun a new history" if history.is_empty else "has joined the history"
        return f"this computer {what} with all of its tasks"

    def run(self, computer: ThisComputer, history: ReceivedHistory) -> str:
        """Compares every property of every task. CommandStopped when they differ, and stay so; NotCompared."""
        differences, local = differences_from(computer, history)
        if local.base_version != history.latest_version_id:
            raise NotCompared("not compared, because this computer is behind the server")
        if differences:
            finding = Problem.READ_BACK_DIFFERS.finding(differences=differences)
            if not self._agreed(_REPAIR, finding):
                raise CommandStopped(finding)
            repair(computer, history, self.console, command="doctor")
            if self.sync is False:
                return "the tasks are merged here; run `task sync` to send what the server lacks"
            computer.taskwarrior.sync()
            differences, local = differences_from(computer, history)
            if differences:
                raise CommandStopped(finding)
        compared = len(local.tasks.keys() - local.unsent_tasks)
        rest = f"; {plural(len(local.unsent_tasks), 'task')} with unsent changes not compared" if local.pending else ""
        return f"every property of {plural(compared, 'task')} is the same here and on the server{rest}"

    def _agreed(self, question: str, finding: Finding) -> bool:
        """Whether to repair: a person sees the reason before the question."""
        if self.wants_repair:
            return True
        if not self.asker.is_interactive:
            return False
        self.console.finding(finding)
        return self.asker.confirm(question, default=False, flag="--repair")
