"""A computer that has sync settings, or has synced elsewhere. If one of these fails, people lose settings or tasks."""

import json
from pathlib import Path

import pytest

OTHER_BACKENDS = {
    "sync.local.server_dir": "/srv/tasks",
    "sync.gcp.bucket": "tasks",
    "sync.aws.bucket": "tasks",
    "sync.git.remote": "git@example.com:tasks",
    "sync.server.origin": "https://old.example.com",
}


def ids(outcome):
    return [message["id"] for message in outcome["messages"]]


def test_keeping_is_the_default_and_changes_nothing(server, paired):
    """If this fails, a second run of the setup destroys the first one's settings."""
    before = paired.files()
    terminal = paired.terminal("setup")
    terminal.wait_for("This computer is already set up for sync")
    terminal.answer("Replace these settings? [y/N]: ", "")
    assert terminal.end() == 0
    assert paired.secret() not in terminal.screen
    assert "sync.encryption_secret = ********" in terminal.screen
    assert paired.files() == before
    assert paired.json("setup", "--yes")["result"] == "kept"
    done = paired.tcsync("setup", "--server-url", server.url, "--first-computer")
    assert done.returncode == 2 and "Give --replace or --keep" in done.stdout
    assert paired.files() == before


def test_entering_the_same_values_changes_nothing(server, paired):
    """If this fails, running the setup again and again fills the directory with backups."""
    before = paired.files()
    outcome = paired.json("setup", "--pairing-code-file", "-", given=paired.pair())
    assert (outcome["result"], outcome["changed"], outcome["exit_code"]) == ("kept", False, 0)
    assert paired.files() == before


@pytest.mark.parametrize("name", OTHER_BACKENDS)
def test_other_backends_are_recognised_and_replaced_completely(server, first, name):
    """If this fails, Taskwarrior still syncs elsewhere after the setup, since one backend hides another."""
    taskrc = f"# mine\n{name}={OTHER_BACKENDS[name]}\nsync.encryption_secret=old\nuda.size.type=string # keep\n"
    first.write_taskrc(taskrc)
    report = first.json("doctor")
    assert {check["id"] for check in report["checks"] if check["status"] == "failed"} == {"sync-other-backend"}
    terminal = first.terminal("setup", "--first-computer", "--server-url", server.url)
    terminal.wait_for("Taskwarrior here already syncs in another way")
    terminal.wait_for(name)
    terminal.answer("Replace these settings? [y/N]: ", "y")
    assert terminal.end() == 0
    assert "old" not in terminal.screen.replace("old.example.com", "").split("Your credentials")[0]
    lines = first.taskrc.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# mine" and "uda.size.type=string # keep" in lines
    assert not any(line.startswith(f"{name}=") for line in lines)
    backups = list(first.taskrc.parent.glob(".taskrc.backup-*"))
    assert [backup.read_text(encoding="utf-8") for backup in backups] == [taskrc]
    assert backups[0].stat().st_mode & 0o777 == 0o600
    assert first.json("doctor")["exit_code"] == 0


def test_incomplete_settings_are_reported(first):
    """If this fails, half a configuration looks like a whole one."""
    first.write_taskrc("sync.server.url=https://sync.example.com\n")
    report = first.json("doctor")
    finding = next(check for check in report["checks"] if check["check"] == "taskrc")
    assert finding["id"] == "sync-incomplete"
    assert "sync.server.client_id, sync.encryption_secret" in finding["text"]
    terminal = first.terminal("setup")
    terminal.wait_for("This computer has incomplete sync settings")
    terminal.answer("Replace these settings? [y/N]: ", "n")
    assert terminal.end() == 0


def with_all_kinds_of_tasks(computer):
    """Adds tasks with everything that an import could lose."""
    computer.write_taskrc("uda.estimate.type=numeric\nuda.reference.type=string\n")
    computer.task("add", "one", "project:home", "+tag", "due:tomorrow", "priority:H", "estimate:3", "reference:a b")
    computer.task("add", "two", "depends:1")
    computer.task("add", "weekly", "due:tomorrow", "recur:weekly")
    computer.task("add", "waiting", "wait:2040-01-01")
    computer.task("add", 'umlaut é 😀 "quoted"')
    computer.task("1", "annotate", "a note")
    computer.task("add", "finished")
    computer.task("finished", "done")
    computer.task("add", "removed")
    computer.task("removed", "delete")
    computer.task("list")


def test_a_replica_of_another_server_is_not_moved_without_its_tasks(start_server, new_computer):
    """If this fails, tasks from before are missing on every other computer, and nobody notices for weeks."""
    old, new = start_server(), start_server()
    first, second = new_computer(), new_computer()
    with_all_kinds_of_tasks(first)
    assert first.json("setup", "--first-computer", "--server-url", old.url)["result"] == "done"
    before, files = first.exported(), first.files()
    replace = ("setup", "--first-computer", "--server-url", new.url, "--replace")
    outcome = first.json(*replace)
    assert (ids(outcome), outcome["exit_code"]) == (["replica-synced-elsewhere"], 8)
    assert first.files() == files
    dry = first.tcsync(*replace, "--fresh-replica", "--dry-run")
    assert "into a fresh replica" in dry.stdout and first.files() == files

    outcome = first.json(*replace, "--fresh-replica")
    assert outcome["result"] == "done", outcome
    assert outcome["tasks"]["all"] == len(before)
    assert first.exported() == before
    export = json.loads(Path(outcome["kept_aside"], "export.json").read_text(encoding="utf-8"))
    assert {task["uuid"] for task in export} == before.keys()
    assert second.json("setup", "--pairing-code-file", "-", given=first.pair())["result"] == "done"
    second.taskrc.write_text(
        second.taskrc.read_text(encoding="utf-8") + "uda.estimate.type=numeric\nuda.reference.type=string\n",
        encoding="utf-8",
    )
    assert second.exported() == before


def test_a_safe_move_is_offered_at_a_terminal(start_server, first):
    """If this fails, a person is refused without being shown the way."""
    old, new = start_server(), start_server()
    first.add("Buy milk")
    assert first.json("setup", "--first-computer", "--server-url", old.url)["result"] == "done"
    before, files = first.tasks(), first.files()
    flags = ("setup", "--first-computer", "--server-url", new.url, "--replace")
    terminal = first.terminal(*flags)
    terminal.wait_for("export all 1 task (1 pending), keep the old data aside")
    terminal.answer("Do that? [y/N]: ", "")
    assert terminal.end() == 8
    assert first.files() == files
    terminal = first.terminal(*flags)
    terminal.answer("Do that? [y/N]: ", "y")
    assert terminal.end() == 0
    assert "Carried over 1 task (1 pending);" in terminal.screen
    assert first.tasks() == before


def test_a_failed_move_restores_everything(start_server, first):
    """If this fails, a replica is left half-way between two histories."""
    old, new = start_server(), start_server()
    first.add("Buy milk", "Call Ada")
    assert first.json("setup", "--first-computer", "--server-url", old.url)["result"] == "done"
    before, taskrc = first.tasks(), first.taskrc.read_bytes()
    # A `task` that loses a task on import.
    first.wrap_task('case "$*" in *import*) exit 0;; esac')
    outcome = first.json("setup", "--first-computer", "--server-url", new.url, "--replace", "--fresh-replica")
    assert (ids(outcome), outcome["exit_code"]) == (["exchange-failed"], 8), outcome
    assert "of 2 tasks 2 were lost" in outcome["messages"][0]["text"]
    assert first.taskrc.read_bytes() == taskrc
    assert first.tasks() == before
    first.task("sync")


def test_an_unreadable_export_changes_nothing(start_server, paired):
    """If this fails, old data is moved aside although its tasks were never read."""
    before, taskrc = paired.tasks(), paired.taskrc.read_bytes()
    paired.wrap_task('case "$*" in *export*) echo "[{"; exit 0;; esac')
    paired.copy_task("real-task")
    url = start_server().url
    outcome = paired.json("setup", "--first-computer", "--server-url", url, "--replace", "--fresh-replica")
    assert (ids(outcome), outcome["exit_code"]) == (["task-output-unknown"], 4), outcome
    paired.unwrap_task("real-task")
    assert paired.taskrc.read_bytes() == taskrc
    assert paired.tasks() == before


def test_a_second_computer_with_another_history_keeps_its_tasks(start_server, paired, new_computer):
    """If this fails, a computer that synced with another server cannot join, or loses its tasks by joining."""
    elsewhere, second = start_server(), new_computer()
    second.add("Water plants")
    assert second.json("setup", "--first-computer", "--server-url", elsewhere.url)["result"] == "done"
    code = paired.pair()
    flags = ("setup", "--replace", "--merge", "--pairing-code-file", "-")
    assert ids(second.json(*flags, given=code)) == ["replica-synced-elsewhere"]
    assert second.json(*flags, "--fresh-replica", given=code)["result"] == "done"
    paired.task("sync")
    assert paired.tasks() == second.tasks()
    assert len(second.tasks()) == 3


def test_the_doctor_reports_the_replicas_position(start_server, server, paired, second):
    """If this fails, a person does not learn why `task sync` says 410, or that there is something to sync."""
    assert second.json("setup", "--pairing-code-file", "-", given=paired.pair())["result"] == "done"

    def position(computer):
        return next(check for check in computer.json("doctor")["checks"] if check["check"] == "position")

    assert "up to date" in position(second)["text"]
    paired.task("add", "Water plants")
    assert "ahead of the server by 6 changes" in position(paired)["text"]
    paired.task("sync")
    assert "behind the server" in position(second)["text"]
    second.task("add", "Feed the cat")
    assert "behind the server, and has changes of its own" in position(second)["text"]
    second.task("sync")
    assert "up to date" in position(second)["text"]

    other = start_server()
    third_settings = paired.taskrc.read_text(encoding="utf-8").replace(server.url, other.url)
    second.write_taskrc(third_settings)
    assert position(second)["id"] == "history-lost"
    elsewhere = second.json("setup", "--replace", "--fresh-replica", "--first-computer", "--server-url", other.url)
    assert elsewhere["result"] == "done"
    paired.write_taskrc(second.taskrc.read_text(encoding="utf-8"))
    assert position(paired)["id"] == "replica-gone"
    report = paired.tcsync("doctor")
    assert report.returncode == 1 and "410" in report.stdout


def test_the_doctor_reports_an_exposed_taskrc_and_a_wrong_secret(paired):
    """If this fails, other users of the computer read the secret, and the doctor says that all is well."""
    paired.taskrc.chmod(0o644)
    report = paired.json("doctor")
    assert [check["id"] for check in report["checks"] if check["status"] == "failed"] == ["taskrc-exposed"]
    paired.write_taskrc(paired.taskrc.read_text(encoding="utf-8").replace(paired.secret(), "wrong"))
    report = paired.json("doctor")
    assert {check["check"]: check["id"] for check in report["checks"] if check["status"] == "failed"} == {
        "data": "unseal-wrong-key"
    }
    assert report["exit_code"] == 1


def test_a_broken_taskrc_is_reported_and_not_changed(server, first):
    """If this fails, a file that the user has to mend is overwritten."""
    first.write_taskrc("this is no setting\n")
    outcome = first.json("setup", "--first-computer", "--server-url", server.url)
    assert (ids(outcome), outcome["exit_code"]) == (["taskrc-unusable"], 7)
    assert first.taskrc.read_text(encoding="utf-8") == "this is no setting\n"


def test_settings_of_an_included_file_are_not_overridden(server, first):
    """If this fails, the taskrc is changed in a way that has no effect."""
    (first.home / "shared.rc").write_text("sync.local.server_dir=/srv/tasks\n", encoding="utf-8")
    first.write_taskrc(f"include {first.home}/shared.rc\n")
    before = first.files()
    outcome = first.json("setup", "--first-computer", "--server-url", server.url, "--replace")
    assert (ids(outcome), outcome["exit_code"]) == (["taskrc-include"], 7)
    assert first.files() == before


def test_pair_and_show_explain_missing_settings(first):
    """If this fails, `pair` and `show` print nothing, or a traceback, where there is nothing to show."""
    for command in ("pair", "show"):
        done = first.tcsync(command)
        assert (done.returncode, done.stdout) == (9, "")
        assert "[taskrc-missing]" in done.stderr
    assert first.json("doctor")["exit_code"] == 1
