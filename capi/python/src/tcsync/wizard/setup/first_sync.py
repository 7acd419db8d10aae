"""The first `task sync` of a computer, and the proof that it did what it should: shared by the setup and the doctor."""

from __future__ import annotations

from dataclasses import dataclass

from tcsync import Credentials

from ..computer import ThisComputer
from ..console import Console
from ..findings import Finding, Stop, find
from ..replica import Replica
from ..server_check import Reach, ServerCheck
from . import texts
from .outcome import count_tasks, say_tasks


@dataclass(frozen=True)
class FirstSync:
    """What really happened: each number is counted, none is supposed."""

    sent_operations: int
    received_tasks: int
    #: By status, as the server now has them; None when it could not be read back.
    tasks: dict[str, int] | None
    #: Why the proof failed, or None.
    finding: Finding | None


def first_sync(
    computer: ThisComputer, credentials: Credentials, reach: Reach, console: Console, *, begins: bool
) -> FirstSync:
    """Syncs, reads back, and says so. Stop when `task sync` itself fails. `begins`: the history's first computer."""
    before = computer.replica()
    console.line(texts.SYNCING)
    if begins and before.unsent_operations == 0:
        # Without a version the server would not know the client, and the other computer could not check the secret.
        with ServerCheck(credentials, reach) as server:
            server.begin_history()
    try:
        synced = computer.taskwarrior.sync()
    except Stop as stop:
        raise Stop(_refined(stop.finding, reach)) from None
    after = computer.replica()
    received = len(after.tasks.keys() - before.tasks.keys())
    console.done(texts.SYNCED.format(sent=synced.sent_operations, received=received))
    tasks, finding = _read_back(credentials, reach, after)
    if tasks is not None and finding is None:
        console.done(texts.READ_BACK.format(tasks=say_tasks(tasks)))
    elif finding is not None:
        console.finding(finding)
    return FirstSync(synced.sent_operations, received, tasks, finding)


def _read_back(credentials: Credentials, reach: Reach, local: Replica) -> tuple[dict[str, int] | None, Finding | None]:
    """What the server now has, fetched and unsealed, compared with this computer."""
    try:
        with ServerCheck(credentials, reach) as server:
            remote = server.history()
    except Stop as stop:
        return None, stop.finding
    tasks = count_tasks(remote.tasks.values())
    if remote.tasks.keys() == local.tasks.keys():
        return tasks, None
    return tasks, find("read-back-differs", remote=len(remote.tasks), local=len(local.tasks))


def _refined(finding: Finding, reach: Reach) -> Finding:
    """A sync that cannot reach a server that --ca-file reaches: then the authority is what Taskwarrior lacks."""
    return find("sync-untrusted") if finding.identifier == "sync-unreachable" and reach.ca_file is not None else finding
