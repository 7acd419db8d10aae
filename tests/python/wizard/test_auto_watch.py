"""The agent's wait for changes of the database. If one of these fails, a change waits, or an idle computer does not
rest."""

import os
import shutil
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from agents import agent, await_silence, await_status, await_success, start

from tcsync.wizard.auto import directory_watch
from tcsync.wizard.auto.directory_watch import IDLE_LOOK_S, LOOK_S, DirectoryWatch

NAME = "taskchampion.sqlite3"
SOON_S = IDLE_LOOK_S / 2  # a busy machine may take its time
IDLE_S = 10
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the agent comes back after a short time")


@pytest.fixture
def directory(tmp_path):
    made = tmp_path / "task"
    made.mkdir()
    (made / NAME).write_bytes(b"database")
    return made


@pytest.fixture
def watch(directory):
    made = DirectoryWatch(directory / NAME)
    yield made
    made.close()


def waited(watch, during=None, **limits):
    """The seconds of one wait, in which `during` is called by another thread."""
    thread = threading.Timer(0.1, during) if during else None
    begun = time.monotonic()
    if thread:
        thread.start()
    watch.wait(**limits)
    seconds = time.monotonic() - begun
    if thread:
        thread.join()
    return seconds


def append(path):
    with path.open("ab") as file:
        file.write(b"more")


def replace(path):
    path.with_name("new").write_bytes(b"another")
    path.with_name("new").rename(path)


CHANGES = {
    "a write": append,
    "a new file": lambda path: path.with_name(f"{NAME}-wal").touch(),
    "a file put in its place": replace,
    "a file that is gone": Path.unlink,
    "the directory moved away": lambda path: path.parent.rename(path.parent.with_name("away")),
    "the directory removed": lambda path: shutil.rmtree(path.parent),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_ends_the_wait(directory, watch, change):
    assert 0.05 < waited(watch, lambda: CHANGES[change](directory / NAME)) < SOON_S


@on_linux
def test_reading_is_no_change(directory, watch):
    (directory / NAME).unlink()
    with closing(sqlite3.connect(directory / NAME)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE tasks (uuid)")
    waited(watch, longest_s=0)
    with closing(sqlite3.connect(f"file:{directory / NAME}?mode=ro", uri=True)) as reader:
        reader.execute("SELECT * FROM tasks").fetchall()
        waited(watch, longest_s=LOOK_S)  # that a reader makes the files of the log is one
        assert waited(watch, lambda: (directory / NAME).read_bytes(), longest_s=1) >= 1


def test_another_directory_in_its_place_is_watched(directory, watch):
    directory.rename(directory.with_name("away"))
    directory.mkdir()
    assert waited(watch) < SOON_S, "what has happened in it before is not noticed"
    assert waited(watch, lambda: append(directory / NAME)) < SOON_S


def test_a_directory_that_comes_later_is_watched(tmp_path):
    watch = DirectoryWatch(tmp_path / "later" / NAME)
    assert waited(watch) < SOON_S, "it must look often while it can watch nothing"
    (tmp_path / "later").mkdir()
    assert waited(watch) < SOON_S, "what has happened in it before is not noticed"
    assert waited(watch, lambda: append(tmp_path / "later" / NAME)) < SOON_S
    watch.close()


def test_a_link_to_a_database_leads_to_its_directory(directory, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / NAME).symlink_to(directory / NAME)
    watch = DirectoryWatch(linked / NAME)
    assert waited(watch, lambda: (directory / f"{NAME}-wal").touch()) < SOON_S
    watch.close()


@on_linux
def test_a_change_before_the_first_wait_is_told(directory, watch):
    append(directory / NAME)
    assert waited(watch) < SOON_S


def test_a_program_that_writes_on_and_on_does_not_keep_it_busy(directory, watch):
    is_over = threading.Event()

    def write():
        while not is_over.wait(0.001):
            append(directory / NAME)

    thread = threading.Thread(target=write)
    thread.start()
    begun = time.monotonic()
    for _ in range(4):
        watch.wait()
    assert time.monotonic() - begun > 2.5 * LOOK_S
    is_over.set()
    thread.join()


def test_it_can_be_woken(directory, watch, monkeypatch):
    assert waited(watch, watch.wake) < SOON_S
    watch.wake()
    assert waited(watch) < SOON_S, "a wake-up before the wait is lost"
    monkeypatch.setattr(directory_watch, "LOOK_S", IDLE_LOOK_S)
    append(directory / NAME)
    watch.wait()
    assert waited(watch, watch.wake) < SOON_S, "not in the pause after a change"
    for _ in range(100_000):  # more than a pipe holds
        watch.wake()
    assert waited(watch) < SOON_S
    assert waited(watch, longest_s=0.2) > 0.1, "it is woken for ever"


def test_an_instant_ends_the_wait(watch):
    assert waited(watch, until=time.monotonic() + 0.1) < SOON_S
    assert waited(watch, until=time.monotonic() - 1) < SOON_S


def test_without_the_systems_help_it_comes_back_soon(directory, monkeypatch):
    monkeypatch.setattr(directory_watch._Inotify, "start", lambda: None)
    watch = DirectoryWatch(directory / NAME)
    assert 0.9 * LOOK_S < waited(watch) < SOON_S
    watch.close()


@on_linux
def test_no_descriptor_is_left(directory):
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        watch = DirectoryWatch(directory / NAME)
        watch.wait(0)
        watch.close()
    assert os.listdir("/proc/self/fd") == before


@on_linux
def test_an_idle_agent_rests(connected):
    """It wakes up now and then, whatever is going on elsewhere, and a change wakes it at once."""
    computer = connected()
    start(computer)
    computer.add("Buy milk")
    await_success(computer)
    await_silence([computer])
    process = agent(computer)

    def wake_ups():
        tasks = Path(f"/proc/{process}/task").glob("*/status")
        lines = [line for task in tasks for line in task.read_text("ascii").splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    before = wake_ups()
    time.sleep(IDLE_S)
    # Each second one of the request that waits, for its time limit, and few of the agent's own.
    assert wake_ups() - before < 1.8 * IDLE_S, f"within {IDLE_S} s"
    computer.add("Buy bread")
    await_status(computer, "Buy bread")
