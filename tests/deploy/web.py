"""Requests over TLS from a source address of one's choice, and a server that records a proxy's requests."""

import contextlib
import http.client
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import wire

TIMEOUT_S = 60
MEGABYTE = 1 << 20


def connect(url, authority, source="127.0.0.1"):
    context = ssl.create_default_context(cafile=authority)
    parts = urlsplit(url)
    return http.client.HTTPSConnection(
        parts.hostname, parts.port, timeout=TIMEOUT_S, context=context, source_address=(source, 0)
    )


def request(url, authority, method, path, *, source="127.0.0.1", headers=(), body=None):
    """One request; a wire.Response."""
    connection = connect(url, authority, source)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return wire.Response(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def add_version(
    url, authority, client_id, parent_id=wire.NIL_VERSION, body=b"segment", headers=(), prefix="", **options
):
    return request(
        url,
        authority,
        "POST",
        f"{prefix}/v1/client/add-version/{parent_id}",
        headers={"X-Client-Id": client_id, "Content-Type": wire.SEGMENT_TYPE, **dict(headers)},
        body=body,
        **options,
    )


def get_child_version(url, authority, client_id, parent_id=wire.NIL_VERSION, headers=(), **options):
    path = f"/v1/client/get-child-version/{parent_id}"
    return request(url, authority, "GET", path, headers={"X-Client-Id": client_id, **dict(headers)}, **options)


@dataclass
class Backend:
    """Gives one answer to everything, and remembers the requests' headers; `has_first_bytes` is set when the first
    bytes of a body have come."""

    url: str
    seen: list = field(default_factory=list)
    has_first_bytes: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def backend(status=200):
    """A server in the place of tcsync-server, to look at requests that a proxy forwards; a Backend."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            it.seen.append(self.headers)
            left = int(self.headers.get("Content-Length", 0))
            while left and (part := self.rfile.read1(min(left, MEGABYTE))):
                left -= len(part)
                it.has_first_bytes.set()
            self.send_response_only(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    it = Backend(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield it
    finally:
        server.shutdown()
        server.server_close()
