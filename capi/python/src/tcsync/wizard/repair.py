"""Puts a computer right whose tasks are not those of the server's history, or whose replica cannot continue it: it
joins the history with all of its tasks, as the setup of a further computer does."""

from __future__ import annotations

from tcsync import Replica

from . import unfinished
from .computer import ThisComputer
from .console import Console
from .interrupts import interrupts_deferred
from .join import join_history, tell
from .received_history import ReceivedHistory


def repair(computer: ThisComputer, history: ReceivedHistory | None, console: Console, *, command: str) -> None:
    """Joins the history, or begins a new one with None. `task sync` sends what this computer has alone."""
    with Replica.in_memory() if history is None else history.for_join() as joined_history, interrupts_deferred():
        joined = join_history(computer, joined_history, command=command)
        unfinished.end(computer.taskrc.data_location)
    tell(console, joined, computer, begins=history is None)
