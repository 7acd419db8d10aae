"""The commands `tcsync rotate` and `tcsync move`."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import click

from tcsync import Credentials, normalise_url

from .computer import TaskProgram, ThisComputer
from .diagnosis import errors_as_findings
from .endings import reported
from .findings import Finding, Problem
from .options import CONNECTION, JSON, TASK, YES, options
from .rotate import Rotation
from .server_check import ConnectionOptions
from .setup import texts
from .setup.ask import Asker, choose_mode
from .shown_credentials import show_credentials

_SHOW = options(
    click.option("--qr", is_flag=True, help="Also show the pairing code as a QR code."),
    click.option("--reveal", is_flag=True, help="Show the secret and the pairing code without a terminal, too."),
)


@click.command("rotate")
@_SHOW
@CONNECTION
@YES
@JSON
@TASK
def rotate(**flags: Any) -> None:
    """Change the client ID and the secret, as after the loss of a computer; all tasks come along.

    The other computers are set up once more with the new pairing code. Nobody who has the old one sees later changes.
    The data under the old client ID stays on the server, and can be read with the old secret, until its operator
    deletes it.
    """
    _run(flags, lambda old: Credentials.generate(old.url), texts.ROTATING, without_old=False)


@click.command("move")
@click.option("--server-url", required=True, help="The URL of the server to move to.")
@click.option("--without-old-server", is_flag=True, help="Go on if the old server cannot be reached for a last sync.")
@_SHOW
@CONNECTION
@YES
@JSON
@TASK
def move(server_url: str, without_old_server: bool, **flags: Any) -> None:
    """Move to another server with all tasks; the client ID and the secret stay.

    The other computers are set up once more with the new pairing code. It also works when the old server is gone: what
    they have sent there since this computer's last sync comes along when they are set up.
    """

    def moved(old: Credentials) -> Credentials:
        with errors_as_findings():
            url = normalise_url(server_url)
        if url == old.url:
            raise Problem.ALREADY_THERE.stop(url=url)
        return Credentials(url, old.client_id, old.secret)

    _run(flags, moved, texts.MOVING, without_old=without_old_server or None)


def _run(
    flags: dict[str, Any], new_of: Callable[[Credentials], Credentials], question: str, *, without_old: bool | None
) -> None:
    """`without_old`: whether to go on when the old server cannot be reached; None: a person is asked."""
    as_json = flags["as_json"]
    with ExitStack() as opened:
        console = opened.enter_context(reported(as_json))
        asker = Asker(choose_mode(yes=flags["yes"], json=as_json))
        computer = ThisComputer(TaskProgram(flags["task_command"], flags["task_timeout"]))
        opened.enter_context(computer.alone())
        new = new_of(computer.require_credentials())
        if not asker.confirm(question.format(url=new.url), default=True, flag="--yes"):
            raise Problem.DECLINED.stop()

        def agrees_without_old(finding: Finding) -> bool:
            if without_old is not None or not asker.is_interactive:
                return bool(without_old)
            console.finding(finding)
            if not asker.confirm(texts.GO_ON_WITHOUT_OLD, default=False, flag="--without-old-server"):
                raise Problem.DECLINED.stop()
            return True

        connection = ConnectionOptions(flags["ca_file"], flags["server_timeout"])
        tasks = Rotation(computer, new, connection, console, agrees_without_old).run()
        if as_json:
            _print_json(new, tasks, reveal=flags["reveal"])
        else:
            show_credentials(console, new, reveal=flags["reveal"], qr=flags["qr"], others=texts.OTHERS_AFTER_ROTATION)


def _print_json(new: Credentials, tasks: dict[str, int], *, reveal: bool) -> None:
    shown: dict[str, object] = {"server_url": new.taskrc_url, "client_id": str(new.client_id), "tasks": tasks}
    if reveal:
        shown["secret"] = new.secret.reveal()
    click.echo(json.dumps(shown, indent=2))
