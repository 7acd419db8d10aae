"""The manual pages in docs/man: they say what --help says, and show well."""

import os
import re
import shutil
import sys

import click
import pytest
import server as server_module
from support import REPOSITORY, run_bounded

sys.path.insert(0, str(REPOSITORY / "capi" / "python"))

import manual_pages
import manual_texts

from tcsync.wizard.cli import main

PAGES = REPOSITORY / "docs" / "man"
WRITE = os.environ.get("TCSYNC_WRITE_DOCS") == "1"
TIMEOUT_S = 60
CONTEXT = click.Context(main)


@pytest.fixture
def server_help(server_binary):
    return manual_pages.server_help(str(server_module.BINARY))


def test_the_pages_say_what_help_says(server_help):
    """If this fails, a flag or a command was changed: TCSYNC_WRITE_DOCS=1 writes the pages, which are committed."""
    pages = manual_pages.all_pages(server_help)
    if WRITE:
        for name, page in pages.items():
            (PAGES / name).write_text(page, encoding="utf-8")
    assert {path.name: path.read_text(encoding="utf-8") for path in PAGES.iterdir()} == pages


@pytest.mark.parametrize("section", ["NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"])
def test_every_page_has_its_sections(section):
    """If this fails, a page lacks a part that readers look for by its name."""
    assert [path.name for path in PAGES.iterdir() if f".SH {section}\n" not in path.read_text(encoding="utf-8")] == []


CHECKERS = {
    "mandoc": ["mandoc", "-T", "lint", "-W", "warning"],
    "groff": ["groff", "-man", "-T", "utf8", "-ww", "-z"],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_pages_are_correct(checker):
    """If this fails, `man` of some system shows a page wrongly."""
    if shutil.which(checker) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {checker}", pytrace=False)
        pytest.skip(f"no {checker}")
    done = run_bounded([*CHECKERS[checker], *map(str, sorted(PAGES.iterdir()))], timeout_s=TIMEOUT_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_examples_fit_the_commands(server_help):
    """If this fails, a page shows a flag or a command that does not exist."""
    wrong = []
    for name, page in manual_texts.PAGES.items():
        lines = [line for _, commands in page.examples for line in commands if "tcsync " in line]
        assert lines, f"{name} has no example"
        for line in lines:
            for run in re.findall(r"\btcsync ([^|>)]*)", line):  # A line may have several.
                command, *words = run.split()
                known = {flag for option in main.commands[command].get_params(CONTEXT) for flag in option.opts}
                wrong += [(line, word) for word in words if word.startswith("--") and word not in {*known, "--"}]
    for _, commands in manual_texts.SERVER_EXAMPLES:
        flags = [word for line in commands for word in line.split() if word.startswith("--")]
        wrong += [(commands, flag) for flag in flags if f"{flag} " not in server_help]
    assert wrong == []


def test_a_command_without_its_texts_is_noticed(monkeypatch, server_help):
    """If this fails, a new command has no page."""
    monkeypatch.setitem(main.commands, "new", click.Command("new"))
    with pytest.raises(LookupError, match="the command new"):
        manual_pages.all_pages(server_help)
