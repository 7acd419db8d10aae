"""A computer that has sync settings, or has synced elsewhere. If one of these fails, people lose settings or tasks."""

import pytest

OTHER_BACKENDS = {
    "sync.local.server_dir": "/srv/tasks",
    "sync.gcp.bucket": "tasks",
    "sync.aws.bucket": "tasks",
    "sync.git.remote": "git@example.com:tasks",
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
    assert (ids(outcome), outcome["exit_code"]) == (["answer-needed"], 2)
    assert "--merge" in outcome["messages"][0]["remedy"]
    assert first.files() == files
    dry = first.tcsync(*replace, "--merge", "--dry-run")
    assert "merge" in dry.stdout and first.files() == files

    outcome = first.json(*replace, "--merge")
    assert outcome["result"] == "done", outcome
    assert outcome["tasks"]["all"] == len(before) == outcome["join"]["added_tasks"]
    assert first.exported() == before
    assert second.json("setup", "--pairing-code-file", "-", given=first.pair())["result"] == "done"
    second.taskrc.write_text(
        second.taskrc.read_text(encoding="utf-8") + "uda.estimate.type=numeric\nuda.reference.type=string\n",
        encoding="utf-8",
    )
    assert second.exported() == before
    # The copy is a replica that Taskwarrior reads.
    first.environment["TASKDATA"] = outcome["kept_aside"]
    assert first.exported() == before


def test_a_move_is_offered_at_a_terminal(start_server, first):
    """If this fails, a person is refused without being shown the way, or moves without having been asked."""
    old, new = start_server(), start_server()
    first.add("Buy milk")
    assert first.json("setup", "--first-computer", "--server-url", old.url)["result"] == "done"
    before, files = first.tasks(), first.files()
    flags = ("setup", "--first-computer", "--server-url", new.url, "--replace")
    terminal = first.terminal(*flags)
    terminal.wait_for("begin a new one with all its 1 task (1 pending)")
    terminal.answer("Begin a new history with them? [y/N]: ", "")
    assert terminal.end() == 10
    assert first.files() == files
    terminal = first.terminal(*flags)
    terminal.answer("Begin a new history with them? [y/N]: ", "y")
    assert terminal.end() == 0
    assert "A new history begins with 1 task of this computer." in terminal.screen
    assert first.tasks() == before


def test_a_second_computer_with_another_history_keeps_its_tasks(start_server, paired, new_computer):
    """If this fails, a computer that synced with another server cannot join, or loses its tasks by joining."""
    elsewhere, second = start_server(), new_computer()
    second.add("Water plants")
    assert second.json("setup", "--first-computer", "--server-url", elsewhere.url)["result"] == "done"
    flags = ("setup", "--replace", "--merge", "--pairing-code-file", "-")
    outcome = second.json(*flags, given=paired.pair())
    assert outcome["result"] == "done"
    assert (outcome["join"]["received_tasks"], outcome["join"]["added_tasks"]) == (2, 1)
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
    elsewhere = second.json("setup", "--replace", "--merge", "--first-computer", "--server-url", other.url)
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


def test_pair_and_show_explain_missing_settings(first):
    """If this fails, `pair` and `show` print nothing, or a traceback, where there is nothing to show."""
    for command in ("pair", "show"):
        done = first.tcsync(command)
        assert (done.returncode, done.stdout) == (9, "")
        assert "[taskrc-missing]" in done.stderr
    assert first.json("doctor")["exit_code"] == 1
