"""The sync protocol by hand, as far as tests need it: to look at a server's history from outside, and to add to it.

It speaks no sealing: a segment is any bytes of the test's.
"""

import http.client
import socket
from dataclasses import dataclass

NIL_VERSION = "00000000-0000-0000-0000-000000000000"
SEGMENT_TYPE = "application/vnd.taskchampion.history-segment"
SNAPSHOT_TYPE = "application/vnd.taskchampion.snapshot"
TIMEOUT_S = 30


@dataclass(frozen=True)
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Version:
    version_id: str
    parent_id: str
    segment: bytes


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connect(url, context=None):
    """A connection for an `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH` URL. `context`: of TLS, with the
    authorities that are trusted."""
    if url.startswith("unix:"):
        return UnixConnection(url.removeprefix("unix:"))
    if url.startswith("https://"):
        return http.client.HTTPSConnection(url.removeprefix("https://"), timeout=TIMEOUT_S, context=context)
    return http.client.HTTPConnection(url.removeprefix("http://"), timeout=TIMEOUT_S)


def request(url, method, path, client_id=None, body=None, content_type=None, more_headers=None):
    """One request on a connection of its own."""
    headers = dict(more_headers or {})
    if client_id:
        headers["X-Client-Id"] = client_id
    if content_type:
        headers["Content-Type"] = content_type
    connection = connect(url)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def index(url):
    return request(url, "GET", "/")


def add_version(url, client_id, parent_id=NIL_VERSION, segment=b"segment"):
    return request(url, "POST", f"/v1/client/add-version/{parent_id}", client_id, segment, SEGMENT_TYPE)


def add_snapshot(url, client_id, version_id, snapshot=b"snapshot"):
    return request(url, "POST", f"/v1/client/add-snapshot/{version_id}", client_id, snapshot, SNAPSHOT_TYPE)


def get_child_version(url, client_id, parent_id):
    return request(url, "GET", f"/v1/client/get-child-version/{parent_id}", client_id)


def get_snapshot(url, client_id):
    return request(url, "GET", "/v1/client/snapshot", client_id)


def history(url, client_id, parent_id=NIL_VERSION):
    """Every version of the client after `parent_id`, in order, as a replica would read them."""
    versions = []
    while (answer := get_child_version(url, client_id, parent_id)).status == 200:
        assert answer.headers["X-Parent-Version-Id"] == parent_id
        versions.append(Version(answer.headers["X-Version-Id"], parent_id, answer.body))
        parent_id = versions[-1].version_id
    assert answer.status == 404, f"the walk ended at {parent_id} with {answer.status}, not with 'up to date'"
    return versions
