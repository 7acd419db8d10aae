"""URLs of sync servers: normalises typed text into the form for a replica's configuration."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from .errors import UrlError

#: The longest URL in bytes, which a pairing code can carry.
URL_BYTES_MAX = 512

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")


def normalise_url(text: str) -> str:
    """The normal form of a URL that a person typed: scheme and host in lower case, no spaces, no trailing slash, no
    default port.

    A missing scheme becomes https, or http for a loopback host, which can have no certificate. UrlError for text that
    cannot be a sync server's URL.
    """
    # A URL has no spaces; those in a pasted one are line breaks of a terminal or a mail.
    compact = "".join(text.split())
    if not compact:
        raise UrlError("the server's URL is empty; enter one such as https://sync.example.com")
    shown = _shown(compact)
    found = _SCHEME.match(compact)
    if found is None and compact.startswith("//"):
        compact = compact[2:]
    given_scheme = found[1].lower() if found else None
    if given_scheme not in (None, "http", "https"):
        raise UrlError(
            f"the URL '{shown}' begins with {given_scheme}://; a sync server's begins with https:// or http://"
        )
    rest = compact[found.end() :] if found else compact
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UrlError(
            f"the URL '{shown}' has no valid host and port; enter one such as https://sync.example.com"
        ) from None
    if "@" in parts.netloc:
        raise UrlError("a sync server's URL has no user name or password in it; remove the part before the @")
    if parts.query or parts.fragment or "?" in rest or "#" in rest:
        raise UrlError(f"the URL '{shown}' has a ? or # in it; a sync server's URL ends with the host or a path")
    if port == 0:
        raise UrlError(f"the URL '{shown}' names port 0; enter the port that the server listens on")
    host = _host(host, shown)
    scheme = given_scheme or ("http" if is_loopback(host) else "https")
    if any(ord(character) < 0x21 or ord(character) > 0x7E for character in parts.path):
        raise UrlError(f"the path of the URL '{shown}' has characters that a URL cannot have; write them as %XX")
    bracketed = f"[{host}]" if ":" in host else host
    port_text = "" if port in (None, {"http": 80, "https": 443}[scheme]) else f":{port}"
    url = f"{scheme}://{bracketed}{port_text}{parts.path.rstrip('/')}"
    if len(url) > URL_BYTES_MAX:
        raise UrlError(f"the URL has {len(url)} characters; at most {URL_BYTES_MAX} can be used")
    return url


def taskrc_url(url: str) -> str:
    """A normalised URL as Taskwarrior's configuration needs it: a path ends with a slash.

    Taskwarrior 3.1 to 3.4, with TaskChampion before 3.0, drops what follows the last slash of a path, and would ask
    https://host/i/v1/... with an invite's URL https://host/i/TOKEN. Later releases accept both forms.
    """
    return f"{url}/" if loses_path(url) else url


def loses_path(url: str) -> bool:
    """Whether Taskwarrior 3.1 to 3.4 would drop the end of this URL's path."""
    path = urlsplit(url).path
    return path != "" and not path.endswith("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this computer itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(host: str, shown: str) -> str:
    """The host in lower case and, if it is not ASCII, in the form for DNS."""
    if not host:
        raise UrlError(f"the URL '{shown}' names no host; enter one such as https://sync.example.com")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        ascii_host = host.encode("idna").decode("ascii").lower() if not host.isascii() else host.lower()
    except UnicodeError:
        ascii_host = ""
    if not _HOST_NAME.fullmatch(ascii_host) or len(ascii_host) > 253:
        raise UrlError(f"the URL '{shown}' has no valid host name; enter one such as https://sync.example.com")
    if re.fullmatch(r"[0-9.]+", ascii_host):
        raise UrlError(f"the URL '{shown}' has no valid IP address; an IPv4 address has four numbers up to 255")
    return ascii_host


def _shown(text: str) -> str:
    """The text for a message: without the part before an @, and of limited length."""
    visible = text.rpartition("@")[2]
    return visible if len(visible) <= 80 else f"{visible[:77]}..."
