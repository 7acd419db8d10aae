"""One client's history in the file that an operator's `tcsync-server clients export` writes: read without a server.

The file has JSON objects in lines; docs/administration.md lists them under "Lines of an export". Lines of other clients
and of other kinds are skipped. A version or snapshot of more than 1 MiB has lines with its pieces behind it, also over
the end of a page, which a client line begins.

The result answers as a server would, so that `fetch_history` replays it with the same checks and limits.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO
from uuid import UUID

from .errors import HistoryError, UnsealError, UnsealFault
from .history import PLAINTEXT_BYTES_MAX, History, fetch_history
from .remote import NIL_VERSION, Gone, Snapshot, UpToDate, Version
from .sealing import SealingKey
from .secret import Secret

#: A line may have a whole version or snapshot in base64: 100 MiB and its names.
_LINE_BYTES_MAX = 140 * 1024 * 1024
#: What sealing adds to the limit of the plaintext is small; the snapshot comes on top of the versions that it covers.
_SEALED_BYTES_MAX = 2 * PLAINTEXT_BYTES_MAX


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

    def replay(self, secret: Secret) -> History:
        """The tasks. UnsealError for a wrong secret or damage; HistoryError for malformed data, or if a version lacks
        so that a later one cannot be reached."""
        with SealingKey.derive(self.client_id, secret) as key:
            history = fetch_history(_Opened(self, key), deadline_s=float("inf"))
        latest = self.latest_version_id
        if latest not in (NIL_VERSION, history.latest_version_id):
            raise HistoryError(
                f"the file lacks the version after {history.latest_version_id}, so the later ones up to {latest} "
                "cannot be read; ask the operator for a complete export"
            )
        return history


class _Opened:
    """A sealed history in a server's place."""

    def __init__(self, history: SealedHistory, key: SealingKey) -> None:
        self._history = history
        self._key = key

    def get_snapshot(self) -> Snapshot | None:
        if self._history.snapshot is None:
            return None
        version_id, sealed = self._history.snapshot
        try:
            return Snapshot(version_id, self._key.unseal(version_id, sealed))
        except UnsealError as error:
            # A damaged snapshot is no loss if the versions are there from the first one on.
            if error.fault is UnsealFault.WRONG_KEY or NIL_VERSION not in self._history.versions:
                raise
            return None

    def get_child_version(self, parent_version_id: UUID) -> Version | UpToDate | Gone:
        child = self._history.versions.get(parent_version_id)
        if child is not None:
            version_id, sealed = child
            return Version(version_id, parent_version_id, self._key.unseal(parent_version_id, sealed))
        return Gone() if parent_version_id == NIL_VERSION and self._history.versions else UpToDate()


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
