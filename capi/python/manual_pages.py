#!/usr/bin/env python3
"""Writes the manual pages: docs/man/tcsync.1, one page for each command of tcsync, and tcsync-server.8.

    manual_pages.py DIRECTORY SERVER      SERVER is the program tcsync-server, whose --help is read

Commands, flags and exit statuses come from the sources of --help. Files, variables and examples, which help does not
have, are in manual_texts.py. The pages are committed, so that neither a build nor an installation needs Python or
click, and a test compares them with this program's output.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from manual_texts import (
    ENVIRONMENT,
    FILES,
    MANUALS,
    PAGES,
    REVISED,
    SERVER_EXAMPLES,
    SERVER_FILES,
    SERVER_MANUALS,
    SERVER_SIGNALS,
    Example,
)

from tcsync import __version__
from tcsync.wizard.cli import main
from tcsync.wizard.command_group import SectionedGroup, first_sentence
from tcsync.wizard.exit_codes import MEANINGS, ExitCode

_SPECIAL = {"\\": "\\e", "-": "\\-", "“": "\\(lq", "”": "\\(rq", "…": "\\&..."}
_HELP_TIMEOUT_S = 60

Entry = tuple[str, str]  # a term, as roff, and its explanation, as text


def all_pages(server_help: str) -> dict[str, str]:
    """Every page, by the name of its file."""
    pages = {"tcsync.1": _program_page(), "tcsync-server.8": _server_page(server_help)}
    for name, command in main.commands.items():
        if name not in PAGES:
            raise LookupError(f"the command {name} has no entry in PAGES of manual_texts.py")
        pages[f"tcsync-{name}.1"] = _command_page(name, command)
    return pages


# Roff


def _escaped(text: str) -> str:
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    if not escaped.isascii():
        raise ValueError(f"a character in {text!r} has no form in roff here")
    return escaped


def _text(text: str) -> str:
    """Prose, in which `code` becomes bold and *words* become italic."""
    parts = re.split(r"(`[^`]+`|\*[^*\s][^*]*\*)", " ".join(text.split()))
    shown = [
        _bold(part[1:-1])
        if part[:1] == "`"
        else _italic(part[1:-1])
        if part[:1] == "*" and part[1:]
        else _escaped(part)
        for part in parts
    ]
    return _line("".join(shown))


def _line(text: str) -> str:
    """A line that begins with no request."""
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{_escaped(text)}\\fR"


def _title(name: str, section: int) -> list[str]:
    return [f'.TH {_escaped(name.upper())} {section} {REVISED} "tcsync {__version__}" "tcsync"']


def _section(heading: str, lines: Iterable[str]) -> list[str]:
    body = list(lines)
    return [f".SH {heading}", *body] if body else []


def _entries(entries: Iterable[Entry]) -> Iterator[str]:
    for term, explanation in entries:
        yield ".TP"
        yield _line(term)
        yield _text(explanation)


def _paragraphs(paragraphs: Iterable[str]) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        yield _text(paragraph)


def _verbatim(lines: Iterable[str]) -> Iterator[str]:
    yield ".nf"
    yield from (_line(_escaped(line)) for line in lines)
    yield ".fi"


def _examples(examples: Iterable[Example]) -> Iterator[str]:
    for purpose, commands in examples:
        yield ".PP"
        yield _text(purpose)
        yield ".RS 4"
        yield from _verbatim(commands)
        yield ".RE"


def _see_also(names: Iterable[str], manuals: str = MANUALS) -> list[str]:
    sections = {"task": 1, "tcsync-server": 8}
    shown = [f"{_bold(name)}({sections.get(name, 1)})" for name in names]
    return _section("SEE ALSO", [*(f"{name}," for name in shown[:-1]), *shown[-1:], ".PP", _text(manuals)])


def _page(*parts: Iterable[str]) -> str:
    lines = [line for part in parts for line in part]
    # A paragraph directly below a heading is none of its own.
    kept = [
        line for before, line in zip(["", *lines], lines, strict=False) if not (line == ".PP" and before[:3] == ".SH")
    ]
    return "\n".join(kept) + "\n"


# tcsync


def _program_page() -> str:
    if not isinstance(main, SectionedGroup):
        raise TypeError("the commands have no sections")
    commands: list[str] = []
    for heading, names in main.sections().items():
        commands.append(f".SS {_escaped(heading)}")
        commands += _entries((_bold(f"tcsync {name}"), first_sentence(main.commands[name])) for name in names)
    context = click.Context(main, info_name="tcsync")
    return _page(
        _title("tcsync", 1),
        _section("NAME", [f"tcsync \\- {_purpose(main)}"]),
        _section("SYNOPSIS", [f"{_bold('tcsync')} {_italic('COMMAND')} [{_italic('OPTION')}]...", ".br",
                              f"{_bold('tcsync')} {_bold('--help')} | {_bold('--version')}"]),
        _section("DESCRIPTION", _paragraphs(PAGES["tcsync"].description)),
        _section("COMMANDS", commands),
        _section("OPTIONS", _options(main, context)),
        _section("EXIT STATUS", _statuses(ExitCode)),
        _section("FILES", _entries((_bold(path), meaning) for path, meaning in FILES.values())),
        _section("ENVIRONMENT", _entries((_bold(name), meaning) for name, meaning in ENVIRONMENT.values())),
        _section("EXAMPLES", _examples(PAGES["tcsync"].examples)),
        _see_also([*(f"tcsync-{name}" for name in main.commands), "tcsync-server", "task"]),
    )  # fmt: skip


def _command_page(name: str, command: click.Command) -> str:
    words = PAGES[name]
    context = click.Context(command, info_name=f"tcsync {name}")
    arguments = [_argument(parameter) for parameter in command.params if isinstance(parameter, click.Argument)]
    synopsis = [" ".join([_bold(f"tcsync {name}"), f"[{_italic('OPTION')}]...", *arguments])]
    options = list(_options(command, context))
    commands: list[str] = []
    if isinstance(command, click.Group):
        synopsis = [_bold(f"tcsync {name} {part}") for part in command.commands]
        synopsis = [line for part in synopsis for line in (".br", f"{part} [{_italic('OPTION')}]...")][1:]
        for part, its_command in command.commands.items():
            commands += [".SS " + _escaped(f"tcsync {name} {part}"), *_help(its_command.help or "")]
            commands += _options(its_command, click.Context(its_command, info_name=part))
    return _page(
        _title(f"tcsync-{name}", 1),
        _section("NAME", [f"tcsync\\-{name} \\- {_purpose(command)}"]),
        _section("SYNOPSIS", synopsis),
        _section("DESCRIPTION", [*_help(command.help or ""), *_more(words.description)]),
        _section("COMMANDS", commands),
        _section("OPTIONS", options),
        _section("EXIT STATUS", _statuses(words.statuses)),
        _section("FILES", _entries((_bold(path), meaning) for path, meaning in map(FILES.__getitem__, words.files))),
        _section(
            "ENVIRONMENT",
            _entries((_bold(name), meaning) for name, meaning in map(ENVIRONMENT.__getitem__, words.environment)),
        ),
        _section("EXAMPLES", _examples(words.examples)),
        _see_also(["tcsync", *(f"tcsync-{other}" for other in words.see_also), "task"]),
    )


def _purpose(command: click.Command) -> str:
    """The first sentence as the page's subject."""
    sentence = first_sentence(command).removesuffix(".")
    return _escaped(sentence[0].lower() + sentence[1:])


def _help(text: str) -> Iterator[str]:
    """A command's help: paragraphs, and those that begin with \\b as they are."""
    for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            yield from _verbatim(paragraph.split("\n")[1:])
        else:
            yield _text(paragraph)


def _more(paragraphs: Iterable[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        yield ".PP"
        yield _text(paragraph)


def _statuses(statuses: Iterable[ExitCode]) -> Iterator[str]:
    for code in sorted(statuses):
        yield from _entries([(_bold(str(code.value)), f"{MEANINGS[code]}.")])


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and not parameter.hidden:
            yield from _entries([(_flags(parameter), _explanation(parameter))])


def _flags(option: click.Option) -> str:
    flags = ", ".join(_bold(flag) for flag in option.opts)
    if option.secondary_opts:
        flags += " / " + ", ".join(_bold(flag) for flag in option.secondary_opts)
    return flags if option.is_flag or option.count else f"{flags} {_value(option)}"


def _value(parameter: click.Parameter) -> str:
    if isinstance(parameter.type, click.Choice):
        return "|".join(_bold(str(choice)) for choice in parameter.type.choices)
    if isinstance(parameter.type, click.Path):
        return _italic("FILE")
    return _italic("N" if isinstance(parameter.type, (click.IntRange, click.FloatRange)) else "TEXT")


def _explanation(option: click.Option) -> str:
    default = f" The default is {option.default}." if option.show_default and not option.is_flag else ""
    return f"{option.help}{default}"


def _argument(argument: click.Argument) -> str:
    shown = _value(argument)
    return shown + ("..." if argument.nargs == -1 else "")


# tcsync-server


def _server_page(server_help: str) -> str:
    usage, rules, status, commands_introduction, commands, groups = _parse_server_help(server_help)
    synopsis = [line for name, _ in usage for line in (".br", _bold("tcsync-server") + _escaped(name))]
    modes = [(_bold("tcsync-server") + _escaped(name), text) for name, text in usage if text]
    options: list[str] = []
    for heading, entries in groups:
        options.append(f".SS {_escaped(heading)}")
        options += _entries((_bold(flags), text) for flags, text in entries)
    return _page(
        _title("tcsync-server", 8),
        _section("NAME", ["tcsync\\-server \\- a TaskChampion sync server, for Taskwarrior and others"]),
        _section("SYNOPSIS", synopsis[1:]),
        _section("DESCRIPTION", _entries(modes)),
        _section("COMMANDS", [_text(commands_introduction), *_entries((_bold(name), text) for name, text in commands)]),
        _section("OPTIONS", [_text(rules), *options]),
        _section("EXIT STATUS", [_text(status)]),
        _section("SIGNALS", _entries((_bold(name), text) for name, text in SERVER_SIGNALS)),
        _section("FILES", _entries((_bold(path), text) for path, text in SERVER_FILES)),
        _section("ENVIRONMENT", [_text("Every option has a variable, which is named with it above.")]),
        _section("EXAMPLES", _examples(SERVER_EXAMPLES)),
        _see_also(["tcsync"], SERVER_MANUALS),
    )


def _parse_server_help(text: str) -> tuple[list[Entry], str, str, str, list[Entry], list[tuple[str, list[Entry]]]]:
    """The parts of --help: usage, the rules of options, exit status, the introduction of commands, commands, options in
    groups. Each entry is a term with two spaces before it, and its explanation has eight."""
    blocks = text.strip().split("\n\n")
    usage = _parse_entries(blocks[1].split("\n")[1:])
    rules, found, status = " ".join(blocks[2].split()).partition(" Exit status: ")
    introduction, *commands = re.split(r"\n(?=  \S)", blocks[3], maxsplit=1)
    if not found or not commands:
        raise ValueError("the layout of tcsync-server --help has changed")
    groups = []
    for block in blocks[4:]:
        heading, *lines = block.split("\n")
        groups.append((heading.removesuffix(":"), _parse_entries(lines)))
    status = f"0 when all is well, {status}"
    shown = [(name.removeprefix("tcsync-server"), text) for name, text in usage]
    return shown, rules, status, introduction, _parse_entries(commands[0].split("\n")), groups


def _parse_entries(lines: Iterable[str]) -> list[Entry]:
    entries: list[Entry] = []
    for line in lines:
        if not line.startswith("        "):
            entries.append((line.strip(), ""))
            continue
        term, explanation = entries[-1]
        part = line.strip()
        if not explanation and part.startswith("[--"):
            entries[-1] = (f"{term} {part}", "")
        else:
            entries[-1] = (term, f"{explanation} {part}".strip())
    return entries


def server_help(server: str) -> str:
    return subprocess.run(
        [server, "--help"], check=True, capture_output=True, text=True, timeout=_HELP_TIMEOUT_S
    ).stdout


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for file_name, page in all_pages(server_help(sys.argv[2])).items():
        Path(sys.argv[1], file_name).write_text(page, encoding="utf-8")
