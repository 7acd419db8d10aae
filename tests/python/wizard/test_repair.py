"""`tcsync doctor` finds computers that `task sync` leaves different, and brings them together again, with the real
Taskwarrior. If one of these fails, the remedy that messages and manual name costs tasks, or does not help."""

import subprocess

from test_joining import all_equal, raw_tasks

# In a process of its own: no two copies of SQLite may have the file open in one.
CHANGE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("update tasks set data = json_set(data, '$.description', 'Changed by a fault') where data like ?",
                   ("%Buy milk%",))
connection.commit()
"""


def damage(computer):
    """Changes a task as a fault of the disk or of a program would: without an operation."""
    database = computer.home / ".task" / "taskchampion.sqlite3"
    subprocess.run(["python3", "-c", CHANGE, str(database)], check=True, timeout=60)


def test_different_tasks_at_the_same_version_are_made_the_same(paired, second):
    """If this fails, two computers stay different for ever, and every check says that all is well."""
    assert second.json("setup", "--pairing-code-file", "-", given=paired.pair())["result"] == "done"
    damage(second)
    done = second.tcsync("doctor", "--sync")
    assert (done.returncode, done.stdout.count("[read-back-differs]")) == (1, 1), done.stdout
    assert "1 task has other properties here" in done.stdout
    terminal = second.terminal("doctor", "--no-sync")
    terminal.answer("with the later change of each property? [y/N]: ", "y")
    assert terminal.end() == 0, terminal.screen
    assert "description is “Buy milk”; the other side had “Changed by a fault”" in terminal.screen
    assert "This computer's data as it was before is in" in terminal.screen
    assert {task["description"] for task in all_equal(paired, second).values()} == {"Buy milk", "Call Ada"}


def test_a_computer_whose_version_is_gone_rejoins(start_server, paired, second):
    """If this fails, a computer whose last version is not on the server stays without sync."""
    second.add("Water plants")
    assert second.json("setup", "--first-computer", "--server-url", start_server().url)["result"] == "done"
    second.write_taskrc(paired.taskrc.read_text(encoding="utf-8"))
    done = second.tcsync("doctor")
    assert (done.returncode, done.stdout.count("[replica-gone]")) == (1, 1), done.stdout
    assert second.json("doctor", "--repair", "--sync")["exit_code"] == 0
    assert len(all_equal(paired, second)) == 3


def test_a_history_that_the_server_has_lost_begins_again(start_server, paired, second):
    """If this fails, the loss of a server's data costs tasks that the computers still have."""
    assert second.json("setup", "--pairing-code-file", "-", given=paired.pair())["result"] == "done"
    second.task("add", "only here")
    new = start_server().url
    for computer in (paired, second):
        lines = computer.taskrc.read_text(encoding="utf-8").splitlines()
        computer.write_taskrc("\n".join([*lines, f"sync.server.url={new}", ""]))
    before = raw_tasks(paired)
    refused = paired.json("doctor", "--repair")
    assert [check["id"] for check in refused["checks"] if check["status"] == "failed"] == ["history-lost"]
    assert raw_tasks(paired) == before
    assert paired.json("doctor", "--repair", "--first-computer", "--sync")["exit_code"] == 0
    assert second.json("doctor", "--repair", "--sync")["exit_code"] == 0
    names = {task["description"] for task in all_equal(paired, second).values()}
    assert names == {"Buy milk", "Call Ada", "only here"}
