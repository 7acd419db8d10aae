"""The setup's last question: whether the computer syncs by itself from now on."""

from pathlib import Path

import pytest
from agents import DEADLINE_S, agent, agents, await_status, end, start
from servers import Authority
from support import wait_until

QUESTION = "Should this computer sync by itself from now on, without `task sync`? [Y/n]: "
STARTED = "This computer now syncs by itself."
COMMAND = "`tcsync auto on` lets a computer sync by itself."


def test_two_computers_are_in_sync_by_themselves_after_their_setups(server, first, second):
    """If this fails, people who press Enter at each question still have to run `task sync`."""
    first.add("Buy milk")
    terminal = first.terminal("setup", "--first-computer", "--server-url", server.url, asks_last=True)
    terminal.answer(QUESTION, "")
    assert terminal.end() == 0
    assert terminal.screen.index(STARTED) < terminal.screen.index("Pairing code:"), "the code is to be seen last"
    terminal = second.terminal("setup", "--server", "self-hosted", "--second-computer", asks_last=True)
    terminal.answer("Pairing code", first.pair())
    terminal.answer(QUESTION, "")
    assert terminal.end() == 0
    first.add("Water plants")
    await_status(second, "Water plants")
    second.task("Buy milk", "done")
    await_status(first, "Buy milk", "completed")
    # It runs, so nobody is asked again.
    terminal = second.terminal(*("setup", "--replace", "--server", "self-hosted", "--second-computer"), asks_last=True)
    terminal.answer("Pairing code", first.pair())
    assert terminal.end() == 0
    assert QUESTION not in terminal.screen and COMMAND not in terminal.screen


def test_no_is_an_answer(server, first):
    """If this fails, a program stays on a computer whose user did not want it."""
    terminal = first.terminal("setup", "--first-computer", "--server-url", server.url, asks_last=True)
    terminal.answer(QUESTION, "n")
    assert terminal.end() == 0
    assert COMMAND in terminal.screen
    assert agents(first) == []


@pytest.mark.parametrize(
    ("flags", "is_started"), [((), False), (("--yes",), False), (("--no-auto",), False), (("--auto",), True)]
)
def test_a_script_gets_an_agent_only_by_its_flag(server, first, flags, is_started):
    """If this fails, a script that sets up a computer leaves a program behind that nobody has asked for."""
    done = first.tcsync("setup", "--first-computer", "--server-url", server.url, *flags)
    assert done.returncode == 0, done.stdout
    assert len(agents(first)) == is_started
    assert (STARTED in done.stdout, COMMAND in done.stdout) == (is_started, not is_started)


def test_a_setup_that_changes_nothing_starts_it_as_well(paired):
    """If this fails, `tcsync setup --auto` is ignored by a computer that is set up already."""
    done = paired.tcsync("setup", "--keep", "--auto", "--dry-run")
    assert done.returncode == 0 and agents(paired) == [], done.stdout
    done = paired.tcsync("setup", "--keep", "--auto")
    assert done.returncode == 0, done.stdout
    assert STARTED in done.stdout
    assert len(agents(paired)) == 1


def test_an_agent_that_does_not_start_is_no_failure_of_the_setup(server, first):
    """If this fails, a setup whose sync works is reported as failed, or leaves its user without the pairing code."""
    (first.home / ".local").write_text("in the way of the agent's directory", encoding="utf-8")
    terminal = first.terminal("setup", "--first-computer", "--server-url", server.url, asks_last=True)
    terminal.answer(QUESTION, "")
    assert terminal.end() == 0
    assert "[agent-not-started]" in terminal.screen and "Pairing code:" in terminal.screen
    (first.home / ".local").unlink()
    done = first.tcsync("auto", "on")  # The remedy.
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("way", ["Ctrl-C", "Ctrl-D"])
def test_an_interrupt_at_the_question_is_a_no(server, first, way):
    """If this fails, a setup that has changed everything says that nothing was changed, or shows no pairing code."""
    terminal = first.terminal("setup", "--first-computer", "--server-url", server.url, asks_last=True)
    terminal.wait_for(QUESTION)
    if way == "Ctrl-C":
        terminal.interrupt()
    else:
        terminal.close_input()
    assert terminal.end() == 0
    assert COMMAND in terminal.screen and "Pairing code:" in terminal.screen
    assert "Nothing was changed" not in terminal.screen
    assert agents(first) == []


def test_an_interrupt_of_the_start_leaves_no_agent(server, first):
    """If this fails, an agent comes at the next login that its user has interrupted."""
    first.add_program("systemctl", 'case "$*" in *enable*) exec sleep 15;; esac  # fake')
    terminal = first.terminal("setup", "--first-computer", "--server-url", server.url, asks_last=True)
    terminal.answer(QUESTION, "")
    units = first.home / ".config/systemd/user"
    wait_until(lambda: list(units.glob("*.service")), DEADLINE_S, "the start has begun")
    terminal.interrupt()
    assert terminal.end() == 0
    assert COMMAND in terminal.screen and "Pairing code:" in terminal.screen
    assert not list(units.rglob("*.service"))
    assert agents(first) == []


def test_the_flags_act_on_an_agent_that_is_on(paired, tmp_path):
    """If this fails, `--auto` and `--no-auto` do nothing, and say nothing, on a computer that has an agent."""
    start(paired)
    process = agent(paired)
    done = paired.tcsync("setup", "--keep", "--no-auto")
    assert done.returncode == 0
    assert "The agent that syncs this computer stays on; `tcsync auto off` ends it." in done.stdout
    assert agent(paired) == process
    authority = Authority(tmp_path).file
    done = paired.tcsync("setup", "--keep", "--auto", "--ca-file", authority)
    assert done.returncode == 0 and STARTED in done.stdout
    assert agent(paired) != process
    assert str(authority).encode() in Path(f"/proc/{agent(paired)}/cmdline").read_bytes()
    end(agent(paired))  # As after a start of the computer without a desktop.
    done = paired.tcsync("setup", "--keep", "--auto")
    assert done.returncode == 0 and STARTED in done.stdout
    assert len(agents(paired)) == 1


def test_a_computer_that_syncs_in_another_way_gets_no_agent(paired):
    """If this fails, an agent runs that never syncs, and its user was told that it does."""
    paired.write_taskrc(paired.taskrc.read_text(encoding="utf-8") + "sync.local.server_dir=/elsewhere\n")
    done = paired.tcsync("setup", "--keep", "--auto")
    assert "[sync-other-backend]" in done.stdout and STARTED not in done.stdout
    assert agents(paired) == []


def test_an_unverified_setup_gets_no_agent(first):
    """If this fails, an agent begins a new history with credentials that nobody has checked."""
    url = "http://127.0.0.1:1"
    done = first.tcsync("setup", "--first-computer", "--server-url", url, "--save-unverified", "--auto")
    assert done.returncode == 3 and "does not sync by itself yet" in done.stdout
    done = first.tcsync("setup", "--keep", "--auto")
    assert done.returncode == 3 and "does not sync by itself yet" in done.stdout
    assert agents(first) == []


def test_an_unverified_setup_does_not_ask(first):
    """If this fails, an agent runs that can only fail."""
    url = "http://127.0.0.1:1"
    terminal = first.terminal("setup", "--first-computer", "--server-url", url, asks_last=True)
    terminal.wait_for("2. Save the settings as unverified")
    terminal.answer("Choose option", "2")
    assert terminal.end() == 3
    assert QUESTION not in terminal.screen
    assert agents(first) == []
