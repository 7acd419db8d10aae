"""The documentation shows real conversations and explains every message. If one of these fails, a page is wrong."""

import os
import re
from pathlib import Path
from string import Formatter

import pytest
import transcripts
from servers import tls_front
from support import REPOSITORY

from tcsync import RemoteError, RemoteFault, UnsealError, UnsealFault
from tcsync.wizard.diagnosis import finding_for
from tcsync.wizard.exit_codes import MEANINGS, ExitCode, markdown_table
from tcsync.wizard.findings import Problem

DOCS = REPOSITORY / "docs"
TROUBLESHOOTING = DOCS / "troubleshooting.md"
PAGES = ("multi-computer-setup.md", "tester-guide.md")
SOURCE = REPOSITORY / "capi" / "python" / "src" / "tcsync" / "wizard"
TESTS = Path(__file__).resolve().parent
WRITE = os.environ.get("TCSYNC_WRITE_DOCS") == "1"


def shown(template):
    """A message with the names of its values in place of them, as the documentation has it."""
    parts = Formatter().parse(template)
    return "".join(text + (f"*{name.upper()}*" if name else "") for text, name, _, _ in parts)


def said(message):
    """The first and the last paragraph of an entry; the cause is between them."""
    return f"> {shown(message.text)}", f"**Remedy:** {shown(message.remedy)}"


def write_entries():
    """Copies reworded messages into their entries, and leaves the causes as they are."""
    page = TROUBLESHOOTING.read_text(encoding="utf-8")
    for problem in Problem:
        text, remedy = said(problem)
        entry = re.compile(rf"(### {problem.identifier}\n\n)>.*?(\n\n.*?\n\n)\*\*Remedy:.*?(?=\n)", re.DOTALL)
        page = entry.sub(lambda found, text=text, remedy=remedy: f"{found[1]}{text}{found[2]}{remedy}", page, count=1)
    TROUBLESHOOTING.write_text(page, encoding="utf-8")


def entries():
    """The entries of the troubleshooting page: name -> text."""
    page = TROUBLESHOOTING.read_text(encoding="utf-8")
    parts = re.split(r"^### (\S+)\n", page, flags=re.MULTILINE)
    assert len(set(parts[1::2])) == len(parts[1::2]), "an entry is there twice"
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_message_has_an_entry():
    """If this fails, a message was added or renamed: write its entry, with its cause."""
    if WRITE:
        write_entries()
    assert entries().keys() == {problem.identifier for problem in Problem}


@pytest.mark.parametrize("problem", Problem, ids=lambda problem: problem.identifier)
def test_entries_quote_the_messages_exactly(problem):
    """If this fails, a message was reworded: TCSYNC_WRITE_DOCS=1 copies it; look whether the cause still fits."""
    entry = entries()[problem.identifier].partition("\n## ")[0]
    text, cause, remedy = [part.strip() for part in entry.strip().split("\n\n")]
    assert (text, remedy) == said(problem)
    assert len(cause) > 20 and not cause.startswith("**")


def test_every_message_is_used():
    """If this fails, the page explains a message that no program shows any more."""
    code = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py") if path.name != "findings.py")
    assert [problem for problem in Problem if not problem.fault and f"Problem.{problem.name}" not in code] == []


def test_every_message_is_tested():
    """If this fails, a message may never come when it should: add a test that causes it and expects it by its name.
    (Only the name in a test can be checked here.)"""
    tests = "".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    names = [problem.identifier for problem in Problem]
    assert [name for name in names if f'"{name}"' not in tests and f"[{name}]" not in tests] == []


@pytest.mark.parametrize("fault", [*RemoteFault, *UnsealFault], ids=lambda fault: fault.name)
def test_every_fault_of_the_library_has_one_name(fault):
    """If this fails, a new fault ends in a KeyError, or a maintainer has to know several names for it."""
    error = (RemoteError if isinstance(fault, RemoteFault) else UnsealError)("words", code=fault.value)
    problem = finding_for(error).problem
    assert problem.fault is fault
    assert error.name == f"TCSYNC_{problem.name}"


def test_unknown_faults_of_a_newer_library_are_reported():
    """If this fails, a newer library ends the wizard with a traceback."""
    detail = 99 << 8
    remote = finding_for(RemoteError("words", code=RemoteFault.FAILED.value | detail))
    unseal = finding_for(UnsealError("words", code=UnsealFault.FAILED.value | detail))
    assert [remote.as_json()["id"], unseal.as_json()["id"]] == ["remote-failed", "unseal-failed"]


def test_the_exit_codes_are_documented():
    """If this fails, scripts decide by a status that means something else."""
    assert MEANINGS.keys() == set(ExitCode)
    assert markdown_table() in (DOCS / "multi-computer-setup.md").read_text(encoding="utf-8")


def test_transcripts_match_the_program(server, first, second, authority):
    """If this fails, a page shows an outdated conversation. TCSYNC_WRITE_DOCS=1 rewrites the pages."""
    first.trust(authority)
    second.trust(authority)
    with tls_front(server.url, authority.certificate()) as url:
        recorded = transcripts.record(first, second, url)
    used = set()
    for name in PAGES:
        page = Path(DOCS / name)
        before = page.read_text(encoding="utf-8")
        used |= {found[2] for found in transcripts.BLOCK.finditer(before)}
        after = transcripts.replace_blocks(before, recorded)
        if WRITE:
            page.write_text(after, encoding="utf-8")
        else:
            assert after == before
    assert used == recorded.keys(), "a transcript is recorded and not shown"
