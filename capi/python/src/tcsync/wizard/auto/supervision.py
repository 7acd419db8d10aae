"""The agent's process: one agent after the other as the settings change, until a signal."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..computer import ThisComputer
from ..diagnosis import finding_for_system
from ..findings import CommandStopped, Finding, Problem
from ..interrupts import signals_as_interrupts
from .agent import SETTINGS_S, Agent
from .notes import Notes
from .place import only_agent, running_agent, state_directory_of


def supervise(make_computer: Callable[[], ThisComputer], *, ca_file: Path | None = None) -> None:
    """Runs agents until SIGTERM, SIGINT or SIGHUP, which end a sync in progress as well. CommandStopped where another
    process does."""
    with suppress(KeyboardInterrupt), signals_as_interrupts():
        directory: Path | None = None
        while True:
            try:
                computer = make_computer()
            except CommandStopped as stop:
                _await_settings(directory, stop.finding)
                continue
            directory = state_directory_of(computer.taskrc.data_location)
            with only_agent(directory) as is_only:
                if not is_only:
                    raise Problem.AGENT_RUNS.stop(pid=running_agent(directory))
                try:
                    Agent(computer, directory, ca_file=ca_file).run()
                except CommandStopped as stop:
                    _await_settings(directory, stop.finding)
                except OSError as error:  # Such as a data directory of somebody else.
                    _await_settings(directory, finding_for_system(error))


def _await_settings(directory: Path | None, finding: Finding) -> None:
    """They cannot be used at the moment: somebody is changing them, or has made a mistake. `directory`: None before any
    could be used."""
    if directory is not None:
        Notes(directory).add_unusable_settings(finding)
    time.sleep(SETTINGS_S)
