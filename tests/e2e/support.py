"""Shared by the e2e helpers: the path of the build, waits with a deadline, and programs that may hang."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD_DIR = Path(os.environ.get("TCSYNC_BUILD_DIR") or REPOSITORY / "build").resolve()

POLL_INTERVAL_S = 0.02


def wait_until(condition, timeout_s, description):
    """Returns the first true result of `condition()`; fails with `description` when there is none within the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {description}")
        time.sleep(POLL_INTERVAL_S)


def free_port():
    """A port on which nothing listens, and below those that systems give to outgoing connections: one of another test's
    thousands could have it before the caller listens there."""
    for _ in range(1000):
        port = random.randrange(10_000, 32_768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise AssertionError("no port is free")


def run_bounded(command, *, env=None, cwd=None, timeout_s):
    """Runs a command without standard input. One that outlives its time is killed with all that it started."""
    with subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
