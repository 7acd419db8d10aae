"""The first `task sync` of a computer, and the check of its result: shared by the setup and the doctor."""

from __future__ import annotations

from dataclasses import dataclass

from tcsync import Credentials

from ..computer import ThisComputer
from ..console import Console
from ..findings import CommandStopped, Finding, Problem
from ..replica import Replica
from ..server_check import ConnectionOptions, ServerCheck
from . import texts
from .outcome import count_tasks, describe_counts


@dataclass(frozen=True)
class FirstSync:
    """The result of a sync: each number is counted, none is assumed."""

    sent_operations: int
    received_tasks: int
    #: By status, on the server; None when they could not be read back.
    tasks: dict[str, int] | None
    #: The reason that the check failed, or None.
    finding: Finding | None


def first_sync(
    computer: ThisComputer,
    credentials: Credentials,
    connection: ConnectionOptions,
    console: Console,
    *,
    is_first_computer: bool,
) -> FirstSync:
    """Syncs, reads back, and reports both. CommandStopped when `task sync` itself fails."""
    before = computer.replica()
    console.line(texts.SYNCING)
    if is_first_computer and before.unsent_operations == 0:
        # Without a version the server would not know the client, and the other computer could not check the secret.
        with ServerCheck(credentials, connection) as server:
            server.begin_history()
    try:
        sent_operations = computer.taskwarrior.sync()
    except CommandStopped as stop:
        raise CommandStopped(_refined(stop.finding, connection)) from None
    after = computer.replica()
    if sent_operations is None:
        sent_operations = max(0, before.unsent_operations - after.unsent_operations)
    received = len(after.tasks.keys() - before.tasks.keys())
    console.done(texts.SYNCED.format(sent=sent_operations, received=received))
    tasks, finding = _read_back(credentials, connection, after)
    if tasks is not None and finding is None:
        console.done(texts.READ_BACK.format(tasks=describe_counts(tasks)))
    elif finding is not None:
        console.finding(finding)
    return FirstSync(sent_operations, received, tasks, finding)


def _read_back(
    credentials: Credentials, connection: ConnectionOptions, local: Replica
) -> tuple[dict[str, int] | None, Finding | None]:
    """The server's data, fetched and unsealed, compared with this computer's."""
    try:
        with ServerCheck(credentials, connection) as server:
            remote = server.history()
    except CommandStopped as stop:
        return None, stop.finding
    tasks = count_tasks(remote.tasks.values())
    if remote.tasks.keys() == local.tasks.keys():
        return tasks, None
    return tasks, Problem.READ_BACK_DIFFERS.finding(remote=len(remote.tasks), local=len(local.tasks))


def _refined(finding: Finding, connection: ConnectionOptions) -> Finding:
    """If a sync cannot reach a server that --ca-file reaches, Taskwarrior lacks the authority."""
    return (
        Problem.SYNC_UNTRUSTED.finding()
        if finding.problem is Problem.SYNC_UNREACHABLE and connection.ca_file is not None
        else finding
    )
