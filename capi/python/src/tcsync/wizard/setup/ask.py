"""Asks a person at the terminal, or answers by itself when no person is to be asked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum, auto

import click

from ..findings import Problem

_INDENT = "  "


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

    def confirm(self, question: str, *, default: bool, flag: str) -> bool:
        """Yes or no. With --yes the answer is the default, and a question with a dangerous yes has the default no."""
        if self.mode is AskMode.DEFAULTS:
            return default
        self._require_terminal(question, flag)
        try:
            return click.confirm(f"{_INDENT}{question}", default=default)
        except click.Abort:
            raise KeyboardInterrupt from None

    def choose(self, question: str, count: int, *, default: int = 1, flag: str) -> int:
        """A number from 1 to `count`."""
        if self.mode is AskMode.DEFAULTS:
            return default
        self._require_terminal(question, flag)
        while True:
            answer = self._prompt(question, default=str(default)).strip()
            if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= count:
                return int(answer)
            click.echo(f"{_INDENT}Enter a number from 1 to {count}.")

    def text(self, question: str, *, flag: str, default: str | None = None, hidden: bool = False) -> str:
        """A line of text; empty only when `default` is."""
        self._require_terminal(question, flag)
        return self._prompt(question, default=default, hidden=hidden)

    def _prompt(self, question: str, *, default: str | None, hidden: bool = False) -> str:
        try:
            answer: str = click.prompt(
                f"{_INDENT}{question}", default=default, hide_input=hidden, show_default=bool(default)
            )
        except click.Abort:
            raise KeyboardInterrupt from None
        return answer

    def _require_terminal(self, question: str, flag: str) -> None:
        if self.mode is not AskMode.ASK:
            raise Problem.ANSWER_NEEDED.stop(question=question, flag=flag)


def numbered(options: Sequence[str]) -> list[str]:
    """Options as lines to choose from."""
    return [f"  {number}. {option}" for number, option in enumerate(options, 1)]
