"""Asks the server what the setup and the doctor have to know. Every failure is a Stop with a finding."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from uuid import UUID

from tcsync import NIL_VERSION, Credentials, Gone, History, Probe, ProbeKind, RemoteServer, UpToDate, fetch_history

from .diagnosis import findings
from .findings import Stop, find

#: A history without a task: its first version makes the client known, so that another computer can check the secret.
_EMPTY_SEGMENT = b'{"operations":[]}'


class Position(Enum):
    """Where a replica stands in the server's history."""

    UP_TO_DATE = auto()
    BEHIND = auto()
    #: The last version that it has synced is not there.
    GONE = auto()


#: Seconds for one request: enough for a large snapshot on a slow line, and not too long to watch.
REQUEST_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Reach:
    """How to talk to a server: whom to trust besides the system's authorities, and how long to wait for an answer."""

    ca_file: Path | None = None
    timeout_s: float = REQUEST_TIMEOUT_S


class ServerCheck:
    """One client at one server, over one connection. A context manager."""

    def __init__(self, credentials: Credentials, reach: Reach) -> None:
        self._credentials = credentials
        with self._findings():
            self._remote = RemoteServer(
                credentials,
                ca_file=reach.ca_file,
                connect_timeout_s=min(CONNECT_TIMEOUT_S, reach.timeout_s),
                timeout_s=reach.timeout_s,
            )

    def __enter__(self) -> ServerCheck:
        return self

    def __exit__(self, *_: object) -> None:
        self._remote.close()

    def probe(self) -> Probe:
        """What answers there: a sync server that allows this client, or Stop."""
        with self._findings():
            probe = self._remote.probe()
        if probe.kind is ProbeKind.NOT_SYNC_SERVER:
            detail = f"its page has status {probe.http_status}"
            raise Stop(find("server-no-sync-server", url=self._credentials.url, detail=detail))
        if probe.kind is ProbeKind.NOT_ALLOWED:
            raise Stop(find("client-not-allowed", url=self._credentials.url, client_id=self._credentials.client_id))
        return probe

    def history(self) -> History:
        """All of the client's data, fetched and unsealed; it may be empty."""
        self.probe()
        with self._findings():
            return fetch_history(self._remote)

    def existing_history(self) -> History:
        """The data of a client that has some. Stop when there is none."""
        history = self.history()
        if history.is_empty:
            raise Stop(find("history-empty", client_id=self._credentials.client_id))
        return history

    def position(self, base_version: UUID, history: History) -> Position:
        """Where a replica with that base version stands."""
        if base_version == NIL_VERSION:
            return Position.UP_TO_DATE if history.is_empty else Position.BEHIND
        if history.is_empty:
            return Position.GONE
        with self._findings():
            child = self._remote.get_child_version(base_version)
        if isinstance(child, Gone):
            return Position.GONE
        return Position.UP_TO_DATE if isinstance(child, UpToDate) else Position.BEHIND

    def begin_history(self) -> None:
        """Makes a client without a history known to the server. Another computer that was faster is no error."""
        with self._findings():
            self._remote.add_version(NIL_VERSION, _EMPTY_SEGMENT)

    def _findings(self) -> AbstractContextManager[None]:
        return findings(url=self._credentials.url, client_id=self._credentials.client_id)
