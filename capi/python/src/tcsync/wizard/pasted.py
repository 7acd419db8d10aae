"""Credentials in pasted text: a pairing code, or the settings of another computer.

Settings are lines of a taskrc (as `tcsync-server credentials` prints them), `task config NAME VALUE` commands, or the
lines of `tcsync show`. Other text around them is ignored.
"""

from __future__ import annotations

import re

from tcsync import Credentials, decode_pairing_code, parse_client_id, parse_secret
from tcsync.pairing import looks_like_pairing_code, pairing_code_progress
from tcsync.taskrc import CLIENT_ID, ENCRYPTION_SECRET, SERVER_URL, read_value

from .diagnosis import errors_as_findings
from .findings import Problem

_SETTINGS = (SERVER_URL, CLIENT_ID, ENCRYPTION_SECRET)
_SETTING_NAMES = {
    "sync.server.url": SERVER_URL,
    "sync.server.origin": SERVER_URL,
    "sync.server.client_id": CLIENT_ID,
    "sync.encryption_secret": ENCRYPTION_SECRET,
    "server url": SERVER_URL,
    "client id": CLIENT_ID,
    "secret": ENCRYPTION_SECRET,
}
# Before a name: the marks of a quoted mail, a list, a shell or a page. A line that begins with # is a comment.
_LINE = re.compile(
    r"[\s>|$*`-]*(?P<command>(?:#\s*)?task\s+(?:rc\.\S+\s+)*config\s+(?:rc\.)?)?"
    rf"(?P<name>{'|'.join(re.escape(name) for name in _SETTING_NAMES)})\s*(?P<sign>[=:\s])\s*(?P<value>\S.*?)[\s`]*",
    re.IGNORECASE,
)
_SECRET_CHARACTERS = 64
_HEXADECIMAL = re.compile(r"[\s>]*([0-9a-f]+)\s*")
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_INVISIBLE = dict.fromkeys(map(ord, "\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}\N{WORD JOINER}"))


def clean_text(text: str) -> str:
    """Text without characters that nobody sees: a terminal's control sequences, such as those around a paste, control
    characters, and those without width."""
    text = _CONTROL_SEQUENCE.sub("", text).translate(_INVISIBLE)
    return "".join(character for character in text if character in "\t\n" or (character >= " " and character != "\x7f"))


def credentials_in(text: str) -> Credentials:
    """The credentials in pasted text; CommandStopped when there are none, or not all of them."""
    settings = {} if looks_like_pairing_code(text) else _settings_in(text)
    if not settings:
        with errors_as_findings():
            return decode_pairing_code(text)
    if missing := _missing(settings):
        raise Problem.SETTINGS_INCOMPLETE.stop(missing=missing)
    with errors_as_findings():
        return Credentials(
            settings[SERVER_URL], parse_client_id(settings[CLIENT_ID]), parse_secret(settings[ENCRYPTION_SECRET])
        )


def has_settings(text: str) -> bool:
    """Whether there is any of the settings in a text without a pairing code."""
    return not looks_like_pairing_code(text) and bool(_settings_in(text))


def missing_part(text: str) -> str | None:
    """The part that credentials in the text lack, for a person; None when they are whole or there are none."""
    if progress := pairing_code_progress(text):
        return "{} of {} characters of the code are there".format(*progress)
    if has_settings(text) and (missing := _missing(_settings_in(text))):
        return f"{missing} missing"
    return None


def without_name(text: str, name: str) -> str:
    """The value of a line that sets `name`, and any other text as it is."""
    return _settings_in(text).get(name, text)


def _settings_in(text: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    last = ""
    for line in clean_text(text.replace("\r", "\n")).split("\n"):
        found = _LINE.fullmatch(line)
        if found and (found["sign"] in "=:" or "." in found["name"]):
            last = _SETTING_NAMES[found["name"].lower()]
            settings[last] = _value(found)
        elif last == ENCRYPTION_SECRET and (rest := _HEXADECIMAL.fullmatch(line)):
            # The rest of a generated secret that a narrow terminal or a mail has broken.
            joined = settings[last] + rest[1]
            if _HEXADECIMAL.fullmatch(joined) and len(joined) <= _SECRET_CHARACTERS:
                settings[last] = joined
        elif line.strip():
            last = ""
    return settings


def _value(found: re.Match[str]) -> str:
    """A setting's value: as Taskwarrior reads it from its file, or as a shell passes it on."""
    value = found["value"]
    if not found["command"] and found["sign"] == "=":
        return read_value(value)
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return value


def _missing(settings: dict[str, str]) -> str:
    names = [name for name in _SETTINGS if not settings.get(name)]
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}" if names else ""
