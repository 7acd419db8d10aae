"""The first `task sync` of a computer, and the check of its result: shared by the setup and the doctor."""

from __future__ import annotations

from dataclasses import dataclass

from ..comparison import Differences, compare
from ..computer import ThisComputer
from ..console import Console
from ..findings import CommandStopped, Finding, Problem
from ..received_history import ReceivedHistory
from ..replica import LocalReplica
from ..server_check import ConnectionOptions, ServerCheck
from ..words import plural
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
    server: ServerCheck,
    connection: ConnectionOptions,
    console: Console,
    *,
    history: ReceivedHistory | None,
    at_first: LocalReplica | None = None,
) -> FirstSync:
    """Syncs, reads back, and reports both. CommandStopped when `task sync` itself fails. `history` is what was received
    of it before; None for the first computer of a new one. `at_first` is the replica before it joined a history, whose
    tasks have come from the server as well."""
    before = computer.replica()
    console.line(texts.SYNCING)
    if history is None and before.unsent_operations == 0:
        # Without a version the server would not know the client, and the other computer could not check the secret.
        server.begin_history()
    sent_operations, after = _sync(computer, before, connection)
    received = len(after.tasks.keys() - (at_first or before).tasks.keys())
    console.done(texts.SYNCED.format(sent=plural(sent_operations, "change"), received=plural(received, "task")))
    tasks, finding = _read_back(computer, server, history, connection)
    if tasks is not None and finding is None:
        console.done(texts.READ_BACK.format(tasks=describe_counts(tasks)))
    elif finding is not None:
        console.finding(finding)
    return FirstSync(sent_operations, received, tasks, finding)


def _sync(computer: ThisComputer, before: LocalReplica, connection: ConnectionOptions) -> tuple[int, LocalReplica]:
    try:
        return computer.sync(before)
    except CommandStopped as stop:
        raise CommandStopped(_refined(stop.finding, connection)) from None


def _read_back(
    computer: ThisComputer, server: ServerCheck, history: ReceivedHistory | None, connection: ConnectionOptions
) -> tuple[dict[str, int] | None, Finding | None]:
    """The server's data, received and unsealed, compared with this computer's."""
    try:
        if history is not None:
            return _compare(computer, history, connection)
        with server.history() as fresh:
            return _compare(computer, fresh, connection)
    except CommandStopped as stop:
        return None, stop.finding


def _compare(
    computer: ThisComputer, history: ReceivedHistory, connection: ConnectionOptions
) -> tuple[dict[str, int], Finding | None]:
    differences, local = differences_from(computer, history)
    if differences:  # Another computer may have synced between the two looks.
        _sync(computer, local, connection)
        differences, _ = differences_from(computer, history)
    tasks = count_tasks(history.tasks.values())
    return tasks, Problem.READ_BACK_DIFFERS.finding(differences=differences) if differences else None


def differences_from(computer: ThisComputer, history: ReceivedHistory) -> tuple[Differences, LocalReplica]:
    """Receives what is new on the server, and compares it with this computer's replica, which is the second result."""
    history.receive()
    local = computer.replica()
    return compare(history.tasks, local.tasks, local.unsent_tasks), local


def _refined(finding: Finding, connection: ConnectionOptions) -> Finding:
    """If a sync cannot reach a server that --ca-file reaches, Taskwarrior lacks the authority."""
    return (
        Problem.SYNC_UNTRUSTED.finding()
        if finding.problem is Problem.SYNC_UNREACHABLE and connection.ca_file is not None
        else finding
    )
