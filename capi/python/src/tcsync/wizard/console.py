"""The output of the commands: rich on a terminal, and plain text without one or with NO_COLOR."""

from __future__ import annotations

import os
import sys
from textwrap import TextWrapper
from typing import IO

from rich.console import Console as RichConsole

from .findings import Finding

_INDENT = "  "


class Console:
    """Lines for a person. On a terminal sentences are wrapped between words; nothing is interpreted."""

    def __init__(self, stream: IO[str] | None = None, *, quiet: bool = False) -> None:
        stream = stream or sys.stdout
        self.is_terminal = stream.isatty()
        self._has_progress = False
        plain = not self.is_terminal or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._rich = RichConsole(
            file=stream, color_system=None if plain else "auto", highlight=False, quiet=quiet, legacy_windows=False
        )

    def heading(self, text: str) -> None:
        self._rich.print(text, style="bold", markup=False, soft_wrap=True)

    def line(self, text: str = "") -> None:
        """One or more sentences, indented like all of the conversation; each "\n" in them begins a paragraph."""
        for paragraph in text.split("\n"):
            words = paragraph.lstrip()
            self._paragraph(words, indent=_INDENT + " " * (len(paragraph) - len(words)))

    def exact(self, text: str) -> None:
        """One line that a person copies, such as a pairing code: never wrapped, however narrow the terminal is."""
        self._rich.print(f"{_INDENT}{text}", markup=False, soft_wrap=True)

    def done(self, text: str) -> None:
        self._marked("ok", text, "green")

    def note(self, text: str) -> None:
        self._marked("note", text, "yellow")

    def finding(self, finding: Finding, *, link: str = "") -> None:
        """The fault, the remedy, and the name of its entry in docs/troubleshooting.md. `link` names the check that
        found it."""
        where = f"{link}: " if link else ""
        self._marked("!!", f"{where}{finding.text} [{finding.problem.identifier}]", "red")
        self._paragraph(f"Try: {finding.remedy}", indent=_INDENT + "   ", hang=5)

    def progress(self, text: str) -> None:
        """A line at a terminal that the next one replaces; nothing elsewhere."""
        if not self.is_terminal or self._rich.quiet:
            return
        self._rich.file.write(f"\r{_INDENT}{text}\x1b[K")
        self._rich.file.flush()
        self._has_progress = True

    def end_progress(self) -> None:
        """Clears that line."""
        if self._has_progress:
            self._rich.file.write("\r\x1b[K")
            self._rich.file.flush()
        self._has_progress = False

    def raw(self, text: str) -> None:
        """Text that must not be changed, such as a QR code."""
        self._rich.print(text, end="", markup=False, soft_wrap=True)

    def _marked(self, mark: str, text: str, style: str) -> None:
        self._paragraph(f"{mark}: {text}", indent=_INDENT, hang=len(mark) + 2, style=style)

    def _paragraph(self, text: str, *, indent: str, hang: int = 0, style: str = "") -> None:
        rows = [f"{indent}{text}".rstrip()]
        if self.is_terminal and text:
            # A word wider than the terminal stays whole, such as a path.
            rows = TextWrapper(
                self._rich.width,
                initial_indent=indent,
                subsequent_indent=indent + " " * hang,
                break_long_words=False,
                break_on_hyphens=False,
            ).wrap(text)
        for row in rows:
            self._rich.print(row, style=style, markup=False, soft_wrap=True)
