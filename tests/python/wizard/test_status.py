"""`tcsync status`: what there is to sync, honestly and quickly, and without changing anything."""

import calendar
import contextlib
import sqlite3
import time
from uuid import UUID, uuid4

import pytest
from servers import gateway
from support import free_port

from tcsync import Create, Credentials, RemoteServer, Replica, Secret, Update

TASK_DATABASE = ".task/taskchampion.sqlite3"


@pytest.fixture
def settings(server):
    """The lines of a taskrc, as `tcsync setup` and people write them."""
    credentials = Credentials.generate(server.url)
    return (
        f"sync.server.url={credentials.url}\nsync.server.client_id={credentials.client_id}\n"
        f"sync.encryption_secret={credentials.secret.reveal()}\n"
    )


@pytest.fixture
def synced(first, settings):
    """A computer that has synced one task."""
    first.write_taskrc(settings)
    first.task("add", "Buy milk")
    first.task("sync")
    return first


@pytest.fixture
def joined(synced, settings, second):
    """Another computer of the same person."""
    second.write_taskrc(settings)
    second.task("sync")
    return second


def test_each_state_has_its_words_and_its_status(server, settings, synced, joined):
    """If this fails, a person syncs for nothing, or does not learn that there is something to sync; or a prompt that
    runs it fetches the history again and again."""
    asked = []

    def count(pass_on):
        asked.append(None)
        return pass_on()

    with gateway(server.url, "", count) as url:
        for computer in (synced, joined):
            computer.write_taskrc(settings.replace(server.url, url))
        assert "This computer and the server are in sync." in joined.tcsync("status", "--exit-code").stdout
        assert len(asked) == 2
        synced.task("add", "Water plants")
        ahead = synced.tcsync("status", "--exit-code")
        assert ahead.returncode == 11
        assert "changes of 1 task\n" in ahead.stdout and "run `task sync` to send those" in ahead.stdout
        synced.task("sync")
        assert synced.json("status", "--exit-code")["exit_code"] == 0
        asked.clear()
        behind = joined.tcsync("status")
        assert len(asked) == 1
        assert behind.returncode == 0, "without the flag, there is nothing to tell"
        assert "The server has changes that this computer does not have yet" in behind.stdout
        found = joined.json("status", "--exit-code")
        assert (found["server"], found["pending_changes"], found["exit_code"]) == ("ahead", 0, 11)


def test_the_last_sync_is_not_before_the_newest_synced_change(synced, joined):
    """If this fails, the time is that of a change that was never sent, and a broken sync looks recent."""
    (milk,) = map(UUID, synced.exported())
    times = {year: str(calendar.timegm((year, 5, 6, 7, 8, 9))) for year in (2031, 2032, 2033)}
    with Replica(synced.home / ".task", create=False) as replica:
        replica.commit([Update(milk, "modified", times[2031])])
    synced.task("sync")
    joined.task("sync")
    assert joined.json("status")["last_sync_not_before"] == "2031-05-06T07:08:09Z"
    synced.task("add", "Water plants")
    with Replica(synced.home / ".task", create=False) as replica:
        replica.commit([Update(milk, "modified", times[2032]), Update(milk, "modified", times[2033])])
    assert synced.json("status")["last_sync_not_before"] == "2031-05-06T07:08:09Z"
    shown = synced.tcsync("status", TZ="UTC").stdout
    assert "Last sync:    2031-05-06 07:08 or later (the time of the newest synced change)" in shown


def test_without_the_server_this_computers_part_is_shown(server, settings, synced):
    """If this fails, a person without a connection learns nothing, or a script takes the silence for “in sync”."""
    synced.task("add", "Water plants")
    url = f"http://127.0.0.1:{free_port()}"
    synced.write_taskrc(settings.replace(server.url, url))
    found = synced.json("status", "--exit-code")
    assert (found["server"], found["exit_code"], found["pending_tasks"]) == ("unknown", 5, 1)
    assert [message["id"] for message in found["messages"]] == ["remote-connection-refused"]
    done = synced.tcsync("status")
    assert done.returncode == 5
    assert "changes of 1 task" in done.stdout and "in sync" not in done.stdout


def another_server(start_server, _computer, text):
    return text.replace("sync.server.url=", f"sync.server.url={start_server().url}\n# ")


def another_secret(_start_server, computer, text):
    return text.replace(computer.secret(), "wrong")


def another_history(start_server, computer, text):
    """A server on which another client of that ID has begun."""
    moved = another_server(start_server, computer, text)
    with Replica.in_memory() as replica, RemoteServer(credentials_of(moved)) as server:
        replica.commit([Create(uuid4())])
        replica.sync(server)
    return moved


def credentials_of(text):
    values = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    return Credentials(
        values["sync.server.url"], UUID(values["sync.server.client_id"]), Secret(values["sync.encryption_secret"])
    )


@pytest.mark.parametrize(
    ("change", "state", "problem", "exit_code"),
    [
        (another_server, "no-data", "history-lost", 1),
        (another_history, "lacks-version", "replica-gone", 1),
        (another_secret, "unknown", "unseal-wrong-key", 6),
    ],
)
def test_settings_that_do_not_fit_are_no_sync(start_server, synced, change, state, problem, exit_code):
    """If this fails, a computer that cannot sync passes for “in sync”, or is told to run a `task sync` that fails."""
    synced.write_taskrc(change(start_server, synced, synced.taskrc.read_text(encoding="utf-8")))
    found = synced.json("status")
    assert (found["server"], found["messages"][0]["id"], found["exit_code"]) == (state, problem, exit_code)


def test_an_unfinished_setup_is_named(synced, settings, second):
    """If this fails, a setup without its first sync looks like a finished one."""
    second.add("Water plants")
    second.write_taskrc(settings)
    found = second.json("status", "--exit-code")
    assert (found["has_synced"], found["server"], found["exit_code"]) == (False, "ahead", 11)
    shown = second.tcsync("status").stdout
    assert "`tcsync doctor` finishes the setup" in shown and "Last sync:    none yet" in shown


def test_a_computer_without_settings_has_status_9(first):
    """If this fails, a script cannot tell a computer that does not sync from one that is in sync."""
    assert first.json("status")["exit_code"] == 9
    assert "[taskrc-missing]" in first.tcsync("status").stderr


def test_it_changes_nothing_and_runs_beside_a_writer(synced):
    """If this fails, a glance waits for a running Taskwarrior, or touches the database in use."""
    before = synced.files()
    with contextlib.closing(sqlite3.connect(synced.home / TASK_DATABASE, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        assert synced.json("status")["server"] == "equal"
        assert time.monotonic() - started < 4
    assert synced.files() == before
