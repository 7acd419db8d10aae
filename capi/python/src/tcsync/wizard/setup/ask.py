"""Asks a person at the terminal, or answers by itself when no person is to be asked.

Each question takes one line. Lines that come at once are a paste: none of them answers a question, and those that are
there before a question is shown are dropped. So a paste in the wrong place can agree to nothing unseen. Only a pairing
code and the like may have several lines.
"""

from __future__ import annotations

import contextlib
import select
import sys
from collections.abc import Callable, Sequence
from enum import Enum, auto

import click

from ..console import encodable
from ..findings import Problem
from ..pasted import clean_text

try:
    import termios
except ImportError:  # Not a system with terminals of this kind.
    termios = None  # type: ignore[assignment]

_INDENT = "  "
#: A terminal sends the lines of a paste faster than this, also over a slow connection; nobody types so fast.
_PASTE_GAP_S = 0.05
#: More lines than people paste. A terminal that never falls silent is left alone after them.
_DROPPED_LINES_MAX = 10_000
_PASTED_CHARACTERS_MAX = 16_384

_SEVERAL_LINES = "Several lines came at once, so none of them was taken for an answer. Enter one line."
_DROPPED = "Lines that were typed or pasted before this question was asked were dropped."
_NOT_TEXT = "That is not text that this terminal's encoding has. Enter it again."


class AskMode(Enum):
    #: At a terminal.
    ASK = auto()
    #: --yes: the default of every question.
    DEFAULTS = auto()
    #: No terminal, or --json: a missing flag is an error.
    FLAGS_ONLY = auto()


def choose_mode(*, yes: bool, json: bool) -> AskMode:
    if yes:
        return AskMode.DEFAULTS
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return AskMode.ASK if at_terminal and not json else AskMode.FLAGS_ONLY


class Asker:
    """One question at a time. Ctrl-C and the end of input at a question are KeyboardInterrupt."""

    def __init__(self, mode: AskMode) -> None:
        self.mode = mode

    @property
    def is_interactive(self) -> bool:
        return self.mode is AskMode.ASK

    def confirm(self, question: str, *, default: bool | None, flag: str) -> bool:
        """Yes or no. With --yes the answer is the default, and a question with a dangerous yes has the default no. A
        question without a default is asked until it is answered; --yes does not answer it."""
        if self.mode is AskMode.DEFAULTS and default is not None:
            return default
        while True:
            answer = self.confirm_or_enter(question, default=default, flag=flag)
            answer = default if answer is None else answer
            if answer is not None:
                return answer

    def confirm_or_enter(self, question: str, *, default: bool | None, flag: str) -> bool | None:
        """Yes or no from a person, or None for an Enter without an answer; --yes does not answer it."""
        self._require_terminal(question, flag)
        choices = {True: "Y/n", False: "y/N", None: "y/n"}[default]
        while True:
            answer = self._prompt(f"{question} [{choices}]", default="").strip().lower()
            if self._came_alone():
                if answer in ("", "y", "yes", "n", "no"):
                    return answer.startswith("y") if answer else None
                _say("Enter y or n.")

    def choose(self, question: str, count: int, *, default: int = 1, flag: str) -> int:
        """A number from 1 to `count`."""
        if self.mode is AskMode.DEFAULTS:
            return default
        self._require_terminal(question, flag)
        while True:
            answer = self._prompt(question, default=str(default)).strip()
            if self._came_alone():
                if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= count:
                    return int(answer)
                _say(f"Enter a number from 1 to {count}.")

    def text(self, question: str, *, flag: str, default: str | None = None, hidden: bool = False) -> str:
        """A line of text; empty only when `default` is. Empty lines after it, which come with a paste, do not count."""
        self._require_terminal(question, flag)
        while True:
            answer = self._prompt(question, default=default, hidden=hidden)
            if hidden or not "".join(self._rest_of_paste()).strip():
                return answer
            _say(_SEVERAL_LINES)

    def pasted(self, question: str, *, flag: str, missing: Callable[[str], str | None]) -> str:
        """Text of any number of lines, as people paste it; empty after an Enter alone. `missing` names the part that a
        text lacks. The rest is asked for until nothing is missing or the person gives up with an Enter."""
        self._require_terminal(question, flag)
        lines = [self._prompt(question, default=""), *self._rest_of_paste()]
        while (part := missing("\n".join(lines))) and sum(map(len, lines)) < _PASTED_CHARACTERS_MAX:
            more = self._prompt(f"{part}; add the rest, then press Enter", default="", keeps_pending=True)
            rest = [more, *self._rest_of_paste()]
            if not "".join(rest).strip():
                break
            lines += rest
        return "\n".join(lines)

    def _prompt(self, question: str, *, default: str | None, hidden: bool = False, keeps_pending: bool = False) -> str:
        if not keeps_pending and not self._drop_pending():
            _say(_DROPPED)
        while True:
            try:
                answer: str = click.prompt(
                    encodable(f"{_INDENT}{question}", sys.stdout),
                    default=default,
                    hide_input=hidden,
                    show_default=bool(default),
                )
            except click.Abort:
                raise KeyboardInterrupt from None
            except UnicodeError:
                _say(_NOT_TEXT)
                continue
            return clean_text(answer)

    def _came_alone(self) -> bool:
        """Whether an answer was one line, and not the first one of a paste, which is then dropped."""
        alone = self._drop_pending()
        if not alone:
            _say(_SEVERAL_LINES)
        return alone

    def _drop_pending(self) -> bool:
        """Drops what the terminal has that was not read. Whether there were no whole lines."""
        lines = 0
        while lines < _DROPPED_LINES_MAX and _line_is_pending():
            lines += 1
            _flush()
        _flush()
        return lines == 0

    def _rest_of_paste(self) -> list[str]:
        """The lines that came at once with the one that was read."""
        lines: list[str] = []
        while len(lines) < _DROPPED_LINES_MAX and _line_is_pending():
            try:
                lines.append(clean_text(input()))
            except EOFError:
                raise KeyboardInterrupt from None
            except UnicodeError:
                lines.append("\N{REPLACEMENT CHARACTER}")
        return lines

    def _require_terminal(self, question: str, flag: str) -> None:
        if self.mode is not AskMode.ASK:
            raise Problem.ANSWER_NEEDED.stop(question=question, flag=flag)


def numbered(options: Sequence[str]) -> list[str]:
    """Options as lines to choose from."""
    return [f"  {number}. {option}" for number, option in enumerate(options, 1)]


def _say(text: str) -> None:
    click.echo(f"{_INDENT}{text}")


def _line_is_pending() -> bool:
    """Whether the terminal has a whole line that was not read yet, or gets one at once."""
    try:
        return bool(select.select([sys.stdin], [], [], _PASTE_GAP_S)[0])
    except (OSError, ValueError):  # No descriptor, as in a host program's own console.
        return False


def _flush() -> None:
    """Drops the terminal's unread input, and the beginning of a line, too."""
    if termios is not None:
        with contextlib.suppress(OSError, ValueError, termios.error):
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
