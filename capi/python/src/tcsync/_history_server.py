"""A sync server for one reader on this computer: the sealed history of one client, from memory, over loopback.

A replica receives versions from a RemoteServer only, so that a history which came in another way, such as a file, is
given to it as docs/protocol.md says. There is nothing to write to, and the bytes stay sealed: another user of this
computer who finds the port gets nothing without the client ID, and cannot read what it opens.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from uuid import UUID

from . import _declarations as c
from .errors import TcsyncError

#: The address of the server. Not "localhost", which some computers look up elsewhere, or as IPv6 only.
_HOST = "127.0.0.1"
#: A connection that is silent for so long is closed. The reader's own opens another one then.
_IDLE_S = 60
#: The longest wait of close(): serve_forever looks for its end so often.
_POLL_S = 0.05

_CHILD_PATH = "/v1/client/get-child-version/"
_SNAPSHOT_PATH = "/v1/client/snapshot"
_SEGMENT_TYPE = "application/vnd.taskchampion.history-segment"
_SNAPSHOT_TYPE = "application/vnd.taskchampion.snapshot"


class HistoryServer:
    """Serves from entry to exit, as a context manager. `versions` has the version ID and the sealed bytes of each
    version by its parent's ID; `snapshot` likewise. TcsyncError when this computer has no loopback interface."""

    def __init__(
        self, client_id: UUID, versions: Mapping[UUID, tuple[UUID, bytes]], snapshot: tuple[UUID, bytes] | None
    ) -> None:
        try:
            self._server = _Server(client_id, versions, snapshot)
        except OSError as error:
            raise TcsyncError(
                f"the file cannot be read over this computer's loopback interface, {_HOST}: {error.strerror or error}",
                code=c.TCSYNC_SYSTEM,
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), daemon=True)
        self.url = f"http://{_HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> HistoryServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    """Not http.server's, which looks its own name up: without a network that takes seconds."""

    daemon_threads = True

    def __init__(
        self, client_id: UUID, versions: Mapping[UUID, tuple[UUID, bytes]], snapshot: tuple[UUID, bytes] | None
    ) -> None:
        self.client_id = client_id
        self._versions = versions
        self._snapshot = snapshot
        super().__init__((_HOST, 0), _Handler)

    def answer(self, path: str) -> tuple[dict[str, str], bytes] | None:
        """The headers and the body of a 200; None for a 404."""
        if path == _SNAPSHOT_PATH and self._snapshot is not None:
            version_id, sealed = self._snapshot
            return {"Content-Type": _SNAPSHOT_TYPE, "X-Version-Id": str(version_id)}, sealed
        parent = _uuid(path.removeprefix(_CHILD_PATH)) if path.startswith(_CHILD_PATH) else None
        if parent is None or parent not in self._versions:
            return None
        version_id, sealed = self._versions[parent]
        headers = {
            "Content-Type": _SEGMENT_TYPE,
            "X-Version-Id": str(version_id),
            "X-Parent-Version-Id": str(parent),
        }
        return headers, sealed

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke is the reader's to report; Python would print a traceback."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    # An answer is written in two parts, and the second would wait for the first one's acknowledgement.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        is_of_client = _uuid(self.headers.get("X-Client-Id", "")) == self.server.client_id
        found = self.server.answer(self.path) if is_of_client else None
        headers, body = found or ({}, b"")
        self.send_response_only(200 if found else 404)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:
        """Standard error is for people."""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
