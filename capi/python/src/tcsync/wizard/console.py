"""The output of the commands: rich on a terminal, and plain text without one or with NO_COLOR."""

from __future__ import annotations

import codecs
import os
import sys
from textwrap import TextWrapper
from typing import IO

from rich.console import Console as RichConsole

from tcsync.qr_code import draw_qr, qr_modules, row_pairs

from .findings import Finding

_INDENT = "  "

# The light space around a QR code, in modules: the standard's on a terminal, and less where lines are short of room.
_QUIET_ZONE, _DARK_QUIET_ZONE = 4, 2
# Black on white, from the part of the palette that no colour scheme of a terminal changes.
_BLACK_ON_WHITE, _BLACK, _WHITE, _NO_COLOURS = "\x1b[38;5;16;48;5;231m", "\x1b[48;5;16m", "\x1b[48;5;231m", "\x1b[0m"
_DARK_HALVES = {
    (False, False): " ",
    (True, False): "\N{UPPER HALF BLOCK}",
    (False, True): "\N{LOWER HALF BLOCK}",
    (True, True): "\N{FULL BLOCK}",
}

# Characters that the texts use, for terminals and files whose encoding has none of them.
_PLAIN = {
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{NO-BREAK SPACE}": " ",
}


def _plain_characters(error: UnicodeError) -> tuple[str, int]:
    """Replaces characters that an encoding does not have: by plain punctuation, else by an escape, so that two
    different paths do not look the same."""
    assert isinstance(error, UnicodeEncodeError)
    shown = []
    for character in error.object[error.start : error.end]:
        if character in _PLAIN:
            shown.append(_PLAIN[character])
        elif 0xDC80 <= ord(character) <= 0xDCFF:  # A byte of a file's name that is no text.
            shown.append(f"\\x{ord(character) - 0xDC00:02x}")
        else:
            shown.append(character.encode("ascii", "backslashreplace").decode("ascii"))
    return "".join(shown), error.end


codecs.register_error("tcsync.plain", _plain_characters)


def encodable(text: str, stream: IO[str]) -> str:
    """The text with plain characters in place of those that the stream's encoding does not have."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "tcsync.plain").decode(encoding)


class Console:
    """Lines for a person. On a terminal sentences are wrapped between words; nothing is interpreted."""

    def __init__(self, stream: IO[str] | None = None, *, quiet: bool = False) -> None:
        stream = stream or sys.stdout
        self._stream = stream
        self.is_terminal = stream.isatty()
        self._has_progress = False
        plain = not self.is_terminal or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._rich = RichConsole(
            file=stream,
            color_system=None if plain else "auto",
            highlight=False,
            emoji=False,
            quiet=quiet,
            legacy_windows=False,
        )

    def heading(self, text: str) -> None:
        self._print(text, style="bold")

    def line(self, text: str = "") -> None:
        """One or more sentences, indented like all of the conversation; each "\n" in them begins a paragraph."""
        for paragraph in text.split("\n"):
            words = paragraph.lstrip()
            self._paragraph(words, indent=_INDENT + " " * (len(paragraph) - len(words)))

    def exact(self, text: str) -> None:
        """One line that a person copies, such as a pairing code: never wrapped, however narrow the terminal is."""
        self._print(f"{_INDENT}{text}")

    def field(self, name: str, value: object, *, indent: str = "") -> None:
        """Such a line with a name before the value, in columns."""
        self.exact(f"{indent}{name + ':':<14}{value}")

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
        self._stream.write(encodable(f"\r{_INDENT}{text}\x1b[K", self._stream))
        self._stream.flush()
        self._has_progress = True

    def end_progress(self) -> None:
        """Clears that line."""
        if self._has_progress:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
        self._has_progress = False

    def qr(self, text: str) -> None:
        """A text as a QR code: black on white at a terminal, whatever its colours are. With NO_COLOR, too: on a
        light terminal it would be inverted, which many programs cannot read. Elsewhere it is light on dark."""
        plain = not self.is_terminal or os.environ.get("TERM") == "dumb"
        blocks_exist = encodable("\N{FULL BLOCK}", self._stream) == "\N{FULL BLOCK}"
        if plain and blocks_exist:
            drawn = draw_qr(qr_modules(text, border=_DARK_QUIET_ZONE))
        elif blocks_exist:
            drawn = _coloured_halves(qr_modules(text, border=_QUIET_ZONE))
        else:
            drawn = _wide_modules(qr_modules(text, border=_QUIET_ZONE), coloured=not plain)
        if not self._rich.quiet:
            self._stream.write(drawn)
            self._stream.flush()

    def value(self, text: str) -> None:
        """The only output of a command, such as a pairing code: without an indent, for scripts as well."""
        self._print(text)

    def _marked(self, mark: str, text: str, style: str) -> None:
        self._paragraph(f"{mark}: {text}", indent=_INDENT, hang=len(mark) + 2, style=style)

    def _paragraph(self, text: str, *, indent: str, hang: int = 0, style: str = "") -> None:
        text = encodable(text, self._stream)
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
            self._print(row, style=style)

    def _print(self, text: str, *, style: str = "") -> None:
        self._rich.print(encodable(text, self._stream), style=style, markup=False, soft_wrap=True)


def _coloured_halves(rows: list[list[bool]]) -> str:
    """Two rows of modules in one line of half blocks."""
    if len(rows) % 2:
        rows = [*rows, [False] * len(rows[0])]
    lines = ("".join(_DARK_HALVES[pair] for pair in zip(*both, strict=True)) for both in row_pairs(rows))
    return "".join(f"{_BLACK_ON_WHITE}{line}{_NO_COLOURS}\n" for line in lines)


def _wide_modules(rows: list[list[bool]], *, coloured: bool) -> str:
    """One row of modules in one line, each of two characters of ASCII."""
    dark, light = (f"{_BLACK}  ", f"{_WHITE}  ") if coloured else ("  ", "##")
    end = _NO_COLOURS if coloured else ""
    return "".join("".join(dark if module else light for module in row) + end + "\n" for row in rows)
