"""The Tab key in each shell, with the script that `tcsync completion` prints."""

import os
import shutil

import pexpect
import pytest
from computers import plain_text

from tcsync.wizard.cli import main

TIMEOUT_S = 60
# A shell that reads nothing of the system's, and the line that people add to its configuration.
SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$(tcsync completion bash)"'),
    "zsh": (["-f", "-i"], 'autoload -Uz compinit; compinit -u -D; eval "$(tcsync completion zsh)"'),
    "fish": (["--no-config", "--interactive"], "tcsync completion fish | source"),
}
LINES = {
    "a command": ("tcsync comp\t", "tcsync completion"),
    "a flag": ("tcsync status --exit\t", "tcsync status --exit-code"),
    "a value": ("tcsync setup --server self\t", "tcsync setup --server self-hosted"),
}


@pytest.fixture
def shell(request, new_computer):
    """An interactive shell of that name, with the script read and a plain prompt."""
    name = request.param
    program = shutil.which(name)
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {name}", pytrace=False)
        pytest.skip(f"no {name}")
    computer = new_computer(has_task=False)
    command = " ".join(computer.program)
    (computer.home / "bin").mkdir()
    script = computer.home / "bin" / "tcsync"
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    arguments, line = SHELLS[name]
    process = pexpect.spawn(
        program,
        arguments,
        env={**computer.environment, "PATH": f"{script.parent}:/usr/bin:/bin", "PS1": "$ ", "TERM": "dumb"},
        encoding="utf-8",
        timeout=TIMEOUT_S,
        dimensions=(50, 160),
    )
    process.sendline(f"{line}; echo is'-'ready")
    process.expect_exact("is-ready")
    yield process
    process.close(force=True)


@pytest.mark.parametrize("shell", SHELLS, indirect=True)
def test_tab_completes_commands_flags_and_values(shell):
    """If this fails, the Tab key does nothing after the line that the documentation tells people to add."""
    for typed, completed in LINES.values():
        shell.send(typed)
        shell.expect_exact(completed)
        shell.send("\x15")  # Clears the line.


def test_every_command_has_its_place_in_the_help():
    """If this fails, a new command is not found where people look for it: name it in command_group.py."""
    assert "Other commands" not in main.sections()


def test_no_help_is_cut(first):
    """If this fails, the list of commands ends its sentences with three dots."""
    shown = plain_text(first.tcsync("--help").stdout)
    assert "..." not in shown.partition("Set up a computer")[2]
