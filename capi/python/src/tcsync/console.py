"""What the commands print with: rich on a terminal, and plain text where there is none or where NO_COLOR is set."""

from __future__ import annotations

import os
import sys
from typing import IO

from rich.console import Console as RichConsole

from .messages import Finding

_INDENT = "  "


class Console:
    """Lines for a person. Nothing is wrapped or interpreted, so that what is pasted from the screen is whole."""

    def __init__(self, stream: IO[str] | None = None, *, quiet: bool = False) -> None:
        stream = stream or sys.stdout
        self.is_terminal = stream.isatty()
        plain = not self.is_terminal or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._rich = RichConsole(
            file=stream, color_system=None if plain else "auto", highlight=False, quiet=quiet, legacy_windows=False
        )

    def heading(self, text: str) -> None:
        self._rich.print(text, style="bold", markup=False, soft_wrap=True)

    def line(self, text: str = "", *, style: str = "") -> None:
        """One line or several, each indented like all of the conversation."""
        for part in text.split("\n"):
            self._rich.print(f"{_INDENT}{part}".rstrip(), style=style, markup=False, soft_wrap=True)

    def done(self, text: str) -> None:
        self._marked("ok", text, "green")

    def note(self, text: str) -> None:
        self._marked("note", text, "yellow")

    def finding(self, finding: Finding, *, link: str = "") -> None:
        """What is wrong, what to try, and the name under which docs/troubleshooting.md explains it. `link` names the
        check that found it."""
        where = f"{link}: " if link else ""
        self._marked("!!", f"{where}{finding.text} [{finding.identifier}]", "red")
        self.line(f"   Try: {finding.remedy}")

    def raw(self, text: str) -> None:
        """Text that has to stand as it is, such as a QR code."""
        self._rich.print(text, end="", markup=False, soft_wrap=True)

    def _marked(self, mark: str, text: str, style: str) -> None:
        self.line(f"{mark}: {text}", style=style)
