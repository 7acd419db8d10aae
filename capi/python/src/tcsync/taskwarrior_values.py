"""The sync settings as Taskwarrior 3.5 takes their values, which is not as a person's typed text is taken.

Taskwarrior hands sync.server.url to a parser after the URL standard (url.spec.whatwg.org), and sync.server.client_id to
Rust's `uuid`. So a URL without a scheme, or quotes around a value, end `task sync` with an error, while a space in a
path or one slash behind the colon do not. Tests compare each rule with the real program.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote
from uuid import UUID

from .errors import ClientIdError, UrlError
from .server_url import normalise_url

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_CONTROLS_AND_SPACE = "".join(map(chr, range(0x21)))
_PORT_MAX = 65535
# Characters that no host may have, after %XX is decoded.
_NOT_IN_HOST = re.compile(r"[\x00-\x20\x7f#%/:<>?@\[\\\]^|]")
_IPV4_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
# The characters of a path that the standard leaves as they are; the others become %XX.
_PLAIN_IN_PATH = "!$%&'()*+,-./:;=@[\\]_|~"
_SINGLE_DOT = re.compile(r"\.|%2e", re.IGNORECASE)
_DOUBLE_DOT = re.compile(r"(?:\.|%2e){2}", re.IGNORECASE)

_HEXADECIMAL = "[0-9A-Fa-f]"
_HYPHENATED = f"{_HEXADECIMAL}{{8}}(?:-{_HEXADECIMAL}{{4}}){{3}}-{_HEXADECIMAL}{{12}}"
# Braces and the prefix go only with hyphens, and the prefix is in lower case.
_CLIENT_ID = re.compile(rf"{_HEXADECIMAL}{{32}}|(?:urn:uuid:)?{_HYPHENATED}|\{{{_HYPHENATED}\}}")

# What people put around a value, in the belief that a taskrc is like a shell's file.
_QUOTES = " \t\"'`<>“”\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}«»"


def read_url(value: str) -> str:
    """The server that `task sync` reaches with this value of sync.server.url, in the form of normalise_url. UrlError
    when Taskwarrior refuses the value, or when tcsync cannot use it."""
    return normalise_url("".join(_parts(value)))


def lacks_closing_slash(value: str) -> bool:
    """Whether a URL that read_url accepts has a path without a slash at its end. Taskwarrior before 3.5 drops the last
    part of such a path."""
    return not _parts(value)[1].endswith("/")


def _parts(value: str) -> tuple[str, str]:
    """Scheme and host, and the path from the root."""
    text = re.sub(r"[\t\n\r]", "", value.strip(_CONTROLS_AND_SPACE))
    found = _SCHEME.match(text)
    if found is None or found[1].lower() not in ("http", "https"):
        raise UrlError("it does not begin with https:// or http://")
    rest = re.split(r"[?#]", text[found.end() :].lstrip("/\\"), maxsplit=1)[0]
    authority, path = [*re.split(r"[/\\]", rest, maxsplit=1), ""][:2]
    user, _, host_and_port = authority.rpartition("@")
    if user:
        raise UrlError("it has a user name or password in it, which tcsync does not send")
    path = _path(path)
    if path.endswith("//"):
        raise UrlError("its path ends with more than one slash")
    return f"{found[1].lower()}://{_host_and_port(host_and_port)}", path


def read_client_id(value: str) -> UUID:
    """The client ID that `task sync` takes from this value. ClientIdError, without the value, in case it is the secret,
    when Taskwarrior refuses it."""
    if not _CLIENT_ID.fullmatch(value):
        raise ClientIdError("it is not a UUID as Taskwarrior reads them")
    return UUID(value)


def without_quotes(value: str) -> str:
    """The value without quotes around it, which Taskwarrior takes for a part of it."""
    return value.strip(_QUOTES)


def _host_and_port(text: str) -> str:
    """The same with a host that is decoded and in its usual form. UrlError for one that the standard does not allow."""
    found = re.fullmatch(r"(\[.*\]|[^:]*)(?::([0-9]*))?", text)
    if found is None or int(found[2] or 0) > _PORT_MAX:
        raise UrlError("it has no valid host and port")
    host, port = found.groups()
    if not host.startswith("["):
        host = _domain(host)
    return f"{host}:{int(port)}" if port else host


def _domain(text: str) -> str:
    # A soft hyphen, and what looks like it, is ignored by the standard as by Python.
    decoded = unquote(text)
    try:
        host = decoded.encode("idna").decode("ascii").lower() if not decoded.isascii() else decoded.lower()
        for label in host.split("."):
            if label.startswith("xn--"):
                label.encode("ascii").decode("idna")
    except UnicodeError:
        raise UrlError("it has no valid host name") from None
    if not host or _NOT_IN_HOST.search(host):
        raise UrlError("it has no valid host name")
    labels = host.removesuffix(".").split(".")
    return _ipv4(labels) if _IPV4_NUMBER.fullmatch(labels[-1]) else host


def _ipv4(labels: list[str]) -> str:
    """An address of one to four decimal, octal or hexadecimal numbers, of which the last one fills the rest."""
    if len(labels) > 4 or not all(map(_IPV4_NUMBER.fullmatch, labels)):
        raise UrlError("it has no valid IP address")
    try:
        *numbers, last = map(_ipv4_number, labels)
    except ValueError:
        raise UrlError("it has no valid IP address") from None
    if any(number > 255 for number in numbers) or last >= 256 ** (4 - len(numbers)):
        raise UrlError("it has no valid IP address")
    address = sum(number << 8 * (3 - place) for place, number in enumerate(numbers)) + last
    return ".".join(str(byte) for byte in address.to_bytes(4, "big"))


def _ipv4_number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    return int(text, 8 if len(text) > 1 and text[0] == "0" else 10)


def _path(text: str) -> str:
    """A path from the root, without dots, and with %XX for what is not allowed in it."""
    segments: list[str] = []
    parts = re.split(r"[/\\]", text)
    for part in parts:
        if _DOUBLE_DOT.fullmatch(part):
            del segments[-1:]
        elif not _SINGLE_DOT.fullmatch(part):
            segments.append(part)
    if _DOUBLE_DOT.fullmatch(parts[-1]) or _SINGLE_DOT.fullmatch(parts[-1]):
        segments.append("")
    return quote("/" + "/".join(segments), safe=_PLAIN_IN_PATH)
