"""Other programs, run so that they can neither ask nor stay behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from .interrupts import interrupts_deferred

_AFTER_KILL_S = 5.0


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A program in a session of its own, without standard input; its two outputs are pipes. If the block leaves it
    running, such as after a time limit or a Ctrl-C, it is killed with all of its children. OSError if it cannot be
    started."""
    process: subprocess.Popen[str] | None = None
    try:
        # Otherwise a Ctrl-C could come after the start of the program and before its number is known here.
        with interrupts_deferred():
            process = _start(command, environment)
        yield process
    finally:
        if process is not None and process.returncode is None:
            _kill(process)


def _start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[str]) -> None:
    """Kills the whole session's process group, and does not wait for processes that have left it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_AFTER_KILL_S)
