"""Every state of Taskwarrior that people have, each told apart; and that nothing can make the wizard wait for ever."""

import os
import sqlite3
import time
from uuid import UUID

import pytest
from computers import FAKE_TASKS
from support import free_port

from tcsync import edit_taskrc, read_taskrc
from tcsync.wizard.diagnosis import errors_as_findings
from tcsync.wizard.findings import CommandStopped
from tcsync.wizard.taskwarrior import TaskRun, explain_sync

FAULTS = {
    "2.6.2": "task-too-old",
    "hangs": "task-hangs",
    "asks": "task-fails",
    "does-not-start": "task-fails",
    "other-program": "task-not-taskwarrior",
}


def setup(computer, url, *flags):
    return computer.json("setup", "--first-computer", "--server-url", url, "--task-timeout", "1", *flags)


@pytest.mark.parametrize("fake", FAULTS)
def test_each_fault_of_taskwarrior_is_reported(server, new_computer, fake):
    """If this fails, a person does not learn how to repair their Taskwarrior."""
    computer = new_computer(fake_task=fake)
    outcome = setup(computer, server.url)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == ([FAULTS[fake]], 4)
    assert not computer.taskrc.exists()
    report = computer.json("doctor", "--task-timeout", "1")
    assert report["exit_code"] == 1
    assert next(check["id"] for check in report["checks"] if check["check"] == "task") == FAULTS[fake]


def test_a_missing_taskwarrior_is_reported(server, new_computer):
    """If this fails, a person without Taskwarrior gets a traceback, or credentials that they cannot use."""
    computer = new_computer(has_task=False)
    outcome = setup(computer, server.url)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["task-missing"], 4)
    assert computer.files() == {}


def test_a_failing_sync_restores_the_settings(server, new_computer):
    """If this fails, a sync that does not work leaves settings behind."""
    computer = new_computer(fake_task="fails")
    computer.write_taskrc("# mine\n")
    outcome = setup(computer, server.url)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["sync-failed"], 4)
    assert "The disk is on fire." in outcome["messages"][0]["text"]
    assert computer.files() == {".taskrc": (b"# mine\n", 0o100600)}


@pytest.mark.parametrize(
    ("path", "finding"), [("/i/0123", "sync-url-without-slash"), ("/i/0123/", None), ("", None), ("/", None)]
)
def test_a_url_whose_end_is_dropped_is_found(new_computer, path, finding):
    """If this fails, the server refuses people with Taskwarrior 3.1 to 3.4, and they do not learn why."""
    computer = new_computer(fake_task="3.4.2")
    computer.write_taskrc(
        f"sync.server.url=http://127.0.0.1:{free_port()}{path}\nsync.server.client_id={UUID(int=1)}\n"
        "sync.encryption_secret=horse\n"
    )
    report = computer.json("doctor")
    assert next(check.get("id") for check in report["checks"] if check["check"] == "taskrc") == finding


@pytest.mark.parametrize("fake", ["hangs", "hangs-in-sync"])
def test_a_hanging_task_is_killed_with_its_children(server, new_computer, fake):
    """If this fails, the wizard waits for ever, or a hook of a killed `task` keeps running."""
    assert "sleep 600 &" in FAKE_TASKS[fake]
    computer = new_computer(fake_task=fake)
    started = time.monotonic()
    outcome = setup(computer, server.url)
    assert time.monotonic() - started < 30
    assert [message["id"] for message in outcome["messages"]] == ["task-hangs"]
    child = int((computer.home / "child").read_text(encoding="utf-8"))
    assert not is_running(child)
    assert not computer.taskrc.exists()


def test_the_wizard_uses_the_same_taskrc_and_data_as_taskwarrior(server, first):
    """If this fails, TASKRC, TASKDATA or XDG_CONFIG_HOME lead the wizard and Taskwarrior to different files."""
    for name, variables in {
        "named": {"TASKRC": f"{first.home}/named/rc"},
        "xdg": {"XDG_CONFIG_HOME": f"{first.home}/xdg", "TASKDATA": f"{first.home}/elsewhere"},
    }.items():
        expected = first.home / ("named/rc" if name == "named" else "xdg/task/taskrc")
        expected.parent.mkdir(parents=True)
        expected.write_text("# mine\n", encoding="utf-8")
        outcome = first.json("setup", "--first-computer", "--server-url", server.url, **variables)
        assert (outcome["result"], outcome["taskrc"]) == ("done", str(expected))
    assert (first.home / "elsewhere" / "taskchampion.sqlite3").exists()


def test_a_replica_of_an_unknown_format_is_not_read(server, first):
    """If this fails, a later Taskwarrior's file is misread, and numbers are guessed."""
    first.add("Buy milk")
    database = sqlite3.connect(first.home / ".task" / "taskchampion.sqlite3")
    database.execute("UPDATE version SET major = 7")
    database.commit()
    database.close()
    outcome = first.json("setup", "--first-computer", "--server-url", server.url)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["replica-unknown"], 8)
    report = first.json("doctor")
    assert next(check["id"] for check in report["checks"] if check["check"] == "replica") == "replica-unknown"


def test_a_replica_that_cannot_be_read_has_the_remedy_of_its_fault(first):
    """If this fails, people with a damaged file or a full disk are told to update tcsync."""
    first.add("Buy milk")
    database = first.home / ".task" / "taskchampion.sqlite3"
    content = database.read_bytes()

    def finding():
        return next(check["id"] for check in first.json("doctor")["checks"] if check["check"] == "replica")

    database.write_bytes(content[:100] + b"\x55" * (len(content) - 100))
    for name in ("-wal", "-shm"):
        database.with_name(database.name + name).unlink(missing_ok=True)
    assert finding() == "replica-damaged"
    database.unlink()
    database.mkdir()
    assert finding() == "replica-unreadable"


def test_a_taskrc_that_changes_meanwhile_is_told_as_that(tmp_path):
    """If this fails, a person is told to correct a file in which there is nothing to correct."""
    path = tmp_path / "taskrc"
    path.write_text("", encoding="utf-8")
    taskrc = read_taskrc(path)
    path.write_text("color=off\n", encoding="utf-8")
    with pytest.raises(CommandStopped) as caught, errors_as_findings():
        edit_taskrc(taskrc, {"recurrence": "off"})
    assert caught.value.finding.problem.identifier == "taskrc-changed"


def test_a_sync_that_fails_after_its_push_keeps_the_settings(server, first):
    """If this fails, going back tears a replica from the history that it already belongs to."""
    first.add("Buy milk")
    fails = '"$(dirname "$0")/real-task" "$@"; echo "The cable is out." >&2; exit 2'
    first.wrap_task(f'case "$*" in *" sync") {fails};; esac')
    first.copy_task("real-task")
    outcome = first.json("setup", "--first-computer", "--server-url", server.url)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["sync-half-done"], 4)
    assert "The cable is out." in outcome["messages"][0]["text"]
    first.unwrap_task("real-task")
    assert first.json("doctor")["exit_code"] == 0


@pytest.mark.parametrize(
    ("status", "identifier"),
    [("410", "sync-gone"), ("403", "sync-not-allowed"), ("500", "sync-server-failed"), ("400", "sync-status")],
)
def test_http_statuses_in_taskwarriors_output_are_explained(status, identifier):
    """If this fails, Taskwarrior's own words about a failed sync are all that a person gets."""
    words = (
        "Failed to synchronize with server: Server Error: "
        f"http://127.0.0.1:{free_port()}/v1/client/get-child-version/0 responded with {status} Gone"
    )
    assert explain_sync(TaskRun("task sync", 2, "", f"TASKRC override: x\n{words}\n")).problem.identifier == identifier


def is_running(process_id):
    try:
        with open(f"/proc/{process_id}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return os.path.exists(f"/proc/{process_id}")
