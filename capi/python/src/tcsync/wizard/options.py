"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from .server_check import REQUEST_TIMEOUT_S
from .taskwarrior import LOCAL_TIMEOUT_S

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(dir_okay=False)


def options(*listed: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, so that commands share them."""

    def decorate(command: Command) -> Command:
        for option in reversed(listed):
            command = option(command)
        return command

    return decorate


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, ask nothing.")
TASK = options(
    click.option("--task", "task_command", default="task", show_default=True, help="The Taskwarrior program to run."),
    click.option(
        "--task-timeout",
        type=click.FloatRange(min=0.1),
        default=LOCAL_TIMEOUT_S,
        show_default=True,
        help="Seconds that Taskwarrior may take; a sync gets ten times as long.",
    ),
)


CA_FILE = click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file with a private certificate authority. Taskwarrior itself needs it in the system.",
)


def connection(timeout_s: float) -> Callable[[Command], Command]:
    """The options of calls to a server, with this time limit by default."""
    return options(
        CA_FILE,
        click.option(
            "--server-timeout",
            type=click.FloatRange(min=0.1),
            default=timeout_s,
            show_default=True,
            help="Seconds that the server may take for one answer.",
        ),
    )


CONNECTION = connection(REQUEST_TIMEOUT_S)
CREDENTIALS = options(
    click.option("--pairing-code-file", type=FILE, help="Read the pairing code from a file; - is standard input."),
    click.option("--pairing-code-fd", type=click.IntRange(0), help="Read the pairing code from an open descriptor."),
    click.option("--client-id", help="The client ID of the other computer."),
    click.option("--secret-file", type=FILE, help="Read the secret from a file; - is standard input."),
    click.option("--secret-fd", type=click.IntRange(0), help="Read the secret from an open descriptor."),
)
YES = click.option("--yes", is_flag=True, help="Ask nothing; take the default of every question that has one.")
