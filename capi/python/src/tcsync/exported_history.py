"""One client's history in the file that an operator's `tcsync-server clients export` writes: read without a server.

The file has JSON objects in lines; docs/administration.md lists them under "Lines of an export". Lines of other clients
and of other kinds are skipped. A version or snapshot of more than 1 MiB has lines with its pieces behind it, also over
the end of a page, which a client line begins.

The bytes stay sealed here. A replica in memory receives them from a server on this computer's loopback interface, so
that versions have one reader, the library's.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO
from uuid import UUID

from ._remote_calls import RESPONSE_BYTES_MAX
from .credentials import Credentials
from .errors import HistoryError, RemoteError, SyncError, TcsyncError, UnsealError
from .remote import NIL_VERSION, RemoteServer
from .replica import Replica
from .sealing import SealingKey
from .secret import Secret

#: A line may have a whole version or snapshot in base64: 100 MiB and its names.
_LINE_BYTES_MAX = 140 * 1024 * 1024
#: The sealed bytes of a whole history: half of it for its versions, half for the snapshot that covers them.
_SEALED_BYTES_MAX = 512 * 1024 * 1024
#: A call on loopback waits only for this computer, which may be very busy.
_TIMEOUT_S = 600.0


@dataclass
class SealedHistory:
    """The sealed bytes of one client."""

    client_id: UUID
    #: Parent version ID -> version ID and sealed bytes.
    versions: dict[UUID, tuple[UUID, bytes]] = field(default_factory=dict, repr=False)
    #: Version ID and sealed bytes of the snapshot.
    snapshot: tuple[UUID, bytes] | None = field(default=None, repr=False)
    #: The last version in the file.
    latest_version_id: UUID = NIL_VERSION

    def replay(self, secret: Secret) -> dict[UUID, dict[str, str]]:
        """The tasks. UnsealError for a wrong secret or damage; SyncError for a version or a snapshot that is not
        TaskChampion's; HistoryError if a version lacks, so that a later one cannot be reached; another TcsyncError if
        this computer's loopback interface cannot be used."""
        with SealingKey.derive(self.client_id, secret) as key:
            if self.snapshot is not None:
                try:
                    return self._received(key, secret, self.snapshot)
                except (UnsealError, SyncError) as error:
                    # A damaged snapshot is no loss if the versions are there from the first one on.
                    of_snapshot = error.sync_report is not None and not error.sync_report.has_applied_snapshot
                    if not of_snapshot or NIL_VERSION not in self.versions:
                        raise
            return self._received(key, secret, None)

    def _received(
        self, key: SealingKey, secret: Secret, snapshot: tuple[UUID, bytes] | None
    ) -> dict[UUID, dict[str, str]]:
        """The tasks of a replica that begins with the snapshot, or without one with the first version."""
        # The start of a program need not wait for Python's HTTP server.
        from ._history_server import HistoryServer

        versions, last = self._chain(snapshot[0] if snapshot else NIL_VERSION)
        if snapshot is None and self.versions and not versions:
            raise HistoryError(
                "the file lacks the first version, and has no snapshot that covers it; ask the operator for a complete "
                "export"
            )
        with (
            HistoryServer(self.client_id, versions, snapshot) as server,
            RemoteServer(
                Credentials(server.url, self.client_id, secret), key=key, proxy="", timeout_s=_TIMEOUT_S
            ) as remote,
            Replica.in_memory() as replica,
        ):
            try:
                replica.sync(remote, receive_only=True)
            except RemoteError as error:
                raise TcsyncError(
                    f"the file cannot be read over this computer's loopback interface: {error}", code=error.code
                ) from None
            tasks = replica.tasks()
        # Only now, so that a wrong secret is not taken for an incomplete file.
        if last in self.versions:
            raise HistoryError(f"the version {self.versions[last][0]} comes twice in the file's history")
        if self.latest_version_id not in (NIL_VERSION, last):
            raise HistoryError(
                f"the file lacks the version after {last}, so the later ones up to {self.latest_version_id} cannot be "
                "read; ask the operator for a complete export"
            )
        return tasks

    def _chain(self, begin: UUID) -> tuple[dict[UUID, tuple[UUID, bytes]], UUID]:
        """The versions after that one, in the form of `versions`, and the ID of the last of them. A circle ends before
        its first version comes again: a replica would go round it for ever."""
        chain: dict[UUID, tuple[UUID, bytes]] = {}
        seen, last = {begin}, begin
        while (child := self.versions.get(last)) and child[0] not in seen:
            chain[last] = child
            last = child[0]
            seen.add(last)
        return chain, last


def read_exported_history(file: BinaryIO, client_id: UUID | None) -> SealedHistory:
    """Reads one client's lines; without a client ID those of the only client. HistoryError for a malformed or cut line,
    for a file without that client, and for one with several where none is named."""
    reader = _Reader(client_id)
    number = 0
    while line := file.readline(_LINE_BYTES_MAX + 1):
        number += 1
        where = f"line {number} of the file"
        if len(line) > _LINE_BYTES_MAX:
            raise HistoryError(f"{where} is longer than {_LINE_BYTES_MAX} bytes, the limit")
        if line.strip():
            reader.take(line, where)
    return reader.end()


class _Reader:
    """The state between two lines."""

    def __init__(self, wanted: UUID | None) -> None:
        self._wanted = wanted
        #: Whether the file may have one client only, because none was named.
        self._is_only = wanted is None
        self._is_wanted = False
        self._history: SealedHistory | None = None
        #: The line whose pieces are being collected, its bytes so far, and their number in the end.
        self._begun: dict[str, object] | None = None
        self._pieces = bytearray()
        self._piece_count = 0
        self._bytes_wanted = 0
        self._bytes_left = _SEALED_BYTES_MAX

    def take(self, line: bytes, where: str) -> None:
        try:
            parsed: object = json.loads(line)
        except (ValueError, RecursionError):
            raise HistoryError(f"{where} is not JSON: the file is damaged, or was not completely copied") from None
        if not isinstance(parsed, dict) or not isinstance(parsed.get("type"), str):
            raise HistoryError(f"{where} is not of an export by `tcsync-server clients export`")
        kind = parsed["type"]
        if kind == "client":
            self._begin_client(_uuid(parsed, "client_id", where))
        elif not self._is_wanted or kind not in ("version", "snapshot", "piece"):
            return
        elif kind == "piece":
            self._add_piece(parsed, where)
        else:
            self._require_no_pieces(where)
            self._begin_content(parsed, "segment" if kind == "version" else "snapshot", where)

    def end(self) -> SealedHistory:
        if self._history is None:
            wanted = f"client {self._wanted}" if self._wanted else "client"
            raise HistoryError(f"the file has no {wanted}; ask the operator for an export of yours")
        self._require_no_pieces("the end of the file")
        return self._history

    def _begin_client(self, client_id: UUID) -> None:
        if self._wanted is None:
            self._wanted = client_id
        elif self._is_only and client_id != self._wanted:
            raise HistoryError("the file has several clients; name yours with its client ID or pairing code")
        self._is_wanted = client_id == self._wanted
        if self._is_wanted and self._history is None:
            self._history = SealedHistory(client_id)

    def _begin_content(self, line: dict[str, object], name: str, where: str) -> None:
        size = line.get(f"{name}_bytes")
        if size is None:
            self._keep(line, _decoded(line, name, where), where)
            return
        if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
            raise HistoryError(f"{where} has no usable number of bytes")
        self._begun, self._pieces, self._piece_count, self._bytes_wanted = line, bytearray(), 0, size

    def _add_piece(self, line: dict[str, object], where: str) -> None:
        if self._begun is None or line.get("piece") != self._piece_count:
            raise HistoryError(f"{where} is a piece in the wrong place: lines of the file are missing")
        piece = _decoded(line, "bytes", where)
        self._pieces += piece
        self._piece_count += 1
        if not piece or len(self._pieces) > min(self._bytes_wanted, self._bytes_left):
            raise HistoryError(f"{where} has another number of bytes than was announced, or than is possible")
        if len(self._pieces) == self._bytes_wanted:
            begun, self._begun = self._begun, None
            self._keep(begun, bytes(self._pieces), where)

    def _require_no_pieces(self, where: str) -> None:
        if self._begun is not None:
            raise HistoryError(f"{where} comes before the last piece of a version: the file is cut or lacks lines")

    def _keep(self, line: dict[str, object], sealed: bytes, where: str) -> None:
        assert self._history is not None
        self._bytes_left -= len(sealed)
        if self._bytes_left < 0:
            raise HistoryError(f"the history is larger than {_SEALED_BYTES_MAX} bytes, the limit")
        if len(sealed) > RESPONSE_BYTES_MAX:
            raise HistoryError(f"{where} completes a version or a snapshot of more than {RESPONSE_BYTES_MAX} bytes")
        version_id = _uuid(line, "version_id", where)
        if line["type"] == "snapshot":
            self._history.snapshot = (version_id, sealed)
            return
        parent = _uuid(line, "parent_version_id", where)
        if self._history.versions.setdefault(parent, (version_id, sealed)) != (version_id, sealed):
            raise HistoryError(f"{where} has a second version after {parent}: the file has two histories of one client")
        self._history.latest_version_id = version_id


def _decoded(line: Mapping[str, object], name: str, where: str) -> bytes:
    text = line.get(name)
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise HistoryError(f"{where} has no bytes in base64 as its {name}")


def _uuid(line: Mapping[str, object], name: str, where: str) -> UUID:
    text = line.get(name)
    try:
        if isinstance(text, str):
            return UUID(text)
    except ValueError:
        pass
    raise HistoryError(f"{where} has no UUID as its {name}")
