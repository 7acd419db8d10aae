"""A sync server elsewhere, as a replica sees it: the C library's client, which seals and unseals on the way.

The outcomes in the protocol are results; everything else is a RemoteError. Certificates are always verified, redirects
are not followed, every wait has a deadline.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING
from uuid import UUID

from . import _declarations as c
from . import _library, _remote_calls
from ._apart import apart
from .credentials import Credentials
from .errors import TcsyncError
from .sealing import SealingKey
from .server_url import normalise_url

if TYPE_CHECKING:
    from ._remote_calls import RemotePointer

#: The version before the first.
NIL_VERSION = UUID(int=0)


class ProbeKind(Enum):
    """The kinds of servers that a URL can lead to."""

    #: A sync server that keeps a history for this client.
    HISTORY = c.TCSYNC_PROBE_HISTORY
    #: A sync server without data for this client ID: a new client, or a mistyped client ID.
    EMPTY_HISTORY = c.TCSYNC_PROBE_EMPTY_HISTORY
    #: A sync server that does not admit this client ID.
    NOT_ALLOWED = c.TCSYNC_PROBE_NOT_ALLOWED
    #: A sync server; no client ID was given.
    SYNC_SERVER = c.TCSYNC_PROBE_SYNC_SERVER
    #: Something else answers: another program, or the path in the URL is wrong.
    NOT_SYNC_SERVER = c.TCSYNC_PROBE_NOT_SYNC_SERVER


@dataclass(frozen=True)
class Probe:
    """The findings at a URL. Times are in seconds since 1970."""

    kind: ProbeKind
    #: The HTTP status of the page at the URL itself.
    http_status: int
    #: Whether the connection is encrypted and the certificate was verified.
    uses_tls: bool
    has_snapshot: bool
    has_versions: bool
    #: The server's clock; compare it with time.time() right after the call. None when the server does not report it.
    server_time: int | None
    #: None without TLS.
    certificate_expires: int | None
    #: The first line of the page at the URL, which names the server and its release; may be cut, and empty.
    server_name: str


class SnapshotUrgency(Enum):
    """The server's need for a snapshot."""

    NONE = c.TCSYNC_SNAPSHOT_URGENCY_NONE
    LOW = c.TCSYNC_SNAPSHOT_URGENCY_LOW
    HIGH = c.TCSYNC_SNAPSHOT_URGENCY_HIGH


@dataclass(frozen=True)
class Version:
    """A version of the history; `plaintext` is its unsealed history segment, JSON."""

    version_id: UUID
    parent_version_id: UUID
    plaintext: bytes = field(repr=False)


@dataclass(frozen=True)
class UpToDate:
    """There is no later version, or the server has no data of this client."""


@dataclass(frozen=True)
class Gone:
    """The parent is not in the server's history: removed after a snapshot, or of another history (HTTP 410)."""


@dataclass(frozen=True)
class NewVersion:
    """The server has a version after the parent; it was not downloaded."""

    version_id: UUID


@dataclass(frozen=True)
class NoWaits:
    """There is no later version, and the server answered at once, because it does not let requests wait."""


@dataclass(frozen=True)
class VersionAdded:
    version_id: UUID
    snapshot_urgency: SnapshotUrgency


@dataclass(frozen=True)
class Conflict:
    """The parent is not the latest version; this is the ID of the latest one (HTTP 409). Nothing was added."""

    latest_version_id: UUID


@dataclass(frozen=True)
class Snapshot:
    """The state at one version; `plaintext` is unsealed: zlib of JSON."""

    version_id: UUID
    plaintext: bytes = field(repr=False)


def probe_server(
    url: str,
    client_id: UUID | None = None,
    *,
    ca_file: str | os.PathLike[str] | None = None,
    proxy: str | None = None,
    connect_timeout_s: float = 10.0,
    timeout_s: float = 60.0,
) -> Probe:
    """Finds out what kind of server a URL leads to, without a secret and without changing anything there. RemoteServer
    has the options."""
    remote = _remote_calls.open_remote(
        normalise_url(url), client_id, None, ca_file, proxy, connect_timeout_s, timeout_s
    )
    try:
        return remote.call(probe)
    finally:
        remote.close()


class RemoteServer(_library.Closing):
    """One client's view of a sync server. A context manager. AsyncRemoteServer is the same for asyncio.

    The constructor derives the key (a good part of a second of processor time), unless `key` is given, which then stays
    the caller's; it does not connect. `ca_file` has further certificate authorities, PEM. `proxy` is the URL of an HTTP
    proxy, "" for none, None for the environment's setting (https_proxy, http_proxy, no_proxy). `connect_timeout_s` is
    for name lookup, connection, proxy and TLS together, `timeout_s` for a whole call.

    Every call is allowed on every thread; calls on one object are made one after the other. Ctrl-C during a call on the
    main thread cancels the call, which ends at once with the KeyboardInterrupt. A forked process may use its parent's
    object, and makes a connection of its own.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        key: SealingKey | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        proxy: str | None = None,
        connect_timeout_s: float = 10.0,
        timeout_s: float = 60.0,
    ) -> None:
        self._own_key = None
        if key is None:
            key = self._own_key = SealingKey.derive(credentials.client_id, credentials.secret)
        try:
            #: For the modules of this package.
            self.handle = _remote_calls.open_remote(
                credentials.url,
                credentials.client_id,
                key.handle,
                ca_file,
                proxy,
                connect_timeout_s,
                timeout_s,
            )
        except BaseException:
            if self._own_key:
                self._own_key.close()
            raise

    def probe(self) -> Probe:
        """Finds out what kind of server the URL leads to, without changing anything there and without downloading the
        data."""
        return self.handle.call(probe)

    def get_child_version(self, parent_version_id: UUID) -> Version | UpToDate | Gone:
        """The version after the parent. UnsealError when it does not open."""
        return self.handle.call(lambda remote: get_child_version(remote, parent_version_id))

    def await_version(self, parent_version_id: UUID, wait_s: int) -> NewVersion | UpToDate | Gone | NoWaits:
        """As VersionWatch.await_version."""
        return self.handle.call(lambda remote: await_version(remote, parent_version_id, wait_s))

    def add_version(self, parent_version_id: UUID, plaintext: bytes) -> VersionAdded | Conflict:
        """Seals a history segment and adds it after the parent. After a RemoteError or a CallCancelledError the version
        may have been added, unless the message says otherwise."""
        return self.handle.call(lambda remote: add_version(remote, parent_version_id, plaintext))

    def get_snapshot(self) -> Snapshot | None:
        """The latest snapshot; None when there is none. UnsealError when it does not open."""
        return self.handle.call(get_snapshot)

    def add_snapshot(self, version_id: UUID, plaintext: bytes) -> None:
        """Seals a snapshot of the state at a version and offers it to the server, which may decline it unseen."""
        return self.handle.call(lambda remote: _remote_calls.add_snapshot(remote, version_id, plaintext))

    def cancel(self) -> None:
        """Ends the current and waiting calls of other threads: they raise CallCancelledError at once. Later calls are
        not affected."""
        apart(self.handle.cancel_all)

    def close(self) -> None:
        """Closes the connection, and wipes the key unless it is the caller's, after the last call in progress. A second
        call does nothing."""
        self.handle.close()
        if self._own_key:
            self._own_key.close()


class VersionWatch(_library.Closing):
    """Waits for a client's next version, without its secret: for a program that runs a sync when another computer has
    sent something. A context manager. Options, threads and Ctrl-C are as RemoteServer's.
    """

    def __init__(
        self,
        url: str,
        client_id: UUID,
        *,
        ca_file: str | os.PathLike[str] | None = None,
        proxy: str | None = None,
        connect_timeout_s: float = 10.0,
        timeout_s: float = 60.0,
    ) -> None:
        self.handle = _remote_calls.open_remote(
            normalise_url(url), client_id, None, ca_file, proxy, connect_timeout_s, timeout_s
        )

    def await_version(self, parent_version_id: UUID, wait_s: int) -> NewVersion | UpToDate | Gone | NoWaits:
        """Waits until the server has a version after the parent, for up to `wait_s` seconds, from 0, which only looks,
        to 3,600, beside `timeout_s`. Proxies on the way may end a wait of more than 50 seconds.

        A server may end the wait at any time, with UpToDate, or by closing the connection, which is a RemoteError: ask
        again, but after an early end not at once. One without this extension of the protocol answers at once, with
        NoWaits: ask it now and then."""
        return self.handle.call(lambda remote: await_version(remote, parent_version_id, wait_s))

    def cancel(self) -> None:
        """As RemoteServer.cancel."""
        apart(self.handle.cancel_all)

    def close(self) -> None:
        """Closes the connection, after the last call in progress. A second call does nothing."""
        self.handle.close()


# The calls of these classes and of AsyncRemoteServer, made with the C library's remote.


def probe(remote: RemotePointer) -> Probe:
    found = _remote_calls.probe(remote)
    return Probe(
        kind=ProbeKind(found.kind),
        http_status=found.http_status,
        uses_tls=bool(found.uses_tls),
        has_snapshot=bool(found.has_snapshot),
        has_versions=bool(found.has_versions),
        server_time=found.server_time or None,
        certificate_expires=found.certificate_expires or None,
        server_name=found.server_name.decode("utf-8", "replace"),
    )


def get_child_version(remote: RemotePointer, parent_version_id: UUID) -> Version | UpToDate | Gone:
    outcome, version_id, plaintext = _remote_calls.get_child_version(remote, parent_version_id)
    if outcome == c.TCSYNC_OUTCOME_FOUND and version_id:
        return Version(version_id, parent_version_id, plaintext)
    if outcome == c.TCSYNC_OUTCOME_UP_TO_DATE:
        return UpToDate()
    if outcome == c.TCSYNC_OUTCOME_GONE:
        return Gone()
    raise _unexpected("tcsync_remote_get_child_version", outcome)


def await_version(
    remote: RemotePointer, parent_version_id: UUID, wait_s: int
) -> NewVersion | UpToDate | Gone | NoWaits:
    outcome, version_id = _remote_calls.await_version(remote, parent_version_id, wait_s)
    if outcome == c.TCSYNC_OUTCOME_FOUND and version_id:
        return NewVersion(version_id)
    if outcome == c.TCSYNC_OUTCOME_UP_TO_DATE:
        return UpToDate()
    if outcome == c.TCSYNC_OUTCOME_GONE:
        return Gone()
    if outcome == c.TCSYNC_OUTCOME_NO_WAITS:
        return NoWaits()
    raise _unexpected("tcsync_remote_await_version", outcome)


def add_version(remote: RemotePointer, parent_version_id: UUID, plaintext: bytes) -> VersionAdded | Conflict:
    outcome, version_id, urgency = _remote_calls.add_version(remote, parent_version_id, plaintext)
    if outcome == c.TCSYNC_OUTCOME_ADDED and version_id:
        return VersionAdded(version_id, SnapshotUrgency(urgency))
    if outcome == c.TCSYNC_OUTCOME_CONFLICT and version_id:
        return Conflict(version_id)
    raise _unexpected("tcsync_remote_add_version", outcome)


def get_snapshot(remote: RemotePointer) -> Snapshot | None:
    outcome, version_id, plaintext = _remote_calls.get_snapshot(remote)
    if outcome == c.TCSYNC_OUTCOME_FOUND and version_id:
        return Snapshot(version_id, plaintext)
    if outcome == c.TCSYNC_OUTCOME_NO_SNAPSHOT:
        return None
    raise _unexpected("tcsync_remote_get_snapshot", outcome)


def _unexpected(function: str, outcome: int) -> TcsyncError:
    return TcsyncError(
        f"{function} gave the outcome {outcome}, which this release does not know; please report this",
        code=c.TCSYNC_INTERNAL,
    )
