"""A remote sync server, as a replica sees it: the C library's client, which seals and unseals on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from uuid import UUID

from .credentials import Credentials

#: The version before the first.
NIL_VERSION = UUID(int=0)


class SnapshotUrgency(Enum):
    """How much the server wants a snapshot."""

    NONE = "none"
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True)
class Version:
    """A version of the history, unsealed."""

    version_id: UUID
    parent_version_id: UUID
    plaintext: bytes = field(repr=False)


@dataclass(frozen=True)
class UpToDate:
    """There is no later version, or the server does not know the client."""


@dataclass(frozen=True)
class Gone:
    """The parent is neither the latest version nor has it a child: the replica has lost its place (HTTP 410)."""


@dataclass(frozen=True)
class VersionAdded:
    version_id: UUID
    snapshot_urgency: SnapshotUrgency


@dataclass(frozen=True)
class Conflict:
    """The parent is not the latest version, which is this (HTTP 409)."""

    latest_version_id: UUID


@dataclass(frozen=True)
class Snapshot:
    """A snapshot, unsealed: zlib of JSON."""

    version_id: UUID
    plaintext: bytes = field(repr=False)


class RemoteServer:
    """One client's view of a sync server. A context manager; one thread at a time may use it."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        ca_file: Path | None = None,
        proxy: str | None = None,
        connect_timeout_s: float = 10.0,
        request_timeout_s: float = 60.0,
    ) -> None:
        raise NotImplementedError

    def get_child_version(self, parent_version_id: UUID) -> Version | UpToDate | Gone:
        raise NotImplementedError

    def add_version(self, parent_version_id: UUID, plaintext: bytes) -> VersionAdded | Conflict:
        raise NotImplementedError

    def get_snapshot(self) -> Snapshot | None:
        raise NotImplementedError

    def add_snapshot(self, version_id: UUID, plaintext: bytes) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> RemoteServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
