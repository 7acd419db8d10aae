"""Whether the network may have come back, where the system tells: on Linux, by its tables of routes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

TABLES = (Path("/proc/net/route"), Path("/proc/net/ipv6_route"))


class Routes:
    """Compares the tables with those of the last look."""

    def __init__(self, tables: Sequence[Path] = TABLES) -> None:
        self._tables = tables
        self._seen = self._read()

    def have_changed(self) -> bool:
        before, self._seen = self._seen, self._read()
        return self._seen != before

    def _read(self) -> list[frozenset[tuple[bytes, ...]]]:
        found = []
        for table in self._tables:
            content = b""
            with suppress(OSError):
                content = table.read_bytes()
            # Without the counters of uses, which change all the time.
            found.append(frozenset(_route(line) for line in content.splitlines()))
        return found


def _route(line: bytes) -> tuple[bytes, ...]:
    """Interface, destination and gateway of IPv4's table, or destination, gateway and interface of IPv6's."""
    fields = line.split()
    return (fields[0], fields[4], fields[-1]) if len(fields) == 10 else tuple(fields[:3])
