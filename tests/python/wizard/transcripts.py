"""The documentation's transcripts of terminals, made by running them: each is a function that drives the real
programs. Parts that differ from run to run are replaced by examples, always the same ones.

A page has a transcript between two comments:

    <!-- transcript: NAME -->
    (a block of text)
    <!-- end -->

TCSYNC_WRITE_DOCS=1 pytest tests/python/wizard/test_docs.py    rewrites the pages; without the variable it compares.
"""

import re

from computers import COLUMNS, TIMEOUT_S, Terminal, plain_text
from support import wait_until

from tcsync.wizard import DEFAULT_CLOUD_URL

#: So wide that nothing is wrapped: where, would depend on how long the paths of this run are.
WIDE = 1000
EXAMPLE_CLIENT_ID = "9d5cf1df-12b8-4def-872b-4e3c54ca091d"
EXAMPLE_SECRET = "9f9edb6ef38b6772c9adf9b0a99138688051936a2f7cf2c5b11b665a8ff9ea77"
EXAMPLE_OWN_URL = "https://tasks.example.org"
EXAMPLE_CODE = "TCSYNC-05XXXXXX-XXXXXXXX-...-XXXXXXXX-XXX"
#: The same after `tcsync rotate`.
ROTATED = {
    EXAMPLE_CLIENT_ID: "3b0f6c52-6d0b-4f0e-9b34-5f7f0c1a7a66",
    EXAMPLE_SECRET: "41d0c6ab82f7d0b3f37b6e0d5f0a1c9487e25d3fb6a9e08c7d1f4be2093c5a7e",
    EXAMPLE_CODE: "TCSYNC-05YYYYYY-YYYYYYYY-...-YYYYYYYY-YYY",
}

BLOCK = re.compile(r"(<!-- transcript: ([a-z-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


class Recording:
    """Runs commands on the two computers of one person, and keeps the screen's text."""

    def __init__(self, first, second, cloud_url):
        self.first = first
        self.second = second
        self._cloud_url = cloud_url
        for computer in (first, second):
            computer.environment["TCSYNC_CLOUD_URL"] = cloud_url

    def on(self, computer, command, *answers):
        """The output of `command`, with the answers typed, as a page has it: with the line that starts it."""
        program, *arguments = command.split(" ", 1)
        words = (arguments[0] if arguments else "").split("|")
        words = [word for part in words for word in part.split()]
        full = [*computer.program, *words] if program == "tcsync" else ["task", "rc.confirmation=off", *words]
        terminal = Terminal(full, computer.environment, WIDE if program == "tcsync" else COLUMNS)
        for prompt, answer in answers:
            terminal.answer(prompt, answer)
        self.status = terminal.end()
        return f"$ {command}\n{self.normalised(computer, terminal.screen)}"

    def normalised(self, computer, text):
        """Text with examples in the places of parts that are new in each run."""
        text = plain_text(text)
        for owner in (self.first, self.second):
            if owner.taskrc.exists() and "sync.encryption_secret" in owner.taskrc.read_text(encoding="utf-8"):
                text = text.replace(owner.secret(), EXAMPLE_SECRET)
        text = re.sub(r"TCSYNC(-[0-9A-Z]{1,8}){10,}", EXAMPLE_CODE, text)
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", EXAMPLE_CLIENT_ID, text)
        text = text.replace(self._cloud_url, DEFAULT_CLOUD_URL)
        text = re.sub(r"(?<=at )/\S+/task\b", "/usr/bin/task", text)
        text = text.replace(str(computer.real_home), "/home/ada").replace(str(computer.home), "/home/ada")
        text = re.sub(r"\d{8}T\d{6}Z", "20261124T093000Z", text)
        text = re.sub(r"\(\d+\.\d kB\)", "(45.1 kB)", text)
        text = re.sub(r"before-tcsync-\d{8}-\d{6}", "before-tcsync-20261124-093000", text)
        text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?", "2026-11-24 09:30", text)
        text = re.sub(r"process \d+", "process 4711", text)
        text = re.sub(r"tcsync-auto-[0-9a-f]{8}", "tcsync-auto-4be2093c", text)
        text = re.sub(r" \d+\.\d s  ", " 0.3 s  ", text)
        # The column is as wide as the oldest task's age, which a busy machine makes longer.
        text = re.sub(r"(?m)^( *\d+|ID) +(?:(Age)|\d+(?:s|min)) +", lambda row: f"{row[1]} {row[2] or ' - '}  ", text)
        remarks = ("Configuration override", "TASKRC override", "Recently upgraded")
        return "\n".join(line for line in text.splitlines() if not line.startswith(remarks)).strip("\n") + "\n"


def record(first, second, cloud_url):
    """Every transcript by its name, from one story: Ada's two computers."""
    recording = Recording(first, second, cloud_url)
    shown = {}
    first.add("Buy milk", "Call Grace")
    shown["first"] = recording.on(
        first,
        "tcsync setup",
        ("Choose option [1]: ", ""),
        ("computer? [y/N]: ", "n"),
        ("by itself from now on, without `task sync`? [Y/n]: ", "n"),
    )
    code = first.pair()
    second.add("Water plants")
    shown["second"] = recording.on(
        second,
        "tcsync setup",
        ("Choose option [1]: ", ""),
        ("computer? [y/N]: ", "y"),
        ("Pairing code", code),
        ("on the server? [Y/n]: ", ""),
        ("by itself from now on, without `task sync`? [Y/n]: ", "n"),
    )
    shown["sync-first"] = recording.on(first, "task sync")
    shown["list-first"] = recording.on(first, "task list")
    shown["doctor"] = recording.on(first, "tcsync doctor", ("the last check? [Y/n]: ", ""))
    shown["status"] = recording.on(first, "tcsync status")
    shown["show"] = recording.on(first, "tcsync show")
    shown["pair"] = recording.on(first, "tcsync pair")
    shown["keep"] = recording.on(first, "tcsync setup", ("settings? [y/N]: ", ""))
    first.task("1", "done")
    shown["doctor-ahead"] = recording.on(first, "tcsync doctor", ("the last check? [Y/n]: ", "n"))
    shown["rotate"] = recording.on(first, "tcsync rotate", ("new pairing code. [Y/n]: ", ""))
    for before, after in ROTATED.items():
        shown["rotate"] = shown["rotate"].replace(before, after)
    shown["off"] = recording.on(second, "tcsync off", ("sync.encryption_secret? [Y/n]: ", ""), ("before-tcsync-", ""))
    shown["auto-on"] = recording.on(first, "tcsync auto on")
    first.task("add", "Call Ada")
    wait_until(lambda: "change" in first.tcsync("auto", "status").stdout, TIMEOUT_S, "the agent has synced")
    shown["auto-status"] = recording.on(first, "tcsync auto status")
    first.tcsync("auto", "off")
    shown["help"] = recording.on(first, "tcsync setup --help").replace("Usage: python -m tcsync", "Usage: tcsync")
    return shown


def replace_blocks(page, transcripts):
    """The page with its transcripts as they are now."""
    return BLOCK.sub(lambda found: f"{found[1]}```text\n{transcripts[found[2]]}```\n{found[4]}", page)
