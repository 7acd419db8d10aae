"""The commands: setup, doctor, pair, show, export, add. Other programs mount them in click groups of their own.

from tcsync.wizard import Branding, setup_command
group.add_command(setup_command(Branding(title="Step 3: Tasks", cloud_name="Example Cloud")))
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from tcsync import Credentials, TcsyncError, __version__, encode_pairing_code, pairing_code_qr

from .add import Addition, NewTask
from .branding import NEUTRAL, Branding
from .computer import TaskProgram
from .console import Console
from .diagnosis import finding_for
from .doctor import Doctor
from .exit_codes import ExitCode
from .export import Export
from .findings import CommandStopped, Finding, Problem
from .given_credentials import GivenCredentials, has_synced_here, this_computer
from .interrupts import signals_as_interrupts
from .server_check import REQUEST_TIMEOUT_S, ConnectionOptions, ServerCheck
from .setup.answers import Answers, SecretSource
from .setup.ask import Asker, choose_mode
from .setup.conversation import Conversation, describe_credentials
from .setup.flow import Setup
from .setup.outcome import Outcome
from .taskwarrior import LOCAL_TIMEOUT_S

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = click.Path(dir_okay=False)


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, so that commands share them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, ask nothing.")
_TASK = _options(
    click.option("--task", "task_command", default="task", show_default=True, help="The Taskwarrior program to run."),
    click.option(
        "--task-timeout",
        type=click.FloatRange(min=0.1),
        default=LOCAL_TIMEOUT_S,
        show_default=True,
        help="Seconds that Taskwarrior may take; a sync gets ten times as long.",
    ),
)
_CONNECTION = _options(
    click.option(
        "--ca-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="PEM file with a private certificate authority. Taskwarrior itself needs it in the system.",
    ),
    click.option(
        "--server-timeout",
        type=click.FloatRange(min=0.1),
        default=REQUEST_TIMEOUT_S,
        show_default=True,
        help="Seconds that the server may take for one answer.",
    ),
)
_CREDENTIALS = _options(
    click.option("--pairing-code-file", type=_FILE, help="Read the pairing code from a file; - is standard input."),
    click.option("--pairing-code-fd", type=click.IntRange(0), help="Read the pairing code from an open descriptor."),
    click.option("--client-id", help="The client ID of the other computer."),
    click.option("--secret-file", type=_FILE, help="Read the secret from a file; - is standard input."),
    click.option("--secret-fd", type=click.IntRange(0), help="Read the secret from an open descriptor."),
)
_YES = click.option("--yes", is_flag=True, help="Ask nothing; take the default of every question that has one.")

_SETUP_OPTIONS = _options(
    click.option("--server", type=click.Choice(["cloud", "self-hosted", "skip"]), help="The server, as in the menu."),
    click.option("--server-url", help="The server's URL, instead of the menu; overrides the cloud server's, too."),
    click.option("--first-computer", "computer", flag_value="first", help="Make new credentials."),
    click.option("--second-computer", "computer", flag_value="second", help="Use another computer's credentials."),
    _CREDENTIALS,
    _CONNECTION,
    click.option("--replace/--keep", default=None, help="Replace or keep existing sync settings."),
    click.option("--merge/--no-merge", default=None, help="Merge this computer's tasks with the server's, or stop."),
    click.option("--fresh-replica", is_flag=True, help="Carry the tasks over when this computer has synced elsewhere."),
    click.option("--save-unverified", is_flag=True, help="Save the settings also when the server cannot be reached."),
    click.option("--keyring", is_flag=True, help="Also keep a copy of the credentials in the system's keyring."),
    click.option("--qr", is_flag=True, help="Also show the pairing code as a QR code."),
    click.option("--reveal", is_flag=True, help="Show the secret and the pairing code without a terminal, too."),
    click.option("--dry-run", is_flag=True, help="Show the changes without making them."),
    _YES,
    _JSON,
    _TASK,
)


def setup_command(branding: Branding = NEUTRAL, *, name: str = "setup") -> click.Command:
    """The setup as a command to mount, with the wording of the program that mounts it. The command returns its Outcome,
    and exits with the outcome's status unless that is 0."""

    @click.command(name, help="Set up Taskwarrior's sync on this computer: the first one, or a further one.")
    @_SETUP_OPTIONS
    @click.pass_context
    def command(context: click.Context, /, **flags: Any) -> Outcome:
        outcome = run_setup(flags, branding)
        if flags["as_json"]:
            click.echo(json.dumps(outcome.as_json(reveal=flags["reveal"]), indent=2))
        if outcome.exit_code:
            context.exit(outcome.exit_code)
        return outcome

    return command


def run_setup(flags: dict[str, Any], branding: Branding) -> Outcome:
    """Runs one setup, from the command's flags to its outcome. Raises an exception only for a bug."""
    console = Console(quiet=flags["as_json"])
    answers = _answers(flags)
    asker = Asker(choose_mode(yes=flags["yes"], json=flags["as_json"]))
    program = TaskProgram(flags["task_command"], flags["task_timeout"])
    setup = Setup(answers, Conversation(console, asker, answers, branding), console, program)
    console.heading(branding.title)
    try:
        with _endings_as_findings(), signals_as_interrupts():
            setup.run()
    except CommandStopped as stop:
        finding = stop.finding
        console.line()
        console.finding(finding)
        outcome = setup.outcome
        outcome.result = "interrupted" if finding.exit_code is ExitCode.INTERRUPTED else "failed"
        outcome.exit_code = finding.exit_code
        outcome.findings.append(finding)
    return setup.outcome


def _answers(flags: dict[str, Any]) -> Answers:
    return Answers(
        server_url=flags["server_url"],
        server=flags["server"],
        computer=flags["computer"],
        client_id=flags["client_id"],
        secret=SecretSource("secret", flags["secret_file"], flags["secret_fd"]),
        pairing_code=SecretSource("pairing-code", flags["pairing_code_file"], flags["pairing_code_fd"]),
        connection=ConnectionOptions(flags["ca_file"], flags["server_timeout"]),
        replace=flags["replace"],
        merge=flags["merge"],
        fresh_replica=flags["fresh_replica"],
        save_unverified=flags["save_unverified"],
        dry_run=flags["dry_run"],
        qr=flags["qr"],
        reveal=flags["reveal"],
        keyring=flags["keyring"],
    )


@contextmanager
def _endings_as_findings() -> Iterator[None]:
    """Turns every exception that ends a command early into a CommandStopped. A bug shows its place, and no values."""
    try:
        yield
    except (CommandStopped, click.exceptions.Exit):
        raise
    except (KeyboardInterrupt, click.Abort):
        raise Problem.INTERRUPTED.stop() from None
    except TcsyncError as error:
        raise CommandStopped(finding_for(error)) from None
    except OSError as error:
        detail = f"{error.filename or 'a system call'}: {error.strerror or type(error).__name__}"
        raise Problem.UNEXPECTED.stop(detail=detail) from None
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
        raise Problem.UNEXPECTED.stop(detail=f"{type(error).__name__}{place}") from None


@contextmanager
def _reported(as_json: bool) -> Iterator[Console]:
    """Runs one of the small commands: a CommandStopped is shown, or printed as JSON, and becomes the exit status."""
    console = Console(quiet=as_json)
    try:
        with _endings_as_findings(), signals_as_interrupts():
            yield console
    except CommandStopped as stop:
        _print_finding(stop.finding, as_json=as_json)
        sys.exit(stop.finding.exit_code)


def _print_finding(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        document = {"exit_code": int(finding.exit_code), "messages": [finding.as_json()]}
        click.echo(json.dumps(document, indent=2))
    else:
        Console(sys.stderr).finding(finding)


@click.command("doctor")
@_CONNECTION
@click.option("--first-computer", is_flag=True, help="The server has no data yet, and this computer begins.")
@click.option("--sync/--no-sync", default=None, help="Run `task sync` as the last check, or do not; else it is asked.")
@_YES
@_JSON
@_TASK
def doctor(**flags: Any) -> None:
    """Say what `task sync` will meet: check each link from Taskwarrior to the tasks on the server, then run it.

    Without a terminal `task sync` is only run with --sync or --yes. It also finishes an unverified setup.
    """
    as_json = flags["as_json"]
    with _reported(as_json) as console:
        asker = Asker(choose_mode(yes=flags["yes"], json=as_json))
        program = TaskProgram(flags["task_command"], flags["task_timeout"])
        connection = ConnectionOptions(flags["ca_file"], flags["server_timeout"])
        examination = Doctor(console, asker, program, connection, is_first=flags["first_computer"], sync=flags["sync"])
        examination.run()
        if as_json:
            click.echo(json.dumps(examination.as_json(), indent=2))
        sys.exit(examination.exit_code)


@click.command("pair")
@click.option("--qr", is_flag=True, help="Show it as a QR code, too.")
@_JSON
def pair(qr: bool, as_json: bool) -> None:
    """Show the pairing code that sets up another computer. The code gives access to all tasks."""
    with _reported(as_json) as console:
        code = encode_pairing_code(_configured())
        if as_json:
            click.echo(json.dumps({"pairing_code": code.reveal()}))
            return
        click.echo(code.reveal())
        if qr:
            console.raw(pairing_code_qr(code))


@click.command("show")
@click.option("--reveal", is_flag=True, help="Show the secret itself.")
@_JSON
def show(reveal: bool, as_json: bool) -> None:
    """Show this computer's sync settings; the secret is masked unless asked for."""
    with _reported(as_json) as console:
        shown = describe_credentials(_configured(), reveal=reveal)
        if as_json:
            click.echo(json.dumps({name.lower().replace(" ", "_"): value for name, value in shown.items()}, indent=2))
            return
        for name, value in shown.items():
            console.exact(f"{name + ':':<14}{value}")


_SERVER_URL = click.option("--server-url", help="The server's URL; replaces that of the pairing code or the taskrc.")


@click.command("export")
@click.option("--output", type=_FILE, help="Write to this file, readable by you only, instead of standard output.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option(
    "--from",
    "source",
    type=_FILE,
    help="Read a file of `tcsync-server clients export` instead of the server; - is stdin.",
)
@_SERVER_URL
@_CREDENTIALS
@_CONNECTION
def export(source: str | None, output: str | None, force: bool, **flags: Any) -> None:
    """Write all tasks as Taskwarrior's JSON, which `task import` reads.

    Needs neither Taskwarrior nor tasks on this computer: a pairing code is enough, or this computer's sync settings.
    """
    with _reported(as_json=False):
        connection = ConnectionOptions(flags["ca_file"], flags["server_timeout"])
        Export(GivenCredentials.from_flags(flags), connection, Console(sys.stderr)).run(source, output, force=force)


@click.command("add")
@click.argument("text", nargs=-1, required=True)
@click.option("--project", help="The project of the task.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
@click.option("--due", help="2026-12-24, 2026-12-24T18:00 (this computer's time) or 2026-12-24T18:00Z.")
@click.option("--first", is_flag=True, help="Begin the history; only if no computer has ever synced.")
@_SERVER_URL
@_CREDENTIALS
@_CONNECTION
@_JSON
def add(
    text: tuple[str, ...],
    project: str | None,
    tags: tuple[str, ...],
    due: str | None,
    first: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Add one task on the server, for every computer's next `task sync`.

    Needs neither Taskwarrior nor tasks on this computer: a pairing code is enough, or this computer's sync settings.
    The text is the description as it is, without Taskwarrior's attributes; after -- it may begin with a dash.
    """
    with _reported(as_json) as console:
        task = NewTask(text, project=project, tags=tags, due=due)
        credentials = GivenCredentials.from_flags(flags).for_server()
        connection = ConnectionOptions(flags["ca_file"], flags["server_timeout"])
        client_id = credentials.client_id
        with ServerCheck(credentials, connection) as server:
            addition = Addition(server, client_id, may_begin=first, has_synced_here=has_synced_here(client_id))
            version_id = addition.run(task)
        if as_json:
            click.echo(json.dumps({"task": str(task.task_id), "version": str(version_id)}))
            return
        console.done(f"Added the task {task.task_id} on {credentials.url}; `task sync` brings it to each computer.")


def _configured() -> Credentials:
    return this_computer().require_credentials()


@click.group()
@click.version_option(__version__, prog_name="tcsync")
def main() -> None:
    """Sync Taskwarrior between computers, through a TaskChampion sync server."""


setup = setup_command()
for _command in (setup, doctor, pair, show, export, add):
    main.add_command(_command)
