"""Two commands at once on one computer: the second one is refused until the first has ended, however that ends."""

import os
import signal
from pathlib import Path

import pytest

# The commands that change a computer, or report on what another one may be changing.
COMMANDS = {
    "setup": ("setup", "--replace", "--first-computer", "--server-url", "{url}", "--yes"),
    "doctor": ("doctor", "--yes"),
    "rotate": ("rotate", "--yes"),
    "move": ("move", "--server-url", "{other}", "--yes"),
    "off": ("off", "--yes"),
}
PROMPTS = {
    "setup": ("setup", "--replace", "--second-computer"),
    "rotate": ("rotate",),
    "off": ("off",),
}


def arguments(command, server):
    return [part.format(url=server.url, other=f"http://localhost:{server.url.rpartition(':')[2]}") for part in command]


@pytest.mark.parametrize("waiting", PROMPTS)
def test_the_second_command_is_refused(server, paired, waiting):
    """If this fails, a person who runs two commands at once is told of faults that there are not."""
    before = paired.files()
    terminal = paired.terminal(*PROMPTS[waiting])
    terminal.wait_for("]: ")
    for name, command in COMMANDS.items():
        refused = paired.json(*arguments(command, server))
        assert refused["exit_code"] == 8, name
        assert [message["id"] for message in refused["messages"]] == ["computer-busy"], name
        assert str(paired.home / ".task") in refused["messages"][0]["text"]
    assert paired.tcsync("status").returncode == 0
    terminal.interrupt()
    assert terminal.end() == 130
    assert paired.files() == before
    assert paired.tcsync("doctor", "--yes").returncode == 0


def test_a_killed_command_is_no_hindrance(server, paired):
    """If this fails, a command that was killed locks the computer."""
    terminal = paired.terminal("rotate")
    terminal.wait_for("]: ")
    os.kill(terminal.pid, signal.SIGKILL)
    with pytest.raises(AssertionError, match="signal"):
        terminal.end()
    done = paired.tcsync("rotate", "--yes")
    assert done.returncode == 0, done.stderr


def test_two_setups_of_a_new_computer(server, paired, second):
    """If this fails, two setups of a computer without any data are at work at once."""
    terminal = second.terminal("setup", "--second-computer")
    terminal.wait_for("]: ")
    refused = second.json("setup", "--first-computer", "--server-url", server.url)
    assert [message["id"] for message in refused["messages"]] == ["computer-busy"]
    terminal.interrupt()
    assert terminal.end() == 130
    assert second.files() == {}


def test_commands_of_two_people_do_not_meet(server, paired, second):
    """If this fails, one profile's command keeps another one's from running."""
    terminal = paired.terminal("rotate")
    terminal.wait_for("]: ")
    code = Path(second.home / "code")
    code.write_text(paired.pair(), encoding="utf-8")
    second.add("Water plants")
    done = second.tcsync("setup", "--second-computer", "--pairing-code-file", str(code), "--yes")
    assert done.returncode == 0, done.stdout
    terminal.interrupt()
    assert terminal.end() == 130
