"""The proxies that `task sync` and tcsync use, by their own rules, which are not the same.

Taskwarrior's way depends on its TaskChampion:

    before 3.0  none, whatever the environment says
    3.0         the usual variables: HTTP_PROXY or HTTPS_PROXY by the URL's scheme, else ALL_PROXY; NO_PROXY exempts
    since 3.1   while HTTP_PROXY or HTTPS_PROXY is set, only these: NO_PROXY and ALL_PROXY do not count, and a value
                that is no URL, such as an empty one, ends every sync. While neither is set, as in 3.0

Of each pair of names the upper case comes first, and is used even when it is empty. tcsync's rules are the library's
(src/remote/proxy.h): lower case first, empty is unset, HTTP_PROXY only in lower case, ALL_PROXY never.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urlsplit

from ..findings import Problem

#: Every variable that either program looks at.
VARIABLES = tuple(
    name for word in ("http", "https", "all", "no") for name in (f"{word.upper()}_PROXY", f"{word}_proxy")
)

_PROXY = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:[^@/\s]*@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]?#]+)(?::(?P<port>\d{1,5}))?(?:[/?#]\S*)?"
)
_EMPTY = "is set, but empty"
_NO_URL = "has a value that is not a proxy's URL"
_SOCKS = "names a SOCKS proxy, for which Taskwarrior is not built"


class ProxyRules(Enum):
    """The rules of a Taskwarrior, by the release of its TaskChampion."""

    NONE = auto()
    USUAL = auto()
    OWN = auto()


@dataclass(frozen=True)
class Way:
    """The way to the server: the proxy without its password and the variable that names it, or both empty."""

    proxy: str = ""
    variable: str = ""

    def __str__(self) -> str:
        return f"through the proxy {self.proxy} ({self.variable})" if self.proxy else "directly"


def any_set(environment: Mapping[str, str]) -> bool:
    return any(name in environment for name in VARIABLES)


def without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in VARIABLES}


def taskwarrior_way(url: str, environment: Mapping[str, str], rules: ProxyRules) -> Way:
    """Taskwarrior's way. CommandStopped when a variable keeps it from syncing at all."""
    if rules is ProxyRules.NONE:
        return Way()
    own = {scheme: _first_present(environment, f"{scheme.upper()}_PROXY", f"{scheme}_proxy") for scheme in _SCHEMES}
    if rules is ProxyRules.USUAL or not any(own.values()):
        return _usual_way(url, environment)
    for name in own.values():
        # Both are read before the URL is looked at.
        if name and not _PROXY.fullmatch(environment[name].strip()):
            fault = _NO_URL if environment[name] else _EMPTY
            raise Problem.PROXY_UNUSABLE.stop(variable=name, fault=fault)
    return _through(environment, own[urlsplit(url).scheme])


def tcsync_way(url: str, environment: Mapping[str, str]) -> Way:
    """The library's way. An unusable proxy is shown as it is: the library reports it when it connects."""
    pairs = {"https": ("https_proxy", "HTTPS_PROXY"), "http": ("http_proxy",), "no": ("no_proxy", "NO_PROXY")}
    name, exempt = (
        next((name for name in pairs[word] if environment.get(name)), "") for word in (urlsplit(url).scheme, "no")
    )
    if not name or (exempt and _tcsync_exempts(environment[exempt], url)):
        return Way()
    return Way(_shown(environment[name]), name)


_SCHEMES = ("http", "https")


def _usual_way(url: str, environment: Mapping[str, str]) -> Way:
    if "REQUEST_METHOD" in environment:  # A CGI program's HTTP_PROXY would be a header of its caller's.
        return Way()
    exempt = _first_present(environment, "NO_PROXY", "no_proxy")
    if exempt and _taskwarrior_exempts(environment[exempt], urlsplit(url).hostname or ""):
        return Way()
    scheme = urlsplit(url).scheme
    for names in ((f"{scheme.upper()}_PROXY", f"{scheme}_proxy"), ("ALL_PROXY", "all_proxy")):
        name = _first_present(environment, *names)
        if name and _PROXY.fullmatch(environment[name]) and (way := _through(environment, name)).proxy:
            return way
    return Way()


def _through(environment: Mapping[str, str], name: str) -> Way:
    """The way through the proxy that a variable names, if it names one. Other kinds of proxies are ignored."""
    found = _PROXY.fullmatch(environment[name].strip()) if name else None
    if found is None:
        return Way()
    scheme = (found["scheme"] or "http").lower()
    if scheme.startswith("socks"):
        raise Problem.PROXY_UNUSABLE.stop(variable=name, fault=_SOCKS)
    return Way(_shown(environment[name]), name) if scheme in _SCHEMES else Way()


def _shown(value: str) -> str:
    """A proxy's URL without user name and password."""
    found = _PROXY.fullmatch(value.strip())
    if found is None:
        return "of an unusable URL"
    port = f":{found['port']}" if found["port"] else ""
    return f"{(found['scheme'] or 'http').lower()}://{found['host']}{port}"


def _first_present(environment: Mapping[str, str], *names: str) -> str:
    return next((name for name in names if name in environment), "")


def _taskwarrior_exempts(no_proxy: str, host: str) -> bool:
    """Items are separated by commas: addresses and networks for an address, and for a name itself, the domains that it
    lies in, or "*"."""
    items = [item.strip() for item in no_proxy.split(",")]
    if (address := _address(host)) is not None:
        return any(_is_within(address, item) for item in items)
    return any(item == "*" or _is_in_domain(host, item) for item in items)


def _tcsync_exempts(no_proxy: str, url: str) -> bool:
    """Items are separated by commas or spaces, may have a port, and "*" exempts addresses as well."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _address(host)
    for item in re.split(r"[, \t]+", no_proxy):
        found = re.fullmatch(r"(?:\[([^]]*)\]|([^:]*))(?::(\d+))?", item)
        name = (found[1] or found[2] or "") if found else item
        if item == "*":
            return True
        if found and found[3] and int(found[3]) != port:
            continue
        if _is_within(address, name) if address is not None else _is_in_domain(host, name):
            return True
    return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, item: str) -> bool:
    try:
        return address in ipaddress.ip_network(item, strict=False)
    except ValueError:
        return False


def _is_in_domain(host: str, item: str) -> bool:
    domain = item.removeprefix(".").lower()
    return bool(domain) and (host.lower() == domain or host.lower().endswith(f".{domain}"))
