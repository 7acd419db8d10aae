"""The agent as a program, for the service that `tcsync auto on` makes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..computer import TaskProgram, ThisComputer
from ..findings import CommandStopped
from .supervision import supervise


def main() -> None:
    parser = argparse.ArgumentParser(description="Keeps Taskwarrior's tasks in sync until a signal ends it.")
    parser.add_argument("--task", required=True, help="the Taskwarrior program to run")
    parser.add_argument("--task-timeout", type=float, required=True, help="seconds; a sync gets ten times as long")
    parser.add_argument("--ca-file", type=Path, help="a PEM file with a private certificate authority")
    arguments = parser.parse_args()
    program = TaskProgram(arguments.task, arguments.task_timeout)
    try:
        supervise(lambda: ThisComputer(program), ca_file=arguments.ca_file)
    except CommandStopped as stop:
        sys.exit(f"{stop.finding.text} {stop.finding.remedy} [{stop.finding.problem.identifier}]")


main()
