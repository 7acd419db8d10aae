"""Caddy from Debian with the Caddyfile of examples/deploy/cluster, in front of two servers of which one fails.

If one of these fails, a client behind the cluster's proxy has a change stored twice, or sees an error that its
computers do not know how to handle.
"""

import contextlib
import http.client
import os
import socket
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import prerequisites
import pytest
import wire
from proxies import running
from support import REPOSITORY, free_port, wait_until

CADDYFILE = REPOSITORY / "examples/deploy/cluster/Caddyfile"
TIMEOUT_S = 30
ADD_VERSION = f"/v1/client/add-version/{wire.NIL_VERSION}"
GET_CHILD = f"/v1/client/get-child-version/{wire.NIL_VERSION}"


class Backend:
    """In the place of a tcsync-server. `mode`: "serve", or "end", which closes the connection after a request."""

    def __init__(self):
        self.mode = "serve"
        self.requests = []  # (method, client ID) of the complete ones
        self._connections = []
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                backend._connections.append(self.connection)

            def do_GET(self):
                if self.path == "/health":
                    self._answer(200)
                    return
                body_bytes = int(self.headers.get("Content-Length", 0))
                if len(self.rfile.read(body_bytes)) < body_bytes:  # as a server, which stores nothing then
                    self.close_connection = True
                    return
                backend.requests.append((self.command, self.headers["X-Client-Id"]))
                if backend.mode == "end":
                    self.close_connection = True
                else:
                    self._answer(200)

            do_POST = do_GET

            def _answer(self, status):
                self.send_response_only(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        """As if its process had ended."""
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)


class Front:
    """Caddy, and the client whose requests go to the first of its two servers."""

    def __init__(self, address, backends):
        self._address = address
        self.first, self.second = backends
        while True:
            self.client_id = str(uuid.uuid4())
            assert self.request("GET", GET_CHILD).status == 200
            if self.first.requests:
                break
        self.first.requests.clear()
        self.second.requests.clear()

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"X-Client-Id": self.client_id})
            answer = connection.getresponse()
            return wire.Response(answer.status, answer.headers, answer.read())


@pytest.fixture
def front(tmp_path):
    backends = [Backend(), Backend()]
    text = CADDYFILE.read_text(encoding="utf-8")
    for example, backend in zip(("10.0.0.11:8080", "10.0.0.12:8080"), backends, strict=True):
        assert example in text
        text = text.replace(example, backend.address)
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "Caddyfile").write_text(f"{{\n admin off\n}}\n{text}", encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path),
                   "XDG_CONFIG_HOME": str(tmp_path), "TCSYNC_DOMAIN": f"http://{address}"}  # fmt: skip
    command = [prerequisites.program("caddy"), "run", "--adapter", "caddyfile", "--config", tmp_path / "Caddyfile"]
    with running(command, tmp_path / "log", address, environment):
        yield Front(address, backends)
    for backend in backends:
        with contextlib.suppress(OSError):
            backend.stop()


def test_a_client_stays_at_its_server(front):
    # If this fails, its requests are counted twice, and its computers that wait hear of changes later.
    for _ in range(5):
        assert front.request("POST", ADD_VERSION, b"segment").status == 200
    assert (len(front.first.requests), len(front.second.requests)) == (5, 0)


def test_a_change_that_a_server_may_have_stored_is_not_sent_to_the_other(front):
    # If this fails, the change may be stored twice, or the client is told of a conflict with itself.
    front.first.mode = "end"
    answer = front.request("POST", ADD_VERSION, b"segment")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert b"unknown whether this was stored" in answer.body
    assert (len(front.first.requests), front.second.requests) == (1, [])


def test_a_read_is_sent_to_the_other(front):
    # If this fails, clients see the end of a server.
    front.first.mode = "end"
    assert front.request("GET", GET_CHILD).status == 200
    assert front.second.requests == [("GET", front.client_id)]


def test_a_change_that_reached_no_server_is_sent_to_the_other(front):
    # If this fails, clients see that a server is restarted.
    front.first.stop()

    def is_stored():
        # Caddy 2.6 cannot send a body to a second server, and leaves out the first one after that.
        answer = front.request("POST", ADD_VERSION, b"segment")
        assert answer.status in (200, 503)
        return answer.status == 200

    wait_until(is_stored, TIMEOUT_S, "the second server has the change")
    assert front.second.requests == [("POST", front.client_id)]


def test_without_a_server_the_answer_is_503(front):
    # If this fails, computers get an error that they do not try again.
    front.first.stop()
    front.second.stop()
    answer = front.request("POST", ADD_VERSION, b"segment")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


def test_a_server_that_is_back_gets_its_clients_back(front):
    # If this fails, one server has all of the load for ever.
    front.first.mode = "end"
    assert front.request("GET", GET_CHILD).status == 200
    front.first.mode = "serve"
    front.first.requests.clear()

    def is_back():
        assert front.request("GET", GET_CHILD).status == 200
        return front.first.requests

    wait_until(is_back, TIMEOUT_S, "the first server gets requests again")
