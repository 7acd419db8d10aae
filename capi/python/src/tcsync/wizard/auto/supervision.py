"""The agent's process: one agent after the other as the settings change, until a signal."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tcsync import TcsyncError

from ..computer import ThisComputer
from ..findings import CommandStopped, Problem
from ..interrupts import signals_as_interrupts
from .agent import SETTINGS_S, Agent
from .place import only_agent, running_agent, state_directory_of


def supervise(make_computer: Callable[[], ThisComputer], *, ca_file: Path | None = None) -> None:
    """Runs agents until SIGTERM, SIGINT or SIGHUP, which end a sync in progress as well. CommandStopped where
    another process does."""
    with suppress(KeyboardInterrupt), signals_as_interrupts():
        while True:
            computer = make_computer()
            directory = state_directory_of(computer.taskrc.data_location)
            with only_agent(directory) as is_only:
                if not is_only:
                    raise Problem.AGENT_RUNS.stop(pid=running_agent(directory))
                try:
                    Agent(computer, directory, ca_file=ca_file).run()
                except (CommandStopped, TcsyncError):
                    # The settings cannot be used at the moment: somebody is changing them, perhaps.
                    time.sleep(SETTINGS_S)
