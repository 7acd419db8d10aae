"""A proxy that records what the replicas behind it ask, and what they are answered (linearizability.py).

A replica `NAME` uses `url_of(NAME)` in place of the server's URL. The proxy is part of the network: it has a connection to
the server for each one to it, and when that breaks before the whole answer was there, it breaks the other one as well.
"""

import hashlib
import threading
import time
from http.server import ThreadingHTTPServer

from linearizability import APPEND, CHILD, NO_ANSWER, SNAPSHOT, SNAPSHOT_WITHIN, STORE, Operation
from model import Connection

from recorder import PassThroughHandler

KINDS = {APPEND, CHILD, STORE, SNAPSHOT}


def digest(data):
    """Short, because there are many."""
    return hashlib.blake2b(data, digest_size=12).hexdigest() if data else ""


class Record:
    """The requests of all clients, from any thread, in the order of their ends."""

    def __init__(self):
        self._lock = threading.Lock()
        self._operations = {}  # client ID -> list
        self._child_of = {}  # client ID -> parent ID -> child ID, as far as answers have told

    def add(self, client_id, operation):
        with self._lock:
            self._operations.setdefault(client_id, []).append(operation)
            if operation.kind in (APPEND, CHILD) and operation.status == 200:
                self._child_of.setdefault(client_id, {})[operation.argument] = operation.version_id

    def of(self, client_id):
        with self._lock:
            return list(self._operations.get(client_id, ()))

    def known_parents(self, client_id):
        """Versions that have a child, and the first one's parent."""
        with self._lock:
            return list(self._child_of.get(client_id, ()))

    def is_old(self, client_id, version_id):
        """Whether so many versions are known to follow it that no snapshot of it is kept any more."""
        with self._lock:
            child_of = self._child_of.get(client_id, {})
            for _ in range(SNAPSHOT_WITHIN):
                version_id = child_of.get(version_id)
            return version_id is not None


class Proxy:
    """Listens on a loopback port of its own, in front of one server."""

    def __init__(self, record, server_url):
        self._record = record
        self._server_url = server_url
        self._listener = _Listener(("127.0.0.1", 0), self._handler_class())
        self.url = f"http://127.0.0.1:{self._listener.server_port}"
        threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def url_of(self, name):
        # TaskChampion before 3.0 takes what follows the last slash for a file's name.
        return f"{self.url}/{name}/"

    def connection(self, name):
        """For those who speak the protocol by hand."""
        return Connection(self.url, f"/{name}")

    def pass_on(self, connection, method, path, client_id, body, content_type):
        """The server's answer; OSError when there is none. A test replaces this by a fault."""
        return connection.request(method, path, client_id, body, content_type)

    def close(self):
        self._listener.shutdown()
        self._listener.server_close()

    def answer(self, connection, method, path, headers, body):
        """Passes a request on and records it. Returns the answer, or None."""
        name, _, rest = path[1:].partition("/v1/client/")
        kind, _, argument = rest.partition("/")
        client_id = headers["X-Client-Id"]
        sent = digest(body)
        start = time.monotonic()
        try:
            answer = self.pass_on(connection, method, f"/v1/client/{rest}", client_id, body, headers["Content-Type"])
        except OSError:
            answer = None
        end = time.monotonic()
        if kind in KINDS:
            status, version_id, got = NO_ANSWER, "", ""
            if answer is not None:
                status = answer.status
                named_by = "X-Parent-Version-Id" if (kind, status) == (APPEND, 409) else "X-Version-Id"
                version_id = answer.headers[named_by] or ""
                got = digest(answer.body) if kind in (CHILD, SNAPSHOT) and status == 200 else ""
            self._record.add(
                client_id, Operation(name, kind, argument.lower(), sent, start, end, status, version_id, got)
            )
        return answer

    def _handler_class(self):
        proxy = self

        class Handler(PassThroughHandler):
            def setup(self):
                super().setup()
                self._connection = Connection(proxy._server_url)

            def finish(self):
                self._connection.close()
                super().finish()

            def pass_on(self, body):
                return proxy.answer(self._connection, self.command, self.path, self.headers, body)

        return Handler


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A replica that is gone is no fault."""
