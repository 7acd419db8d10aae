"""A computer with tasks joins a history, with the real Taskwarrior. If one of these fails, edits are lost on all
computers of a person, or a computer cannot join at all."""

import json
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID, uuid4

import admin
import pytest
from support import free_port

from tcsync import NIL_VERSION, Create, Gone, RemoteServer, Replica, Update, decode_pairing_code, encode_pairing_code
from tcsync.wizard import received_history
from tcsync.wizard.findings import CommandStopped
from tcsync.wizard.server_check import ConnectionOptions, ServerCheck

TESTDATA = Path(__file__).resolve().parents[2] / "testdata"
MERGE = ("setup", "--replace", "--merge", "--pairing-code-file", "-")
EDITS = 40

# Configurations with which Taskwarrior's own export or import drops, adds or refuses something.
TASKRCS = {
    "limit": "limit=24\n",
    "filter of a report": "report.export.filter=limit:5\n",
    "default project": "default.project=Inbox\n",
    "default due": "default.due=eom\n",
    "default of an attribute": "uda.size.type=string\nuda.size.default=M\n",
    "no database": "exit.on.missing.db=1\n",
    "alias": "alias.export=next\nalias.import=next\n",
    "context": "context.work.read=project:work\ncontext.work.write=project:work\ncontext=work\n",
    "typed attribute": "uda.estimate.type=numeric\n",
}


def raw_tasks(computer):
    """Every task of the computer's replica, property by property, as no configuration shows it."""
    if not (computer.home / ".task").exists():
        return {}
    with Replica.copy_of(computer.home / ".task") as copy:
        return copy.tasks()


def server_tasks(computer):
    """Every task on the server."""
    with RemoteServer(decode_pairing_code(computer.pair())) as remote, Replica.in_memory() as replica:
        replica.sync(remote, receive_only=True)
        return replica.tasks()


def commit(computer, tasks, when=None):
    """Writes tasks into the computer's replica as they are, property by property."""
    operations = []
    for task_id, properties in tasks.items():
        operations.append(Create(task_id))
        operations += [Update(task_id, name, value, when) for name, value in properties.items()]
    with Replica(computer.home / ".task") as replica:
        replica.commit(operations)


@contextmanager
def held(computer, seconds=30):
    """Lets another program hold the computer's replica for writing, for so long at most."""
    program = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "print('held', flush=True)\n"
        "time.sleep(float(sys.argv[2]))\n"
    )
    database = computer.home / ".task" / "taskchampion.sqlite3"
    with subprocess.Popen(
        ["python3", "-c", program, str(database), str(seconds)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        yield
        holder.kill()


def numbered(count, **properties):
    now = int(time.time())
    return {
        uuid4(): {"description": f"task {number}", "status": "pending", "entry": str(now), "modified": str(now)}
        | properties
        for number in range(count)
    }


def all_equal(*computers):
    """Syncs all until none has news, and returns the tasks that every one has."""
    for computer in (*computers, *computers):
        computer.task("sync")
    first, *others = map(raw_tasks, computers)
    assert all(other == first for other in others)
    return first


def test_an_exchange_reverts_no_newer_work(start_server, paired, second):
    """If this fails, a computer that joins puts the others back to the state that it remembers: the older one wins."""
    code = paired.pair()
    tasks = numbered(EDITS)
    commit(paired, tasks)
    paired.task("sync")
    # The second computer had the same tasks, of another history.
    commit(second, tasks)
    second.write_taskrc("")
    elsewhere = start_server()
    assert second.json("setup", "--first-computer", "--server-url", elsewhere.url)["result"] == "done"
    ids = list(tasks)
    for task_id in ids[: EDITS // 2]:
        paired.task(str(task_id), "modify", "project:A")
    paired.task("rc.bulk=0", *map(str, ids[:5]), "done")
    paired.task("sync")
    for task_id in ids[EDITS // 2 :]:
        second.task(str(task_id), "modify", "project:B")
    second.task("rc.bulk=0", *map(str, ids[-5:]), "done")
    outcome = second.json(*MERGE, given=code)
    assert outcome["result"] == "done", outcome
    merged = all_equal(paired, second)
    assert [merged[task_id]["project"] for task_id in ids] == ["A"] * (EDITS // 2) + ["B"] * (EDITS // 2)
    done = [task_id for task_id in ids if merged[task_id]["status"] == "completed"]
    assert done == ids[:5] + ids[-5:]
    assert all("end" in merged[task_id] for task_id in done)


def test_of_each_property_the_later_change_wins(start_server, paired, second):
    """If this fails, two edits of one task on two computers cost one of them, whichever computer joins."""
    (task_id,) = tasks = numbered(1)
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    commit(paired, tasks, yesterday)
    commit(second, tasks, yesterday)
    second.write_taskrc("")
    assert second.json("setup", "--first-computer", "--server-url", start_server().url)["result"] == "done"
    second.task(str(task_id), "modify", "priority:H", "+here", "project:early")
    paired.task(str(task_id), "modify", "project:late", "+there")
    paired.task("sync")
    second.task(str(task_id), "annotate", "a note")
    second.task("sync")
    assert second.json(*MERGE, given=paired.pair())["result"] == "done"
    merged = all_equal(paired, second)[task_id]
    assert (merged["priority"], merged["project"]) == ("H", "late")
    assert {"tag_here", "tag_there"} <= merged.keys()
    assert "a note" in merged.values()


def test_a_snapshot_hides_no_times(server, paired, second):
    """If this fails, whatever two computers changed before one of them began a new history is in doubt, and what was
    removed comes back, because the server has a snapshot of the new history."""
    (task_id,) = tasks = numbered(1)
    commit(paired, tasks)
    paired.task("sync")
    assert second.json(*MERGE, given=paired.pair())["result"] == "done"
    paired.task(str(task_id), "modify", "project:A")
    second.task(str(task_id), "modify", "project:B", "priority:H")
    paired.task(str(task_id), "modify", "project:")
    again = ("setup", "--replace", "--merge", "--first-computer", "--server-url", server.url)
    assert paired.json(*again)["result"] == "done"
    with RemoteServer(decode_pairing_code(paired.pair())) as remote:
        assert remote.get_snapshot() is not None
    outcome = second.json(*MERGE, given=paired.pair())
    assert (outcome["result"], outcome["join"]["doubtful"]) == ("done", [])
    merged = all_equal(paired, second)[task_id]
    assert "project" not in merged
    assert merged["priority"] == "H"


@pytest.mark.parametrize("name", TASKRCS)
def test_no_configuration_matters(server, paired, second, name):
    """If this fails, settings of Taskwarrior's drop, change or refuse tasks of a computer that joins."""
    commit(second, numbered(30, estimate="3.500000"))
    before = raw_tasks(second)
    second.write_taskrc(TASKRCS[name])
    outcome = second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())
    assert outcome["result"] == "done", outcome
    merged = raw_tasks(second)
    assert before.items() <= merged.items()
    assert server_tasks(paired) == merged
    assert second.taskrc.read_text(encoding="utf-8").startswith(TASKRCS[name])


def test_odd_tasks_are_merged_as_they_are(paired, second):
    """If this fails, one task that Taskwarrior cannot export keeps a computer from joining, or is changed."""
    odd = json.loads((TESTDATA / "odd-tasks.json").read_text(encoding="utf-8"))
    tasks = {UUID(int=1000 + number): properties for number, properties in enumerate(odd.values())}
    commit(second, tasks)
    second.write_taskrc("")
    outcome = second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())
    assert outcome["result"] == "done", outcome
    assert tasks.items() <= raw_tasks(second).items()
    assert tasks.items() <= server_tasks(paired).items()


def test_many_tasks_are_joined(paired, second):
    """If this fails, a few thousand tasks reach a time limit."""
    commit(second, numbered(3500))
    second.write_taskrc("")
    outcome = second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())
    assert outcome["result"] == "done", outcome
    assert (outcome["join"]["added_tasks"], outcome["tasks"]["all"]) == (3500, 3502)


def forget_beginning(server, computer, *, with_snapshot):
    """Takes all versions but the latest from the server, as retention does after months."""
    client_id = computer.json("show")["client_id"]
    exported = admin.succeed(server.data_dir, "clients", "export", client_id).splitlines(keepends=True)
    versions = [line for line in exported if json.loads(line)["type"] == "version"]
    kept = [
        line
        for line in exported
        if json.loads(line)["type"] != "version" and (with_snapshot or json.loads(line)["type"] != "snapshot")
    ]
    admin.succeed(server.data_dir, "clients", "delete", client_id, "--yes")
    text = "".join([kept[0], versions[-1], *kept[1:]])
    assert admin.run_with_input(server.data_dir, text, "clients", "import").returncode == 0
    with RemoteServer(decode_pairing_code(computer.pair())) as remote:
        assert isinstance(remote.get_child_version(NIL_VERSION), Gone)
        assert (remote.get_snapshot() is not None) is with_snapshot


def sync_four_times(first, server):
    """Sets up a first computer, whose history has a version for each of four tasks."""
    first.add("Buy milk")
    assert first.json("setup", "--first-computer", "--server-url", server.url)["result"] == "done"
    for number in range(3):
        first.task("add", f"more {number}")
        first.task("sync")


def test_a_history_whose_beginning_is_gone_can_be_joined(start_server, new_computer):
    """If this fails, a computer with tasks of its own meets 410 for ever, and the named cure repeats it."""
    server = start_server("--snapshot-versions", "1")
    first, second = new_computer(), new_computer()
    sync_four_times(first, server)
    code = first.pair()
    forget_beginning(server, first, with_snapshot=True)
    second.add("Water plants")
    outcome = second.json("setup", "--merge", "--pairing-code-file", "-", given=code)
    assert outcome["result"] == "done", outcome
    assert len(all_equal(first, second)) == 5


def test_a_task_keeps_its_number(paired, second):
    """If this fails, `task 1 done` after the setup completes another task than the one that was listed before."""
    second.add("mine", "mine too")
    assert second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())["result"] == "done"
    assert second.task("_get", "1.description", "2.description").split() == ["mine", "mine", "too"]


def test_purged_tasks_stay_purged(start_server, paired, second):
    """If this fails, tasks that were purged on all computers come back with the next one that joins."""
    tasks = numbered(2)
    long_ago = datetime.now(timezone.utc) - timedelta(days=30)
    commit(paired, tasks, long_ago)
    commit(second, {task_id: {**p, "modified": "1764000000"} for task_id, p in tasks.items()}, long_ago)
    second.write_taskrc("")
    gone, kept = tasks
    paired.task(str(gone), "delete")
    paired.task(str(gone), "purge")
    paired.task("sync")
    outcome = second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())
    assert outcome["join"]["removed_tasks"] == 1
    merged = all_equal(paired, second)
    assert gone not in merged and kept in merged


def test_a_change_during_the_setup_is_not_lost(paired, second):
    """If this fails, a `task add` in another window while the setup runs is gone."""
    commit(second, numbered(2000))
    second.write_taskrc("")
    adding = subprocess.Popen(
        ["sh", "-c", "for n in 1 2 3 4 5 6 7 8 9; do task rc.confirmation=off add beside $n || exit 1; done"],
        env=second.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    outcome = second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())
    assert adding.wait(60) == 0, adding.stderr.read()
    adding.stderr.close()
    assert outcome["result"] == "done", outcome
    merged = all_equal(paired, second)
    assert len(merged) == 2011
    assert sum(task["description"].startswith("beside") for task in merged.values()) == 9


@pytest.mark.parametrize("delay_s", [0.4, 0.8, 1.2, 1.8])
def test_a_kill_in_the_middle_loses_nothing(start_server, paired, second, delay_s):
    """If this fails, a crash or a closed laptop in the middle of a setup costs tasks, or leaves a computer on which
    neither `task sync` nor a second try works."""
    tasks = numbered(1500)
    commit(second, tasks)
    second.write_taskrc("")
    assert second.json("setup", "--first-computer", "--server-url", start_server().url)["result"] == "done"
    process = subprocess.Popen(
        [*second.program, *MERGE],
        env=second.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    process.stdin.write(paired.pair())
    process.stdin.close()
    time.sleep(delay_s)  # Each time another moment: what is to be shown is the same for all.
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    process.stdout.close()
    second.task("rc.gc=0", "count")
    assert tasks.keys() <= raw_tasks(second).keys()
    outcome = second.json(*MERGE, given=paired.pair())
    assert outcome["result"] in ("done", "kept"), outcome
    assert len(all_equal(paired, second)) == 1502


def test_doctor_follows_the_trail_of_a_kill(paired, second):
    """If this fails, a person whose setup was killed between two changes sees 410, and no way out."""
    second.add("Water plants")
    (second.home / ".task" / "tcsync-unfinished.json").write_text(
        '{"command": "setup", "started": "2026-11-30 10:00", "kept_aside": "/somewhere"}', encoding="utf-8"
    )
    report = second.json("doctor")
    found = [check for check in report["checks"] if check.get("id") == "setup-unfinished"]
    assert found and "2026-11-30 10:00" in found[0]["text"] and "/somewhere" in found[0]["remedy"]
    assert second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())["result"] == "done"
    assert not (second.home / ".task" / "tcsync-unfinished.json").exists()
    assert second.json("doctor")["exit_code"] == 0


@pytest.mark.parametrize(("command", "again"), [("setup", MERGE), ("doctor", ("doctor",))])
def test_a_trail_ends_with_the_next_run(paired, command, again):
    """If this fails, a command that was killed in its last step is reported for ever, however often it is run again."""
    trail = paired.home / ".task" / "tcsync-unfinished.json"
    trail.write_text(
        f'{{"command": "{command}", "started": "2026-11-30 10:00", "kept_aside": "/somewhere"}}', encoding="utf-8"
    )
    assert paired.json(*again, given=paired.pair())["exit_code"] == 0
    assert not trail.exists()
    assert paired.json("doctor")["exit_code"] == 0


def test_doctor_finishes_a_setup_that_was_killed_at_its_end(paired):
    """If this fails, a setup that was killed after its settings were written is called unfinished for ever."""
    trail = paired.home / ".task" / "tcsync-unfinished.json"
    trail.write_text(
        '{"command": "setup", "started": "2026-11-30 10:00", "kept_aside": "/somewhere"}', encoding="utf-8"
    )
    assert [check["id"] for check in paired.json("doctor")["checks"] if check["status"] == "failed"] == [
        "setup-unfinished"
    ]
    assert trail.exists()
    paired.json("doctor", "--sync")
    assert not trail.exists()
    assert paired.json("doctor")["exit_code"] == 0


def test_a_replica_that_another_program_holds_is_waited_for(paired, second):
    """If this fails, a setup beside a program that writes for a moment fails, or changes half."""
    second.add("Water plants")
    before = second.files()
    with held(second, seconds=2):
        outcome = second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())
    assert outcome["result"] == "done", outcome
    assert len(all_equal(paired, second)) == 3
    assert second.files() != before


def with_file_limit(computer, kibibytes):
    """From now on the computer's tcsync cannot write files beyond that size, as on a full disk."""
    computer.program = ["bash", "-c", f'ulimit -f {kibibytes}; exec "$@"', "tcsync", *computer.program]


def test_a_full_disk_keeps_a_computer_as_it_was(paired, second):
    """If this fails, a join that has no room for its copy changes a part of the replica, or leaves half of the copy."""
    commit(second, numbered(300))
    second.write_taskrc("")
    before, program = second.files(), second.program
    with_file_limit(second, 128)
    outcome = second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["replica-failed"], 8)
    assert second.files() == before
    second.program = program
    assert second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())["result"] == "done"


def test_settings_that_cannot_be_written_after_a_join_lose_nothing(paired, second):
    """If this fails, a disk that fills up between the join and the settings leaves a computer that is in neither
    history, or without a way on."""
    second.add("Water plants")
    second.write_taskrc("#" * 1_000_000 + "\n")
    program = second.program
    with_file_limit(second, 600)
    outcome = second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["joined-not-configured"], 7)
    (kept_aside,) = (second.home / ".task").glob("before-tcsync-*")
    assert str(kept_aside) in outcome["messages"][0]["remedy"]
    second.program = program
    assert second.json("setup", "--merge", "--pairing-code-file", "-", given=paired.pair())["result"] == "done"
    assert len(all_equal(paired, second)) == 3
    assert second.json("doctor")["exit_code"] == 0


def test_a_computer_that_has_synced_elsewhere_is_not_saved_unverified(start_server, paired, second):
    """If this fails, a computer keeps settings with which it sends only its later changes, and its other tasks are
    missing everywhere."""
    second.add("Water plants")
    assert second.json("setup", "--first-computer", "--server-url", start_server().url)["result"] == "done"
    code = encode_pairing_code(replace(decode_pairing_code(paired.pair()), url=f"http://127.0.0.1:{free_port()}"))
    before = second.files()
    outcome = second.json(*MERGE, "--save-unverified", given=code.reveal())
    found = [message["id"] for message in outcome["messages"]]
    assert (found[-1], outcome["exit_code"]) == ("replica-synced-elsewhere", 8), outcome
    assert second.files() == before
    assert second.json(*MERGE, given=paired.pair())["result"] == "done"
    assert len(all_equal(paired, second)) == 3


def test_a_history_without_its_beginning_can_be_rotated(start_server, new_computer):
    """If this fails, a history that no new computer can receive has no way out."""
    server = start_server("--snapshot-versions", "1")
    first, second = new_computer(), new_computer()
    sync_four_times(first, server)
    forget_beginning(server, first, with_snapshot=False)
    outcome = second.json("setup", "--pairing-code-file", "-", given=first.pair())
    assert [message["id"] for message in outcome["messages"]] == ["history-beginning-gone"]
    assert "client_id" in first.json("rotate", "--yes")
    assert second.json("setup", "--pairing-code-file", "-", given=first.pair())["result"] == "done"
    assert len(all_equal(first, second)) == 4


def test_a_history_without_an_end_is_given_up(server, paired, monkeypatch):
    """If this fails, a server that never comes to an end fills the memory of a computer."""
    for number in range(2):
        paired.task("add", f"more {number}")
        paired.task("sync")
    monkeypatch.setattr(received_history, "OPERATIONS_MAX", 3)
    code = decode_pairing_code(paired.pair())
    with ServerCheck(code, ConnectionOptions()) as check, pytest.raises(CommandStopped) as stopped:
        check.history()
    assert stopped.value.finding.as_json()["id"] == "history-endless"
