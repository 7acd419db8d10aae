"""Asks the server what the setup and the doctor have to know. Every failure is a CommandStopped with a finding."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from uuid import UUID

from tcsync import NIL_VERSION, Credentials, Gone, History, Probe, ProbeKind, RemoteServer, UpToDate, fetch_history

from .diagnosis import errors_as_findings
from .findings import Problem

#: A history without a task: its first version makes the client known, so that another computer can check the secret.
_EMPTY_SEGMENT = b'{"operations":[]}'


class ReplicaPosition(Enum):
    """Where a replica stands in the server's history."""

    UP_TO_DATE = auto()
    BEHIND = auto()
    #: The last version that it has synced is not there.
    GONE = auto()


#: Seconds for one request: enough for a large snapshot on a slow line, and not too long to watch.
REQUEST_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class ConnectionOptions:
    """How to talk to a server: whom to trust besides the system's authorities, and how long to wait for an answer."""

    ca_file: Path | None = None
    timeout_s: float = REQUEST_TIMEOUT_S


class ServerCheck:
    """One client at one server, over one connection. A context manager."""

    def __init__(self, credentials: Credentials, connection: ConnectionOptions) -> None:
        self._credentials = credentials
        with self._findings():
            self._remote = RemoteServer(
                credentials,
                ca_file=connection.ca_file,
                connect_timeout_s=min(CONNECT_TIMEOUT_S, connection.timeout_s),
                timeout_s=connection.timeout_s,
            )

    def __enter__(self) -> ServerCheck:
        return self

    def __exit__(self, *_: object) -> None:
        self._remote.close()

    def probe(self) -> Probe:
        """What answers there: a sync server that allows this client, or CommandStopped."""
        with self._findings():
            probe = self._remote.probe()
        if probe.kind is ProbeKind.NOT_SYNC_SERVER:
            detail = f"its page has status {probe.http_status}"
            raise Problem.REMOTE_BROKEN_ANSWER.stop(url=self._credentials.url, detail=detail)
        if probe.kind is ProbeKind.NOT_ALLOWED:
            raise Problem.REMOTE_NOT_ALLOWED.stop(url=self._credentials.url, client_id=self._credentials.client_id)
        return probe

    def history(self) -> History:
        """All of the client's data, fetched and unsealed; it may be empty."""
        self.probe()
        with self._findings():
            return fetch_history(self._remote)

    def existing_history(self) -> History:
        """The data of a client that has some. CommandStopped when there is none."""
        history = self.history()
        if history.is_empty:
            raise Problem.HISTORY_EMPTY.stop(client_id=self._credentials.client_id)
        return history

    def position(self, base_version: UUID, history: History) -> ReplicaPosition:
        """Where a replica with that base version stands."""
        if base_version == NIL_VERSION:
            return ReplicaPosition.UP_TO_DATE if history.is_empty else ReplicaPosition.BEHIND
        if history.is_empty:
            return ReplicaPosition.GONE
        with self._findings():
            child = self._remote.get_child_version(base_version)
        if isinstance(child, Gone):
            return ReplicaPosition.GONE
        return ReplicaPosition.UP_TO_DATE if isinstance(child, UpToDate) else ReplicaPosition.BEHIND

    def begin_history(self) -> None:
        """Makes a client without a history known to the server. Another computer that was faster is no error."""
        with self._findings():
            self._remote.add_version(NIL_VERSION, _EMPTY_SEGMENT)

    def _findings(self) -> AbstractContextManager[None]:
        return errors_as_findings(url=self._credentials.url, client_id=self._credentials.client_id)
