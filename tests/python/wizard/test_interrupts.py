"""Ctrl-C, the end of input, SIGTERM and a closed terminal, at prompts and while things run: all is as it was before."""

import os
import signal

import pytest
from servers import silent
from support import free_port, wait_until

TASKRC = "# mine\nuda.size.type=string # keep\n"
SECOND = [("Choose option [1]: ", "2"), ("computer? [y/N]: ", "y"), ("Pairing code", "")]
FIRST = [("Choose option [1]: ", "2"), ("computer? [y/N]: ", "n")]

# The answers that lead to a prompt, and the prompt.
PROMPTS = {
    "menu": ([], "Choose option [1]: "),
    "which computer": (FIRST[:1], "computer? [y/N]: "),
    "first: URL": (FIRST, "Server URL: "),
    "second: pairing code": (SECOND[:2], "Pairing code"),
    "second: URL": (SECOND, "Server URL: "),
    "second: client ID": ([*SECOND, ("Server URL: ", "{url}")], "Client ID: "),
    "second: secret": ([*SECOND, ("Server URL: ", "{url}"), ("Client ID: ", "{client_id}")], "Secret (not shown): "),
    "second: merge": ([*SECOND[:2], ("Pairing code", "{code}")], "on the server? [Y/n]: "),
    "first: after a failure": ([*FIRST, ("Server URL: ", "{dead}")], "Choose option [1]: "),
}


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("how", ["Ctrl-C", "Ctrl-D"])
def test_an_interrupt_at_any_prompt_changes_nothing(server, paired, second, prompt, how):
    """If this fails, stopping a setup leaves something behind."""
    second.add("Water plants")
    second.write_taskrc(TASKRC)
    before = second.files()
    values = {
        "url": server.url,
        "client_id": paired.json("show")["client_id"],
        "code": paired.pair(),
        "dead": f"http://127.0.0.1:{free_port()}",
    }
    answers, last = PROMPTS[prompt]
    terminal = second.terminal("setup")
    for question, answer in answers:
        terminal.answer(question, answer.format(**values))
    terminal.wait_for(last)
    terminal.interrupt() if how == "Ctrl-C" else terminal.close_input()
    assert terminal.end() == 130, terminal.screen
    assert "Interrupted. Nothing was changed: everything is as it was before. [interrupted]" in terminal.screen
    assert second.files() == before


def test_an_interrupt_at_the_replacement_prompt_keeps_the_settings(paired):
    """If this fails, stopping at an existing configuration harms it."""
    before = paired.files()
    terminal = paired.terminal("setup")
    terminal.wait_for("Replace these settings? [y/N]: ")
    terminal.interrupt()
    assert terminal.end() == 130
    assert paired.files() == before


def test_an_interrupt_ends_the_wait_for_the_server(first):
    """If this fails, Ctrl-C does nothing until a deadline of a minute is over."""
    first.write_taskrc(TASKRC)
    with silent() as url:
        terminal = first.terminal("setup", "--first-computer", "--server-url", url)
        terminal.wait_for("Checking")
        terminal.interrupt()
        assert terminal.end() == 130
    assert first.files() == {".taskrc": (TASKRC.encode(), 0o100600)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_during_the_first_sync_restores_the_taskrc(server, new_computer, number):
    """If this fails, a setup that is ended in its last step leaves half of it, or a hanging `task`."""
    computer = new_computer(fake_task="hangs-in-sync")
    computer.write_taskrc(TASKRC)
    terminal = computer.terminal("setup", "--first-computer", "--server-url", server.url)
    child = computer.home / "child"
    wait_until(lambda: child.exists() and child.read_text(encoding="utf-8").strip(), 30, "the sync runs")
    assert "sync.server.url" in computer.taskrc.read_text(encoding="utf-8")
    os.kill(terminal.pid, number)
    assert terminal.end() == 130
    assert "[interrupted]" in terminal.screen
    assert computer.taskrc.read_text(encoding="utf-8") == TASKRC
    assert not list(computer.home.glob(".taskrc.*"))
    child_id = int(child.read_text(encoding="utf-8"))
    wait_until(lambda: has_ended(child_id), 10, "the child of `task` is gone")


def test_an_interrupt_during_the_first_sync_removes_a_new_taskrc(server, new_computer):
    """If this fails, an interrupted setup leaves a taskrc where there was none."""
    computer = new_computer(fake_task="hangs-in-sync")
    terminal = computer.terminal("setup", "--first-computer", "--server-url", server.url)
    child = computer.home / "child"
    wait_until(lambda: child.exists() and child.read_text(encoding="utf-8").strip(), 30, "the sync runs")
    terminal.interrupt()
    assert terminal.end() == 130
    assert not computer.taskrc.exists()


def test_an_interrupt_after_the_first_sync_keeps_the_settings(server, first):
    """If this fails, going back tears a replica from the history that it already belongs to, which would lose tasks."""
    first.add("Buy milk")
    first.write_taskrc(TASKRC)
    # The real sync runs to its end, and then `task` does not come back.
    first.wrap_task(
        'case "$*" in *" sync") "$(dirname "$0")/real-task" "$@"; echo done > "$HOME/synced"; exec sleep 600;; esac'
    )
    first.copy_task("real-task")
    terminal = first.terminal("setup", "--first-computer", "--server-url", server.url)
    wait_until(lambda: (first.home / "synced").exists(), 30, "the sync is through")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "[interrupted-while-syncing]" in terminal.screen
    first.unwrap_task("real-task")
    assert first.json("doctor")["exit_code"] == 0


def test_an_interrupt_after_a_move_loses_nothing(start_server, first, second):
    """If this fails, Ctrl-C between a join and the first sync leaves a computer between two histories."""
    old, new = start_server(), start_server()
    first.add("Buy milk", "Call Ada")
    assert first.json("setup", "--first-computer", "--server-url", old.url)["result"] == "done"
    tasks = first.exported()
    first.wrap_task('case "$*" in *" sync") echo now > "$HOME/syncing"; exec sleep 600;; esac')
    first.copy_task("real-task")
    terminal = first.terminal("setup", "--first-computer", "--server-url", new.url, "--replace", "--merge")
    wait_until(lambda: (first.home / "syncing").exists(), 30, "the sync runs")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "[interrupted-while-syncing]" in terminal.screen
    first.unwrap_task("real-task")
    assert first.exported() == tasks
    assert f"sync.server.url={new.url}\n" in first.taskrc.read_text(encoding="utf-8")
    done = first.json("doctor", "--first-computer", "--sync")
    assert done["exit_code"] == 0, done
    assert second.json("setup", "--pairing-code-file", "-", given=first.pair())["result"] == "done"
    assert second.exported() == tasks


def has_ended(process_id):
    try:
        with open(f"/proc/{process_id}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
