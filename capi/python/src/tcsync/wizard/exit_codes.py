"""The exit status of every command, in one table; docs/multi-computer-setup.md has it as markdown_table() writes it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The basis of a script's decisions. The values never change their meaning."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    UNVERIFIED = 3
    TASKWARRIOR = 4
    SERVER = 5
    CREDENTIALS = 6
    TASKRC = 7
    REFUSED = 8
    NOT_CONFIGURED = 9
    #: Not 0, because the computer is not set up, and a script that goes on with `task sync` must know. Not REFUSED
    #: either: a person's no is neither a danger nor an error.
    DECLINED = 10
    TO_SYNC = 11
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done, or nothing to do: also after “Skip for now”, and when existing settings were kept",
    ExitCode.CHECK_FAILED: "`tcsync doctor`: a check failed. Any command: an error that no other status names",
    ExitCode.USAGE: "flags that do not go together, or an answer is missing where none may be asked for",
    ExitCode.UNVERIFIED: "saved as *unverified*: the settings are in the taskrc, and nothing was synced yet",
    ExitCode.TASKWARRIOR: "Taskwarrior is missing or too old, hangs or fails, or its `task sync` failed",
    ExitCode.SERVER: "the server cannot be reached, refuses, or is no sync server",
    ExitCode.CREDENTIALS: "the credentials do not fit: wrong secret, empty history, client ID not allowed",
    ExitCode.TASKRC: "the taskrc cannot be read or changed",
    ExitCode.REFUSED: "tasks or a file could be lost if the command went on, or there is no safe way to go on",
    ExitCode.NOT_CONFIGURED: "this computer has no complete sync settings, and the command needs them",
    ExitCode.DECLINED: "stopped because a person, or --no-merge, said no to a question; nothing was changed",
    ExitCode.TO_SYNC: "`tcsync status --exit-code`: this computer or the server has changes that the other lacks",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C; the previous state is restored (`add`, `off`: see the message)",
}


def markdown_table() -> str:
    """The table for the documentation."""
    rows = [f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(["| status | meaning |", "| --- | --- |", *rows])
