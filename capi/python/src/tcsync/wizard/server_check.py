"""The server's answers that the commands need. Every failure is a CommandStopped with a finding."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from uuid import UUID

from tcsync import (
    NIL_VERSION,
    Credentials,
    Gone,
    Probe,
    ProbeKind,
    RemoteServer,
    Replica,
    UpToDate,
)

from .console import Console
from .diagnosis import errors_as_findings
from .findings import Problem
from .received_history import ReceivedHistory

#: A history without a task: its first version creates the client, so that another computer can check the secret.
EMPTY_SEGMENT = b'{"operations":[]}'


class ReplicaPosition(Enum):
    """A replica's position in the server's history."""

    UP_TO_DATE = auto()
    BEHIND = auto()
    #: The last version that it has synced is not in the history.
    GONE = auto()


#: Seconds for one request: enough for a large snapshot on a slow line, and not too long to watch.
REQUEST_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class ConnectionOptions:
    """The options of calls to a server: authorities besides the system's, and the time limit of an answer."""

    ca_file: Path | None = None
    timeout_s: float = REQUEST_TIMEOUT_S


class ServerCheck:
    """One client at one server, over one connection. A context manager."""

    def __init__(self, credentials: Credentials, connection: ConnectionOptions) -> None:
        self._credentials = credentials
        with self.findings():
            #: For calls that are not here, within `findings()`.
            self.remote = RemoteServer(
                credentials,
                ca_file=connection.ca_file,
                connect_timeout_s=min(CONNECT_TIMEOUT_S, connection.timeout_s),
                timeout_s=connection.timeout_s,
            )

    @property
    def client_id(self) -> UUID:
        return self._credentials.client_id

    def __enter__(self) -> ServerCheck:
        return self

    def __exit__(self, *_: object) -> None:
        self.remote.close()

    def probe(self) -> Probe:
        """Checks that a sync server which allows this client answers; otherwise CommandStopped."""
        with self.findings():
            probe = self.remote.probe()
        if probe.kind is ProbeKind.NOT_SYNC_SERVER:
            if probe.http_status < 400:  # Then the refusal of the data says more than the page.
                with self.findings():
                    self.remote.get_snapshot()
            detail = f"its page has status {probe.http_status}"
            raise Problem.REMOTE_BROKEN_ANSWER.stop(url=self._credentials.url, detail=detail)
        if probe.kind is ProbeKind.NOT_ALLOWED:
            raise Problem.REMOTE_NOT_ALLOWED.stop(url=self._credentials.url, client_id=self._credentials.client_id)
        return probe

    def history(self, console: Console | None = None) -> ReceivedHistory:
        """All of the client's data, received; it may be empty. To be closed by the caller, before this."""
        self.probe()
        history = ReceivedHistory(self, console)
        try:
            history.receive()
        except BaseException:
            history.replica.close()
            raise
        return history

    def existing_history(self, console: Console | None = None) -> ReceivedHistory:
        """The data of a client that has some; otherwise CommandStopped."""
        history = self.history(console)
        if history.is_empty:
            history.replica.close()
            raise Problem.HISTORY_EMPTY.stop(client_id=self._credentials.client_id)
        return history

    def receive(self, replica: Replica) -> None:
        """Lets an empty replica receive everything; sends nothing. CommandStopped also for a client without data."""
        self.probe()
        with self.findings():
            replica.sync(self.remote, receive_only=True)
        if replica.state().base_version_id == NIL_VERSION:
            raise Problem.HISTORY_EMPTY.stop(client_id=self._credentials.client_id)

    def position(self, base_version: UUID, history: ReceivedHistory) -> ReplicaPosition:
        """The position of a replica with that base version."""
        if base_version == NIL_VERSION:
            return ReplicaPosition.UP_TO_DATE if history.is_empty else ReplicaPosition.BEHIND
        if history.is_empty:
            return ReplicaPosition.GONE
        with self.findings():
            child = self.remote.get_child_version(base_version)
        if isinstance(child, Gone):
            return ReplicaPosition.GONE
        return ReplicaPosition.UP_TO_DATE if isinstance(child, UpToDate) else ReplicaPosition.BEHIND

    def begin_history(self) -> None:
        """Creates a client without a history on the server. Another computer may do the same first."""
        with self.findings():
            self.remote.add_version(NIL_VERSION, EMPTY_SEGMENT)

    def findings(self) -> AbstractContextManager[None]:
        """Turns errors of calls on `remote` into findings."""
        return errors_as_findings(url=self._credentials.url, client_id=self._credentials.client_id)
