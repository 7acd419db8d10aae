"""The agent as the other commands see it: its service, its process and its journal."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tcsync import Taskrc

from ..computer import ThisComputer
from ..console import Console
from ..findings import Problem
from .journal import Journal, read_journal
from .place import JOURNAL, running_agent
from .service import Service, ServiceError


@dataclass(frozen=True)
class Overview:
    """One look."""

    service: Service
    #: Its process; None when it does not run.
    pid: int | None
    journal: Journal

    @property
    def is_on(self) -> bool:
        """Whether it was started and not ended, in whatever state it is now."""
        return self.service.installed is not None or self.pid is not None


def look_at_agent(taskrc: Taskrc) -> Overview:
    """That of the data which the taskrc names."""
    service = Service(taskrc.data_location)
    journal = read_journal(service.state_directory / JOURNAL) or Journal()
    return Overview(service, running_agent(service.state_directory), journal)


def agent_command(task: Path, timeout_s: float, ca_file: Path | None) -> list[str]:
    """The command that is an agent with these options."""
    command = [sys.executable, "-m", "tcsync.wizard.auto", "--task", str(task), "--task-timeout", f"{timeout_s:g}"]
    return command if ca_file is None else [*command, "--ca-file", str(ca_file)]


def start_agent(computer: ThisComputer, console: Console, *, timeout_s: float, ca_file: Path | None) -> None:
    """Starts it, or starts it again with these options, now and at each login, and says so. CommandStopped."""
    computer.require_credentials()
    task = computer.taskwarrior.path.absolute()
    command = agent_command(task, timeout_s, ca_file.resolve() if ca_file else None)
    try:
        kind = Service(computer.taskrc.data_location).install(command)
    except ServiceError as reason:
        raise Problem.AGENT_NOT_STARTED.stop(detail=reason) from None
    console.done("This computer now syncs by itself.")
    if kind == "autostart":
        console.note(
            "There is no systemd here, so the agent begins with a desktop session; without a desktop, run "
            "`tcsync auto on` again after each start of this computer."
        )


def remove_agent(taskrc: Taskrc) -> None:
    """Ends it, and removes its files with its journal. ServiceError."""
    service = Service(taskrc.data_location)
    service.remove()
    shutil.rmtree(service.state_directory, ignore_errors=True)
