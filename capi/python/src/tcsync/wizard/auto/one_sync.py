"""One sync of this computer: by tcsync's own replica, and by `task sync` where Taskwarrior keeps its database in
another way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ..computer import ThisComputer
from ..findings import CommandStopped, Finding, Problem
from ..programs import running


def sync_once(computer: ThisComputer, ca_file: Path | None, *, may_create: bool) -> None:
    """CommandStopped after a failure, and a KeyboardInterrupt ends it at once. `may_create`: whether to begin with an
    empty replica where there is none.

    `task sync` is the second choice because of its fault: after a conflict it sends changes that others have
    overtaken, so that computers which send in the same moment can stay different (docs/replica.md). It also keeps the
    database from other programs while it waits for the server.
    """
    # Each time, because a person may install another release while the agent runs.
    taskwarrior = computer.find_taskwarrior()
    if taskwarrior.keeps_synced_operations:
        finding = _sync_replica(taskwarrior.sync_timeout_s, ca_file, may_create=may_create)
        if finding is None:
            return
        if finding.problem is not Problem.REPLICA_UNKNOWN:  # That of a later Taskwarrior.
            raise CommandStopped(finding)
    taskwarrior.sync()


def _sync_replica(timeout_s: float, ca_file: Path | None, *, may_create: bool) -> Finding | None:
    command = [sys.executable, "-m", "tcsync.wizard.auto.replica_sync"]
    if ca_file is not None:
        command += ["--ca-file", str(ca_file)]
    if may_create:
        command.append("--may-create")
    try:
        with running(command, os.environ) as process:
            stdout, stderr = process.communicate(timeout=timeout_s)
    except OSError as error:
        return Problem.UNEXPECTED.finding(detail=f"{command[0]}: {error.strerror or error}")
    except subprocess.TimeoutExpired:
        return Problem.SYNC_ENDLESS.finding(seconds=f"{timeout_s:g}")
    if process.returncode == 0:
        return None
    try:
        return Finding.from_json(json.loads(stdout))
    except ValueError:
        said = stderr.strip().rpartition("\n")[2] or "it said nothing"
        return Problem.SYNC_BROKEN_OFF.finding(status=process.returncode, detail=said)
