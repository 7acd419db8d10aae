"""The output where it cannot have every character, and QR codes on every kind of terminal."""

import json
import os
import subprocess

import pyte
import pytest
from computers import COLUMNS, TIMEOUT_S, python_command
from PIL import Image, ImageColor

from tcsync import decode_pairing_code
from tcsync.wizard.console import encodable

#: A taskrc whose name has a letter that ASCII lacks, one that Latin-1 lacks, and a byte that is no text.
ODD_NAME = "tâches-任务-\udcff.rc"

COMMANDS = {
    "setup": ("setup", "--replace", "--first-computer", "--dry-run"),
    "setup that keeps": ("setup", "--keep"),
    "setup --help": ("setup", "--help"),
    "setup that lacks an answer": ("setup", "--replace"),
    "doctor": ("doctor",),
    "doctor --json": ("doctor", "--json"),
    "show": ("show",),
    "show --json": ("show", "--json"),
    "pair --qr": ("pair", "--qr"),
    "add": ("add", "Müller “anrufen” …"),
    "add of words that cannot be": ("add", "…", "--due", "…"),
    "export": ("export", "--output", "…/no/such"),
    "export to a pipe": ("export",),
    "an unknown option": ("show", "--…"),
}
#: A file in UTF-8, and words of the option parser, which takes such a terminal for one that was set up wrongly.
WRITES_UTF_8 = ("export to a pipe", "an unknown option")
RUNS = [*(("ascii", name) for name in COMMANDS), ("latin-1", "setup that keeps"), ("utf-8", "setup that keeps")]


# Runs each command in one process, which is much quicker; argument 1 has the commands with their encodings.
RUN_ALL = """
import io, json, sys, traceback
from tcsync.wizard.cli import main
done = []
for encoding, arguments in json.loads(sys.argv[1]):
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    try:
        main(arguments)
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except Exception:
        status = traceback.format_exc()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    done.append((status, (sys.stdout.buffer.getvalue() + sys.stderr.buffer.getvalue()).hex()))
print(json.dumps(done), file=sys.__stdout__)
"""


def test_no_command_fails_for_its_encoding(server, first):
    """If this fails, a terminal that is not set to UTF-8 shows a traceback in place of an answer."""
    first.environment["TASKRC"] = str(first.home / ODD_NAME)
    done = first.tcsync("setup", "--first-computer", "--server-url", server.url, "--reveal", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stdout.isascii(), done.stderr
    assert 'answer yes to "existing credentials"' in done.stdout
    assert "t\\xe2ches-\\u4efb\\u52a1-\\xff.rc" in done.stdout
    commands = [
        (encoding, [*arguments, *(["--server-url", server.url] if arguments[0] == "setup" else [])])
        for encoding, arguments in ((encoding, COMMANDS[name]) for encoding, name in RUNS)
    ]
    first.program = [*python_command(), "-c", RUN_ALL]
    results = first.tcsync(json.dumps(commands))
    assert results.returncode == 0, results.stderr
    for (encoding, name), (status, output) in zip(RUNS, json.loads(results.stdout), strict=True):
        text = bytes.fromhex(output).decode("utf-8" if name in WRITES_UTF_8 else encoding)
        assert status in (0, 1, 2, 8), (encoding, name, status)
        assert text and "[unexpected]" not in text, (encoding, name, text)


def test_questions_appear_without_their_encoding(server, first):
    """If this fails, a person at an old terminal cannot answer the questions, or sees none."""
    first.environment["TASKRC"] = str(first.home / ODD_NAME)
    terminal = first.terminal("setup", "--server-url", server.url, PYTHONIOENCODING="ascii")
    terminal.answer("computer? [y/N]: ", "é")
    terminal.wait_for("That is not text that this terminal's encoding has.")
    terminal.answer("computer? [y/N]: ", "n")
    assert terminal.end() == 0
    assert terminal.screen.replace("é", "").isascii(), "more than the echo of the answer"


@pytest.mark.parametrize(
    ("text", "plain"),
    [("“a” …", '"a" ...'), ("é", "\\xe9"), ("任", "\\u4efb"), ("\udcff", "\\xff"), ("\N{EN DASH}", "-")],
)
def test_characters_have_plain_forms(tmp_path, text, plain):
    """If this fails, text turns into question marks, and a path cannot be told from another."""
    with open(tmp_path / "ascii", "w", encoding="ascii") as stream:
        assert encodable(text, stream) == plain


# The schemes' colours of the text and of the background.
SCHEMES = {"dark": ("#d0d0d0", "#101010"), "light": ("#303030", "#fdf6e3")}
CELL = (4, 8)


def picture(raw, scheme):
    """What a terminal shows, in pixels: half blocks, spaces and colours are enough for a QR code."""
    lines = raw.splitlines()
    screen = pyte.Screen(COLUMNS, len(lines) + 2)
    pyte.Stream(screen).feed(raw)
    text, background = SCHEMES[scheme]
    image = Image.new("RGB", (COLUMNS * CELL[0], screen.lines * CELL[1]), background)

    def colour(name, default):
        return ImageColor.getrgb(default if name == "default" else f"#{name}")

    for y in range(screen.lines):
        for x in range(COLUMNS):
            cell = screen.buffer[y][x]
            ink, paper = colour(cell.fg, text), colour(cell.bg, background)
            upper = ink if cell.data in "▀█#" else paper
            lower = ink if cell.data in "▄█#" else paper
            left, top = x * CELL[0], y * CELL[1]
            image.paste(upper, (left, top, left + CELL[0], top + CELL[1] // 2))
            image.paste(lower, (left, top + CELL[1] // 2, left + CELL[0], top + CELL[1]))
    return image


def scanned(image, file):
    """The text of the one QR code in a picture, as a camera reads it."""
    image.save(file)
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", file],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.stdout.strip(), done.stderr
    return done.stdout.removesuffix("\n")


@pytest.mark.parametrize("flag", ["--qr", "--json"])
def test_a_phone_gets_nothing_else(paired, flag):
    """If this fails, one of the two flags is ignored without a word."""
    done = paired.tcsync("pair", "--phone", flag)
    assert done.returncode == 2
    assert "flags-conflict" in (done.stdout if flag == "--json" else done.stderr)


def test_a_phone_gets_each_setting(paired, tmp_path):
    """If this fails, somebody types a secret of 64 characters on a phone."""
    terminal = paired.terminal("pair", "--phone")
    assert terminal.end() == 0
    wanted = paired.json("show", "--reveal")
    values = (wanted["server_url"], wanted["client_id"], wanted["secret"])
    shown = terminal.raw
    for value, after in zip(values, (*values[1:], None), strict=True):
        before, _, rest = shown.partition(f"{value}\r\n")
        assert before.endswith(" "), "its name precedes it"
        # Up to the line of the next value.
        drawn = rest if after is None else rest[: rest.rindex("\n", 0, rest.index(after)) + 1]
        assert scanned(picture(drawn, "light"), tmp_path / "code.png") == value
        shown = rest


def test_the_qr_code_is_read_from_every_terminal(paired, tmp_path):
    """If this fails, a phone cannot read the code from a terminal with a light background, or with a dark one."""
    kinds = {
        "usual": ({}, SCHEMES),
        "without colours": ({"NO_COLOR": "1"}, SCHEMES),
        "without blocks": ({"PYTHONIOENCODING": "ascii"}, SCHEMES),
        "dumb": ({"TERM": "dumb"}, ["dark"]),
        "dumb without blocks": ({"TERM": "dumb", "PYTHONIOENCODING": "ascii"}, ["dark"]),
    }
    for kind, scheme in ((kind, scheme) for kind, (_, schemes) in kinds.items() for scheme in schemes):
        terminal = paired.terminal("pair", "--qr", **kinds[kind][0])
        assert terminal.end() == 0
        code, _, drawn = terminal.raw.partition("\r\n")
        found = scanned(picture(drawn, scheme), tmp_path / f"{kind}-{scheme}.png")
        assert decode_pairing_code(found) == decode_pairing_code(code), (kind, scheme)
