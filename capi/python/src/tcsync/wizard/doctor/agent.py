"""The check of the agent that keeps this computer in sync by itself."""

from __future__ import annotations

from datetime import datetime

from ..auto.overview import look_at_agent
from ..computer import ThisComputer
from ..findings import Problem


def describe_agent(computer: ThisComputer) -> str:
    """What it does at the moment. CommandStopped when it should run and does not."""
    agent = look_at_agent(computer.taskrc)
    if agent.pid is None:
        if agent.service.installed is not None:
            raise Problem.AGENT_STOPPED.stop(file=agent.service.installed)
        return "off; `tcsync auto on` makes this computer sync by itself"
    if agent.journal.failing_since is not None:
        since = datetime.fromtimestamp(agent.journal.failing_since)
        return f"runs, and its syncs have failed since {since:%Y-%m-%d %H:%M}: see the checks below"
    if agent.journal.succeeded_at is not None:
        return f"runs; its last sync was at {datetime.fromtimestamp(agent.journal.succeeded_at):%Y-%m-%d %H:%M}"
    return "runs, and has not synced yet"
