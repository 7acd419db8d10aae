"""The commands, which other files do the work of. Other programs mount them in click groups of their own.

from tcsync.wizard import Branding, setup_command
group.add_command(setup_command(Branding(title="Step 3: Tasks", cloud_name="Example Cloud")))
"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from tcsync import Credentials, __version__, encode_pairing_code
from tcsync.pairing import pairing_code_compact

from .add import Addition, NewTask
from .auto_commands import auto
from .branding import NEUTRAL, Branding
from .command_group import SectionedGroup
from .completion import SHELLS, completion_script
from .computer import TaskProgram
from .console import Console
from .doctor import Doctor
from .endings import endings_as_findings, reported
from .exit_codes import ExitCode
from .export import Export
from .findings import CommandStopped
from .given_credentials import GivenCredentials, conflict, has_synced_here, this_computer
from .interrupts import signals_as_interrupts
from .leftovers import Kind
from .off import Off
from .options import CONNECTION, CREDENTIALS, FILE, JSON, TASK, YES, connection, options
from .rotate_commands import move, rotate
from .server_check import ConnectionOptions, ServerCheck
from .setup.answers import Answers, SecretSource
from .setup.ask import Asker, choose_mode
from .setup.conversation import Conversation
from .setup.flow import Setup
from .setup.outcome import Outcome, Result
from .shown_credentials import describe_credentials, show_for_phone
from .status import ANSWER_TIMEOUT_S, Status

_RESULTS: dict[ExitCode, Result] = {ExitCode.INTERRUPTED: "interrupted", ExitCode.DECLINED: "declined"}

_SETUP_OPTIONS = options(
    click.option("--server", type=click.Choice(["cloud", "self-hosted", "skip"]), help="The server, as in the menu."),
    click.option("--server-url", help="The server's URL, instead of the menu; overrides the cloud server's, too."),
    click.option("--first-computer", "computer", flag_value="first", help="Make new credentials."),
    click.option("--second-computer", "computer", flag_value="second", help="Use another computer's credentials."),
    CREDENTIALS,
    CONNECTION,
    click.option("--replace/--keep", default=None, help="Replace or keep existing sync settings."),
    click.option("--merge/--no-merge", default=None, help="Merge this computer's tasks with the server's, or stop."),
    click.option(
        "--recurrence/--no-recurrence",
        default=None,
        help="Make the repetitions of recurring tasks on this computer, or leave them to another one.",
    ),
    click.option(
        "--auto/--no-auto",
        default=None,
        help="Let this computer sync by itself from now on, as tcsync auto on does; only a terminal is asked.",
    ),
    click.option("--save-unverified", is_flag=True, help="Save the settings also when the server cannot be reached."),
    click.option("--keyring", is_flag=True, help="Also keep a copy of the credentials in the system's keyring."),
    click.option("--qr", is_flag=True, help="Also show the pairing code as a QR code."),
    click.option("--reveal", is_flag=True, help="Show the secret and the pairing code without a terminal, too."),
    click.option("--dry-run", is_flag=True, help="Show the changes without making them."),
    YES,
    JSON,
    TASK,
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
        with endings_as_findings(), signals_as_interrupts():
            setup.run()
    except CommandStopped as stop:
        finding = stop.finding
        console.line()
        console.finding(finding)
        outcome = setup.outcome
        outcome.result = _RESULTS.get(finding.exit_code, "failed")
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
        recurrence=flags["recurrence"],
        auto=flags["auto"],
        save_unverified=flags["save_unverified"],
        dry_run=flags["dry_run"],
        qr=flags["qr"],
        reveal=flags["reveal"],
        keyring=flags["keyring"],
    )


@click.command("doctor")
@CONNECTION
@click.option("--first-computer", is_flag=True, help="The server has no data yet, and this computer begins.")
@click.option("--repair", is_flag=True, help="Join the server's history with all tasks where this computer differs.")
@click.option("--sync/--no-sync", default=None, help="Run `task sync` as the last check, or do not; else it is asked.")
@YES
@JSON
@TASK
def doctor(**flags: Any) -> None:
    """Say what `task sync` will meet: check each link from Taskwarrior to the tasks on the server, then run it.

    Without a terminal `task sync` is only run with --sync or --yes. It also finishes an unverified setup.
    """
    as_json = flags["as_json"]
    with reported(as_json) as console:
        asker = Asker(choose_mode(yes=flags["yes"], json=as_json))
        program = TaskProgram(flags["task_command"], flags["task_timeout"])
        connection = ConnectionOptions(flags["ca_file"], flags["server_timeout"])
        examination = Doctor(
            console,
            asker,
            program,
            connection,
            is_first=flags["first_computer"],
            sync=flags["sync"],
            repair=flags["repair"],
        )
        examination.run()
        if as_json:
            click.echo(json.dumps(examination.as_json(), indent=2))
        sys.exit(examination.exit_code)


@click.command("pair")
@click.option("--qr", is_flag=True, help="Show it as a QR code, too.")
@click.option(
    "--phone", is_flag=True, help="Show the URL, the client ID and the secret instead, each as a QR code, too."
)
@JSON
def pair(qr: bool, phone: bool, as_json: bool) -> None:
    """Show the pairing code that sets up another computer. The code gives access to all tasks."""
    with reported(as_json) as console:
        if phone and (qr or as_json):
            conflict("--phone shows other values than --qr, and --json has no pictures")
        credentials = _configured()
        if phone:
            show_for_phone(console, credentials)
            return
        code = encode_pairing_code(credentials)
        if as_json:
            click.echo(json.dumps({"pairing_code": code.reveal()}))
            return
        console.value(code.reveal())
        if qr:
            console.qr(pairing_code_compact(code))


@click.command("show")
@click.option("--reveal", is_flag=True, help="Show the secret itself.")
@JSON
def show(reveal: bool, as_json: bool) -> None:
    """Show this computer's sync settings; the secret is masked unless asked for."""
    with reported(as_json) as console:
        shown = describe_credentials(_configured(), reveal=reveal)
        if as_json:
            click.echo(json.dumps({name.lower().replace(" ", "_"): value for name, value in shown.items()}, indent=2))
            return
        for name, value in shown.items():
            console.field(name, value)


_SERVER_URL = click.option("--server-url", help="The server's URL; replaces that of the pairing code or the taskrc.")


@click.command("export")
@click.option("--output", type=FILE, help="Write to this file, readable by you only, instead of standard output.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option(
    "--from",
    "source",
    type=FILE,
    help="Read a file of `tcsync-server clients export` instead of the server; - is stdin.",
)
@_SERVER_URL
@CREDENTIALS
@CONNECTION
def export(source: str | None, output: str | None, force: bool, **flags: Any) -> None:
    """Write all tasks as Taskwarrior's JSON, which `task import` reads.

    Needs neither Taskwarrior nor tasks on this computer: a pairing code is enough, or this computer's sync settings.
    """
    with reported(as_json=False):
        connection = ConnectionOptions(flags["ca_file"], flags["server_timeout"])
        Export(GivenCredentials.from_flags(flags), connection, Console(sys.stderr)).run(source, output, force=force)


@click.command("add")
@click.argument("text", nargs=-1, required=True)
@click.option("--project", help="The project of the task.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
@click.option("--due", help="2026-12-24, 2026-12-24T18:00 (this computer's time) or 2026-12-24T18:00Z.")
@click.option("--first", is_flag=True, help="Begin the history; only if no computer has ever synced.")
@_SERVER_URL
@CREDENTIALS
@CONNECTION
@JSON
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
    with reported(as_json) as console:
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


@click.command("status")
@click.option("--exit-code", "tells_work", is_flag=True, help="Exit with 11 if there is something to sync.")
@connection(ANSWER_TIMEOUT_S)
@JSON
def status(tells_work: bool, as_json: bool, **flags: Any) -> None:
    """Show whether there is something to sync, from this computer or from the server.

    Shows the server, the time that the last sync cannot be before, and the changes that were not sent, and then asks
    the server whether it is ahead, in at most two requests. Runs no Taskwarrior, changes nothing, and may run beside
    a Taskwarrior. `tcsync doctor` looks for the reason when something is wrong.
    """
    with reported(as_json) as console:
        look = Status(this_computer(), ConnectionOptions(flags["ca_file"], flags["server_timeout"]), console)
        look.run()
        exit_code = look.exit_code(tells_work=tells_work)
        if as_json:
            click.echo(json.dumps(look.as_json(exit_code), indent=2))
        sys.exit(exit_code)


@click.command("off")
@click.option("--settings", is_flag=True, help="Remove the sync settings from the taskrc and the files it includes.")
@click.option("--agent", is_flag=True, help="End and remove the agent that syncs by itself (tcsync auto).")
@click.option("--keyring", is_flag=True, help="Remove the copies of the credentials in the system's keyring.")
@click.option("--backups", is_flag=True, help="Remove the backups of the taskrc that have a secret in them.")
@click.option("--kept-data", is_flag=True, help="Remove earlier data that a setup has kept aside.")
@click.option("--all", "everything", is_flag=True, help="Remove all five.")
@click.option("--dry-run", is_flag=True, help="Name everything, and remove nothing.")
@click.option("--yes", is_flag=True, help="Ask nothing; remove everything but earlier data that was kept aside.")
@JSON
def off(everything: bool, dry_run: bool, yes: bool, as_json: bool, **flags: bool) -> None:
    """Remove from this computer what tcsync has left on it, and stop syncing.

    Names each thing with its place and size, and asks before it removes it. Tasks stay. The history on the server
    stays, too: only its operator can erase it.

    With one of --settings, --agent, --keyring, --backups, --kept-data and --all, it asks nothing, and removes just
    that.
    """
    kinds: dict[Kind, bool] = {
        "settings": flags["settings"],
        "agent": flags["agent"],
        "keyring": flags["keyring"],
        "backups": flags["backups"],
        "kept-data": flags["kept_data"],
    }
    named = frozenset(kind for kind, is_named in kinds.items() if is_named or everything)
    with reported(as_json) as console:
        leaving = Off(this_computer(), console, Asker(choose_mode(yes=yes, json=as_json)), named)
        leaving.run(dry_run=dry_run)
        if as_json:
            click.echo(json.dumps(leaving.as_json(), indent=2))
        sys.exit(leaving.exit_code)


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that lets a shell complete tcsync's commands and flags at the Tab key.

    \b
    bash:  eval "$(tcsync completion bash)"           in ~/.bashrc
    zsh:   eval "$(tcsync completion zsh)"            in ~/.zshrc, after compinit
    fish:  tcsync completion fish | source            in ~/.config/fish/config.fish

    Instead of a line in these files, the script can be one of the files in which the shell looks for completions.
    """
    click.echo(completion_script(main, shell))


def _configured() -> Credentials:
    return this_computer().require_credentials()


@click.group(cls=SectionedGroup)
@click.version_option(__version__, prog_name="tcsync")
def main() -> None:
    """Sync Taskwarrior between computers, through a TaskChampion sync server."""


setup = setup_command()
for _command in (setup, doctor, auto, status, pair, show, export, add, rotate, move, off, completion):
    main.add_command(_command)
