"""`tcsync auto`: the agent that keeps this computer in sync by itself."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from .auto.overview import Overview, look_at_agent, start_agent
from .auto.service import ServiceError
from .computer import TaskProgram, ThisComputer
from .console import Console
from .endings import reported
from .exit_codes import ExitCode
from .findings import Problem
from .given_credentials import this_computer
from .options import CA_FILE, JSON, TASK

_SYNCS_SHOWN = 5


@click.group("auto")
def auto() -> None:
    """Keep this computer in sync by itself: a small program that syncs when there is something to sync."""


@auto.command("on")
@CA_FILE
@TASK
def on(ca_file: Path | None, task_command: str, task_timeout: float) -> None:
    """Start the agent, now and at each login.

    It notices changes in Taskwarrior's database, waits for another computer's changes at the server, and syncs as
    `task sync` does. It has no secret of its own. A second `tcsync auto on` takes the present options.
    """
    with reported(as_json=False) as console:
        computer = ThisComputer(TaskProgram(task_command, task_timeout))
        start_agent(computer, console, timeout_s=task_timeout, ca_file=ca_file)


@auto.command("off")
def off() -> None:
    """Stop the agent, and do not start it at logins any more."""
    with reported(as_json=False) as console:
        agent = look_at_agent(this_computer().taskrc)
        try:
            agent.service.remove()
        except ServiceError as reason:
            raise Problem.AGENT_NOT_STOPPED.stop(detail=reason) from None
        console.done("This computer syncs only when you run `task sync`." if agent.is_on else "The agent was not on.")


@auto.command("status")
@JSON
def status(as_json: bool) -> None:
    """Show whether the agent runs, and its last syncs."""
    with reported(as_json) as console:
        agent = look_at_agent(this_computer().taskrc)
        if as_json:
            click.echo(json.dumps(_as_json(agent), indent=2))
        else:
            _show(console, agent)
        sys.exit(ExitCode.DONE if agent.pid is not None else ExitCode.NOT_CONFIGURED)


def _as_json(agent: Overview) -> dict[str, Any]:
    journal, file = agent.journal, agent.service.installed
    return {
        "running": agent.pid is not None,
        "pid": agent.pid,
        "file": file and str(file),
        "last_success": journal.succeeded_at and _utc(journal.succeeded_at),
        "failing_since": journal.failing_since and _utc(journal.failing_since),
        "server_waits": journal.server_waits,
        "syncs": [
            {"at": _utc(sync.began_at), "seconds": sync.seconds, "reason": sync.reason, "problem": sync.problem}
            for sync in journal.syncs
        ],
    }


def _show(console: Console, agent: Overview) -> None:
    journal, file = agent.journal, agent.service.installed
    console.field("Agent", f"runs, process {agent.pid}" if agent.pid else "does not run")
    console.field("At login", f"started by {file}" if file else "not started")
    console.field("Last sync", _local(journal.succeeded_at) if journal.succeeded_at else "none yet")
    if journal.failing_since is not None:
        console.field("Failing", f"since {_local(journal.failing_since)}")
    for sync in journal.syncs[-_SYNCS_SHOWN:]:
        ended = f"failed: {sync.problem}" if sync.problem else "done"
        console.exact(f"  {_local(sync.began_at)}  {sync.reason:<7} {sync.seconds:>5.1f} s  {ended}")
    if agent.pid is None:
        console.note(f"`tcsync auto on` {'starts it again' if file else 'makes this computer sync by itself'}.")
    elif journal.server_waits is False:
        console.note("This server does not tell of changes, so it is asked every few minutes.")


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _local(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"
