"""Finds Taskwarrior and runs it so that it can neither ask nor hang.

Every run has a deadline, no standard input, and a session of its own, so that on a timeout or on Ctrl-C it ends with
all of its children (hooks). Settings are only overridden for the run, on the command line, and none of them is secret;
`task config` is never called, because without a value it deletes the setting.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .findings import CommandStopped, Finding, Problem
from .programs import running

OLDEST_VERSION = (3, 1)
#: The first release with a TaskChampion that keeps synced operations, and marks them.
KEEPS_SYNCED_VERSION = (3, 2)
#: The first release with a TaskChampion that uses all of a URL's path.
KEEPS_PATHS_VERSION = (3, 5)

LOCAL_TIMEOUT_S = 30.0
#: A sync may carry years of tasks, and Taskwarrior itself waits up to a minute for each answer.
SYNC_TIMEOUT_FACTOR = 10

_WITHOUT_QUESTIONS = ("rc.confirmation=off", "rc.recurrence.confirmation=no", "rc.bulk=0", "rc.color=off")
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?\S*")
_SENT = re.compile(r"Sent (\d+) local operations? to the server")
_STATUS = re.compile(r"responded with (\d{3})")
# A redirect with these makes a client fetch the address to which it should have sent.
_FETCHED_INSTEAD = re.compile(r"/v1/client/add-(?:version|snapshot)/\S+ responded with (405)")
_PROBLEM_OF_STATUS = {
    "401": Problem.FRONT_UNAUTHORIZED,
    "403": Problem.SYNC_NOT_ALLOWED,
    "404": Problem.SYNC_NOT_FOUND,
    "410": Problem.SYNC_GONE,
    "413": Problem.SYNC_TOO_LARGE,
    "429": Problem.SYNC_RATE_LIMITED,
    "507": Problem.SYNC_SERVER_FULL,
}
# The second and the third are of Taskwarrior 3.1, whose HTTP client is another one.
_UNREACHABLE = re.compile(r"error sending request|Connection Failed|Dns Failed|timed out")
_PS_TIMEOUT_S = 5.0
# With rc.debug.hooks=1 Taskwarrior names each hook before it runs it; a hook's failure ends it with this status.
_CALLED_HOOK = re.compile(r"^Hook: Calling (.+)$", re.MULTILINE)
_HOOK_FAILED_STATUS = 4
_RUNNING_HOOK = re.compile(r"(/\S*/on-(?:launch|exit|add|modify)[^/\s]*)")
_INVALID_PROXY = re.compile(r"Invalid (HTTPS?_PROXY) '")
_REMARKS = ("TASKRC override", "TASKDATA override", "Configuration override")
_HOOK_REMARKS = ("Timer ", "Found hook script ", "Hook: Calling ", "Hook directory not readable", "Perf task ")
_DETAIL_CHARACTERS_MAX = 300


@dataclass(frozen=True)
class TaskRun:
    """The result of one run of Taskwarrior."""

    command: str
    status: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """Taskwarrior's own words about a failure, without its remarks on overrides and hooks, in one line."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        told = [line.strip() for line in lines if not line.startswith((*_REMARKS, *_HOOK_REMARKS))]
        return " ".join(filter(None, told))[:_DETAIL_CHARACTERS_MAX] or "it said nothing"

    @property
    def failed_hook(self) -> Path | None:
        """The hook that made a `task sync` fail."""
        called = _CALLED_HOOK.findall(self.stderr)
        return Path(called[-1]) if called and self.status == _HOOK_FAILED_STATUS else None


class Taskwarrior:
    """One `task` program that can sync, and its environment. `find_taskwarrior` makes it."""

    def __init__(self, path: Path, version: str, taskrc: Path, timeout_s: float) -> None:
        self.path = path
        self.version = version
        self._taskrc = taskrc
        self._timeout_s = timeout_s

    def __str__(self) -> str:
        return f"Taskwarrior {self.version} at {self.path}"

    @property
    def keeps_synced_operations(self) -> bool:
        """Whether it knows which operations of the database have been synced. An earlier one would send them again."""
        return self._release >= KEEPS_SYNCED_VERSION

    @property
    def cuts_paths(self) -> bool:
        """Whether it drops the last part of a URL's path unless a slash follows, as TaskChampion did before 3.0."""
        return self._release < KEEPS_PATHS_VERSION

    @property
    def _release(self) -> tuple[int, int]:
        return _release(self.version)

    def sync(self) -> int | None:
        """Runs `task sync`; returns the number of operations that it reports as sent, or None: releases before
        3.4.2 report none. CommandStopped has the reason of a failure."""
        done = self._run("rc.verbose=sync", "rc.debug.hooks=1", "sync", timeout_s=self.sync_timeout_s)
        if done.status != 0:
            raise CommandStopped(explain_sync(done))
        sent = _SENT.search(done.stdout)
        return int(sent[1]) if sent else None

    def try_sync(self, data_directory: Path, environment: Mapping[str, str], server_url: str | None = None) -> TaskRun:
        """Runs `task sync` for the replica in another data directory, without hooks."""
        url = [f"rc.sync.server.url={server_url}"] if server_url else []
        elsewhere = {**environment, "TASKDATA": str(data_directory)}
        return self._run(
            *("rc.verbose=sync", "rc.hooks=0", *url, "sync"), timeout_s=self.sync_timeout_s, environment=elsewhere
        )

    @property
    def sync_timeout_s(self) -> float:
        """The time limit of a whole sync."""
        return self._timeout_s * SYNC_TIMEOUT_FACTOR

    def _run(
        self, *arguments: str, timeout_s: float | None = None, environment: Mapping[str, str] | None = None
    ) -> TaskRun:
        environment = {**(os.environ if environment is None else environment), "TASKRC": str(self._taskrc)}
        command = (str(self.path), *_WITHOUT_QUESTIONS, *arguments)
        shown = " ".join(["task", *(argument for argument in arguments if not argument.startswith("rc."))])
        return _run_bounded(command, shown, environment, timeout_s or self._timeout_s)


def find_taskwarrior(taskrc: Path, *, command: str = "task", timeout_s: float = LOCAL_TIMEOUT_S) -> Taskwarrior:
    """The Taskwarrior of that name or path. CommandStopped with a finding when there is none that can sync.

    `taskrc` is its configuration file, which need not exist before the first run.
    """
    found = shutil.which(command)
    if not found:
        raise Problem.TASK_MISSING.stop(command=command)
    # The version needs no taskrc, and is read before any question.
    done = _run_bounded((found, "--version"), "task --version", dict(os.environ), timeout_s)
    version = _VERSION.fullmatch(done.stdout.strip()) if done.status == 0 else None
    if done.status != 0:
        raise Problem.TASK_FAILS.stop(command=done.command, status=done.status, detail=done.complaint)
    if version is None:
        raise Problem.TASK_NOT_TASKWARRIOR.stop(path=found)
    if _release(version[0]) < OLDEST_VERSION:
        raise Problem.TASK_TOO_OLD.stop(version=version[0], path=found)
    return Taskwarrior(Path(found), version[0], taskrc, timeout_s)


def _release(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def explain_sync(done: TaskRun) -> Finding:
    """The finding for a failed `task sync`, from its status and Taskwarrior's own words."""
    words = done.complaint
    if hook := done.failed_hook:
        words = words.replace("Hook Error: ", "")
        return Problem.HOOK_FAILS.finding(hook=hook.name, path=shlex.quote(str(hook)), detail=words)
    if invalid := _INVALID_PROXY.search(words):
        # Taskwarrior gives the name in upper case for both. The value, which it quotes, may have a password in it.
        variable = invalid[1] if invalid[1] in os.environ else invalid[1].lower()
        return Problem.PROXY_UNUSABLE.finding(variable=variable, fault="has a value that is not a proxy's URL")
    if fetched := _FETCHED_INSTEAD.search(words):
        return Problem.SYNC_REDIRECTED.finding(status=fetched[1])
    if status := _STATUS.search(words):
        other = Problem.SYNC_SERVER_FAILED if status[1].startswith("5") else Problem.SYNC_STATUS
        return _PROBLEM_OF_STATUS.get(status[1], other).finding(status=status[1])
    if "unsealing" in words:
        return Problem.SYNC_WRONG_SECRET.finding()
    if _UNREACHABLE.search(words):
        return Problem.SYNC_UNREACHABLE.finding(detail=words)
    if "database is locked" in words:
        return Problem.SYNC_DATABASE_IN_USE.finding()
    if "out of sync" in words.lower() or "diverged" in words.lower():
        return Problem.SYNC_DIVERGED.finding()
    return Problem.SYNC_FAILED.finding(status=done.status, detail=words)


def _run_bounded(command: Sequence[str], shown: str, environment: Mapping[str, str], timeout_s: float) -> TaskRun:
    try:
        with running(command, environment) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                raise _hanging(process.pid, shown, timeout_s) from None
            return TaskRun(shown, process.returncode, stdout, stderr)
    except OSError as error:
        raise Problem.TASK_FAILS.stop(command=shown, status="none", detail=error.strerror or str(error)) from None


def _hanging(process_group: int, shown: str, timeout_s: float) -> CommandStopped:
    hook = _running_hook(process_group)
    if hook is None:
        return Problem.TASK_HANGS.stop(command=shown, seconds=f"{timeout_s:g}")
    return Problem.HOOK_HANGS.stop(command=shown, seconds=f"{timeout_s:g}", hook=hook.name, path=shlex.quote(str(hook)))


def _running_hook(process_group: int) -> Path | None:
    """The hook that runs in a process group, if `ps` shows one."""
    try:
        listed = subprocess.run(
            ("ps", "-A", "-o", "pgid=,args="), capture_output=True, text=True, timeout=_PS_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    for line in listed.stdout.splitlines():
        group, _, command = line.strip().partition(" ")
        if group == str(process_group) and (found := _RUNNING_HOOK.search(command)):
            return Path(found[1])
    return None
