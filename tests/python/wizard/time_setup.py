#!/usr/bin/env python3
"""Measures a person's wait: from `pip install ./capi/python`, with the build of the library, to both computers
in sync, with the server running and Taskwarrior installed. Prints each step's time; there is no pass or fail.

    TCSYNC_BUILD_DIR=build python3 tests/python/wizard/time_setup.py
"""

import sys
import tempfile
import time
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "e2e"))

import taskwarrior
from computers import Computer
from server import Server
from support import REPOSITORY, run_bounded

INSTALL_TIMEOUT_S = 1200


class Clock:
    """Prints the time of each step, and of all."""

    def __init__(self):
        self._started = self._last = time.monotonic()

    def step(self, step_name):
        now = time.monotonic()
        print(f"{now - self._last:7.1f} s  {step_name}", flush=True)
        self._last = now

    def end(self):
        print(f"{time.monotonic() - self._started:7.1f} s  in all", flush=True)


def install(directory):
    """A new virtual environment with the package in it; the program."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", str(REPOSITORY / "capi" / "python")]
    done = run_bounded(command, timeout_s=INSTALL_TIMEOUT_S)
    if done.returncode != 0:
        sys.exit(f"pip failed:\n{done.stdout}{done.stderr}")
    return directory / "bin" / "tcsync"


def set_up(first, second, url, clock):
    """Both computers, by the quickest way that a person can go."""
    first.add("Buy milk", "Call Ada")
    second.add("Water plants")
    clock.step("three tasks added")
    done = first.tcsync("setup", "--first-computer", "--server-url", url)
    if done.returncode != 0:
        sys.exit(done.stdout)
    clock.step("tcsync setup on the first computer")
    done = second.tcsync("setup", "--merge", "--pairing-code-file", "-", given=first.pair())
    if done.returncode != 0:
        sys.exit(done.stdout)
    clock.step("tcsync setup on the second computer")
    first.task("sync")
    clock.step("task sync on the first computer")
    if first.exported() != second.exported() or len(first.exported()) != 3:
        sys.exit("the computers do not have the same three tasks")


def main():
    client = taskwarrior.find_client()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        server = Server(directory / "log", directory / "data")
        computers = []
        try:
            clock = Clock()
            program = install(directory / "venv")
            clock.step("pip install ./capi/python")
            for _ in range(2):
                computers.append(Computer(directory, client))
                computers[-1].program = [str(program)]
            set_up(*computers, server.url, clock)
            clock.end()
        finally:
            server.stop()
            for computer in computers:
                computer.remove()


if __name__ == "__main__":
    main()
