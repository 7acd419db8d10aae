"""Computers with agents, as the tests of `tcsync auto` use them."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from support import wait_until

from tcsync import Create, RemoteServer, Replica, Update
from tcsync.wizard.auto.journal import read_journal

DEADLINE_S = 60
# The agent reads its settings again twice a minute, and after failures it pauses for longer.
LONG_DEADLINE_S = 150
# A loop of syncs would not leave the journals alone for that long.
SILENCE_S = 8
TASK_DATABASE = ".task/taskchampion.sqlite3"
# Of Taskwarrior's on-exit: it writes down the command for which it runs.
RECORDING_HOOK = 'cat > /dev/null\necho "$*" >> "$HOME/hooked"'


def settings(credentials, url=None):
    """The lines of a taskrc, as `tcsync setup` and people write them."""
    return (
        f"sync.server.url={url or credentials.url}\nsync.server.client_id={credentials.client_id}\n"
        f"sync.encryption_secret={credentials.secret.reveal()}\n"
    )


def agents(computer):
    """The processes of this computer's agents."""
    found = []
    for directory in Path("/proc").iterdir():
        with suppress(OSError):
            if not directory.name.isdigit() or b"\0tcsync.wizard.auto\0" not in (directory / "cmdline").read_bytes():
                continue
            if f"HOME={computer.home}".encode() in (directory / "environ").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return found


def end(process):
    """Ends a process with the programs that it runs, which have sessions of their own."""
    with suppress(OSError):
        os.kill(process, signal.SIGSTOP)
        for child in children(process):
            os.killpg(child, signal.SIGKILL)
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: has_ended(process), DEADLINE_S, "the agent has ended")


def has_ended(process):
    """Nobody may have taken notice of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def children(process):
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()]


def start(*computers):
    for computer in computers:
        done = computer.tcsync("auto", "on")
        assert done.returncode == 0, done.stderr
        assert "This computer now syncs by itself." in done.stdout


def agent(computer):
    """The process of the one agent that runs."""
    (process,) = agents(computer)
    return process


def state_directory(computer):
    (directory,) = (computer.home / ".local/state/tcsync/auto").iterdir()
    return directory


def syncs(computer):
    """What the agent has noted, the newest last."""
    journal = read_journal(state_directory(computer) / "journal.json")
    return journal.syncs if journal else []


def problems(computer):
    return [sync.problem for sync in syncs(computer)]


def await_syncs(computer, number=1):
    """Waits until it has synced so often, in vain or not."""
    return wait_until(lambda: len(syncs(computer)) >= number, DEADLINE_S, f"{number} syncs")


def await_success(computer):
    """Waits until its latest sync has succeeded."""
    wait_until(lambda: problems(computer)[-1:] == [None], DEADLINE_S, "it has synced")


def stored(computer):
    """The status of each task by its description, read without a Taskwarrior, which a waiting test would run all the
    time."""
    if not (computer.home / TASK_DATABASE).exists():
        return {}
    with Replica.copy_of(computer.home / ".task") as copy:
        return {task.get("description"): task.get("status") for task in copy.tasks().values()}


def await_status(computer, description, status="pending", timeout_s=DEADLINE_S):
    wait_until(lambda: stored(computer).get(description) == status, timeout_s, f"{description} is {status}")


def send_task(credentials, description):
    """What another computer's `task add` and `task sync` do."""
    with Replica.in_memory() as replica, RemoteServer(credentials) as server:
        replica.sync(server)
        task = uuid4()
        replica.commit(
            [Create(task), *(Update(task, *pair) for pair in (("description", description), ("status", "pending")))]
        )
        replica.sync(server)


def await_sent(credentials, description):
    """Waits until the server has the task."""

    def is_there():
        with Replica.in_memory() as replica, RemoteServer(credentials) as server:
            replica.sync(server)
            return description in {task.get("description") for task in replica.tasks().values()}

    wait_until(is_there, DEADLINE_S, f"{description} is at the server")


def await_silence(computers):
    """Waits until no agent has synced for a while."""
    seen, since = None, time.monotonic()

    def is_silent():
        nonlocal seen, since
        found = [syncs(computer) for computer in computers]
        if found != seen:
            seen, since = found, time.monotonic()
        return time.monotonic() - since > SILENCE_S

    wait_until(is_silent, LONG_DEADLINE_S, f"no agent has synced for {SILENCE_S} s")


def assert_stays(condition, seconds):
    """Looks for a while whether a condition remains."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition()
        time.sleep(0.2)
