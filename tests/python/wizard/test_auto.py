"""`tcsync auto`: the agent with the real Taskwarrior and the real server, on computers of a test's own."""

import os
import re
import signal
import time
from pathlib import Path

import pytest
from agents import (
    DEADLINE_S,
    LONG_DEADLINE_S,
    RECORDING_HOOK,
    agent,
    agents,
    await_sent,
    await_silence,
    await_status,
    await_success,
    await_syncs,
    end,
    has_ended,
    problems,
    send_task,
    settings,
    start,
    state_directory,
)
from computers import python_command
from support import run_bounded, wait_until

from tcsync import Credentials, decode_pairing_code
from tcsync.wizard.auto.agent import SLEPT_S
from tcsync.wizard.auto.journal import Journal, read_journal
from tcsync.wizard.auto.pace import FAILING_NOTICE_S


@pytest.fixture
def first(connected):
    return connected()


@pytest.fixture
def second(connected):
    return connected()


def test_each_kind_of_change_comes_to_the_other_computer(first, second):
    """If this fails, a person still has to run `task sync`, or finds old tasks on the other computer."""
    start(first, second)
    first.add("Buy milk")
    await_status(second, "Buy milk")
    second.task("1", "modify", "Buy oat milk", "project:Home")
    await_status(first, "Buy oat milk")
    first.task("1", "done")
    await_status(second, "Buy oat milk", "completed")
    second.add("Call Ada")
    await_status(first, "Call Ada")
    first.task("Ada", "delete")
    await_status(second, "Call Ada", "deleted")
    assert first.exported() == second.exported()
    assert not any(problems(first) + problems(second))


def test_the_first_tasks_of_all_come_to_the_other_computer(server, first, second):
    """If this fails, a person who has just set up two computers believes that it does not work."""
    new = Credentials.generate(server.url)
    for computer in (first, second):
        computer.write_taskrc(settings(new))
    start(first, second)
    first.add("Buy milk")
    await_status(second, "Buy milk")


def test_there_is_one_agent_only(first):
    """If this fails, two agents run for the same tasks, and each syncs what the other one did."""
    start(first)
    process = agent(first)
    command = [*python_command(), "-m", "tcsync.wizard.auto", "--task", str(first.task_script), "--task-timeout", "30"]
    refused = run_bounded(command, env=first.environment, timeout_s=DEADLINE_S)
    assert refused.returncode == 1
    assert f"Another agent, process {process}, keeps these tasks in sync already." in refused.stderr
    assert "[agent-runs]" in refused.stderr
    assert agents(first) == [process]
    start(first)
    assert agent(first) != process
    shown = first.json("auto", "status")
    assert (shown["running"], shown["pid"]) == (True, agent(first))


def test_new_settings_are_taken_while_it_runs(first, credentials):
    """If this fails, after `tcsync rotate` or a move the agent listens to the old history, and other computers' changes
    never come."""
    first.add("Buy milk")
    start(first)
    await_success(first)
    process = agent(first)
    done = first.tcsync("rotate", "--yes")
    assert done.returncode == 0, done.stderr
    rotated = decode_pairing_code(first.pair())
    assert rotated != credentials
    send_task(rotated, "From another computer")
    await_status(first, "From another computer", timeout_s=LONG_DEADLINE_S)
    assert agent(first) == process
    first.add("Water plants")
    await_sent(rotated, "Water plants")


def test_hooks_of_others_are_left_alone(first, credentials):
    """If this fails, a person's own hook is replaced or no longer runs, or `task` waits for a hook of tcsync."""
    first.add("Buy milk")
    hook = first.write_hook("on-exit.own", RECORDING_HOOK)
    before = (hook.read_bytes(), hook.stat().st_mode)
    start(first)
    first.task("add", "Water plants")
    await_sent(credentials, "Water plants")
    called = (first.home / "hooked").read_text(encoding="utf-8")
    assert "command:add" in called and "command:synchronize" not in called
    assert [path.name for path in hook.parent.iterdir()] == ["on-exit.own"]
    assert (hook.read_bytes(), hook.stat().st_mode) == before
    assert not any(problems(first))


def test_off_removes_what_on_has_made(first):
    """If this fails, a person who has enough of the agent finds it again after the next login."""
    first.add("Buy milk")
    first.task("sync")

    def files():
        ignored = (".local/state/tcsync/", ".task/taskchampion.sqlite3")
        return {name: found for name, found in first.files().items() if not name.startswith(ignored)}

    before = files()
    assert "The agent was not on." in first.tcsync("auto", "off").stdout
    start(first)
    await_syncs(first)
    (made,) = files().keys() - before.keys()
    assert re.fullmatch(r"\.config/autostart/tcsync-auto-[0-9a-f]{8}\.desktop", made)
    shown = first.json("auto", "status")
    assert shown["file"] == str(first.home / made)
    content = Path(shown["file"]).read_text(encoding="utf-8")
    assert first.secret() not in content
    done = first.tcsync("auto", "off")
    assert done.returncode == 0, done.stderr
    assert "This computer syncs only when you run `task sync`." in done.stdout
    assert agents(first) == []
    assert files() == before
    shown = first.tcsync("auto", "status")
    assert shown.returncode == 9
    assert "does not run" in shown.stdout
    assert "The agent was not on." in first.tcsync("auto", "off").stdout


def test_what_the_agent_leaves_has_no_secret(first):
    """If this fails, a copy of the home's state gives away all tasks."""
    first.add("Buy milk")
    start(first)
    await_syncs(first)
    for name, (content, mode) in first.files().items():
        if name != ".taskrc":
            assert first.secret().encode() not in content, name
        if name.startswith(".local/state/tcsync/"):
            assert first.home.joinpath(name).parent.stat().st_mode & 0o077 == 0, name
        assert mode
    cmdline = Path(f"/proc/{agent(first)}/cmdline").read_bytes()
    assert first.secret().encode() not in cmdline


def test_a_server_without_waits_gets_the_changes_at_once(start_server, connected):
    """If this fails, the agent does nothing for people with the reference server, or asks it all the time."""
    credentials = Credentials.generate(start_server("--version-wait-max", "0").url)
    computer = connected()
    computer.write_taskrc(settings(credentials))
    computer.add("Buy milk")
    start(computer)
    await_sent(credentials, "Buy milk")
    wait_until(
        lambda: computer.json("auto", "status")["server_waits"] is False, DEADLINE_S, "the status tells of the server"
    )
    assert "so it is asked every few minutes" in computer.tcsync("auto", "status").stdout
    computer.task("add", "Water plants")
    await_sent(credentials, "Water plants")
    await_silence([computer])
    assert not any(problems(computer))


def test_a_computer_that_slept_catches_up(first, second):
    """If this fails, a laptop that wakes up shows the tasks of yesterday."""
    start(first, second)
    first.add("Before")
    await_status(second, "Before")
    process = agent(first)
    os.kill(process, signal.SIGSTOP)
    try:
        first.add("Typed while it slept")
        second.add("Sent while it slept")
        time.sleep(SLEPT_S + 1)  # For so long that it must notice.
    finally:
        os.kill(process, signal.SIGCONT)
    await_status(first, "Sent while it slept")
    await_status(second, "Typed while it slept")
    assert agent(first) == process


def test_a_person_is_told_after_a_day_of_failures_and_only_once(first, credentials):
    """If this fails, a computer that has not synced for weeks looks as always, or shows the same notice all day."""
    first.add("Buy milk")
    first.task("sync")
    send_task(credentials, "From another computer")
    first.write_taskrc(first.taskrc.read_text(encoding="utf-8").replace(first.secret(), "wrong"))
    first.add_program("notify-send", 'printf "%s\\n" "$@" >> "$HOME/told"  # fake')
    start(first)
    await_syncs(first)
    first.tcsync("auto", "off")
    path = state_directory(first) / "journal.json"
    journal = read_journal(path) or Journal()
    journal.failing_since = time.time() - FAILING_NOTICE_S - 60
    journal.syncs = []
    journal.write(path)
    start(first)
    await_syncs(first, 3)
    lines = (first.home / "told").read_text(encoding="utf-8").splitlines()
    assert lines.count("Taskwarrior has not synced for a day") == 1
    assert any("does not open with this secret" in line and "`tcsync doctor`" in line for line in lines)


def test_a_journal_that_cannot_be_written_is_no_end(first, credentials):
    """If this fails, a full disk ends the agent instead of a record for people."""
    start(first)
    await_syncs(first)
    (state_directory(first) / "journal.new").mkdir()
    first.add("Buy milk")
    await_sent(credentials, "Buy milk")
    assert len(agents(first)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it(first, number):
    """If this fails, a logout waits for the agent, or leaves it behind."""
    start(first)
    process = agent(first)
    os.kill(process, number)
    wait_until(lambda: has_ended(process), DEADLINE_S, "the agent has ended")
    assert first.json("auto", "status")["running"] is False


def test_a_relative_data_directory_is_the_one_of_the_command(first):
    """If this fails, `tcsync auto on` waits in vain for an agent that looks at a directory which nobody has meant."""
    environment = {**first.environment, "TASKDATA": "tasks"}
    done = run_bounded([*first.program, "auto", "on"], env=environment, cwd=first.home, timeout_s=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    assert first.json("auto", "status", TASKDATA=str(first.home / "tasks"))["running"] is True


def test_a_start_that_fails_leaves_nothing(first):
    """If this fails, `tcsync auto on` says that it has failed, and at the next login an agent runs nevertheless."""
    first.add("Buy milk")
    first.task("sync")
    before = first.files()
    (first.home / ".local").write_text("in the way of the agent's directory", encoding="utf-8")
    done = first.tcsync("auto", "on")
    assert done.returncode == 1
    assert "[agent-not-started]" in done.stderr
    (first.home / ".local").unlink()
    assert first.files() == before
    assert agents(first) == []


def test_an_agent_that_has_ended_is_found(first):
    """If this fails, a computer stops syncing by itself, and nothing tells its user."""
    first.add("Buy milk")
    first.task("sync")
    start(first)
    end(agent(first))

    def found():
        return next(check for check in first.json("doctor", "--no-sync")["checks"] if check["check"] == "agent")

    assert (found()["status"], found()["id"]) == ("failed", "agent-stopped")
    assert "no, because its agent does not run" in first.tcsync("status").stdout
    start(first)  # The remedy.
    assert found()["status"] == "ok"
    assert "By itself:    yes" in first.tcsync("status").stdout


def test_what_cannot_be_removed_is_told(first):
    """If this fails, `tcsync auto off` says that it is off, and at the next login it is on."""
    start(first)
    (entry,) = (first.home / ".config/autostart").iterdir()
    entry.unlink()
    entry.mkdir()
    done = first.tcsync("auto", "off")
    assert done.returncode == 1
    assert "[agent-not-stopped]" in done.stderr and str(entry) in done.stderr
    entry.rmdir()
    assert first.tcsync("auto", "off").returncode == 0
    assert agents(first) == []


def test_without_settings_there_is_no_agent(new_computer):
    """If this fails, an agent runs that can never sync."""
    computer = new_computer()
    done = computer.tcsync("auto", "on")
    assert done.returncode == 9
    assert "[taskrc-missing]" in done.stderr
    assert computer.files() == {}
