"""How tcsync-server stops: cleanly, after the requests in flight, and without a wait for clients that never finish."""

import http.client
import signal
import socket

import pytest
import wire
from server import accepts_tcp
from support import wait_until

SEGMENT = bytes(range(256)) * 64
PROMPT_S = 5  # Well below the 10 s that are granted to requests in flight.


class UnfinishedUpload:
    """An add-version of which the server has read the headers, and of the body at most the first half."""

    def __init__(self, server, client_id):
        host, port = server.addresses[0].rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), timeout=wire.TIMEOUT_S)
        headers = (
            f"POST /v1/client/add-version/{wire.NIL_VERSION} HTTP/1.1",
            f"Host: {server.addresses[0]}",
            f"X-Client-Id: {client_id}",
            f"Content-Type: {wire.SEGMENT_TYPE}",
            f"Content-Length: {len(SEGMENT)}",
            "Expect: 100-continue",  # Its answer is the proof that the request is in flight.
        )
        self._socket.sendall("\r\n".join((*headers, "", "")).encode())
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            chunk = self._socket.recv(1)
            assert chunk, "the server closed the connection instead of asking for the body"
            received += chunk
        assert received.startswith(b"HTTP/1.1 100")
        self._socket.sendall(SEGMENT[: len(SEGMENT) // 2])

    def finish(self):
        """Sends the rest and returns the status of the answer."""
        self._socket.sendall(SEGMENT[len(SEGMENT) // 2 :])
        answer = http.client.HTTPResponse(self._socket)
        answer.begin()
        return answer.status

    def close(self):
        self._socket.close()


@pytest.fixture
def upload(server, user):
    unfinished = UnfinishedUpload(server, user.client_id)
    yield unfinished
    unfinished.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_signal_ends_with_status_0(server, user, number):
    """If this fails, init systems and Ctrl-C count a normal stop as a crash, or stored data is gone."""
    assert wire.add_version(server.url, user.client_id).status == 200
    history = wire.history(server.url, user.client_id)
    server.stop(number)
    server.start()
    assert wire.history(server.url, user.client_id) == history


def test_request_in_flight_is_finished(server, user, upload):
    """If this fails, a restart of the server breaks the syncs that it falls upon."""
    server.send_signal(signal.SIGTERM)
    wait_until(lambda: not accepts_tcp(server.addresses[0]), PROMPT_S, "the server has stopped accepting")
    assert upload.finish() == 200
    server.wait_for_exit(PROMPT_S)
    server.start()
    assert [version.segment for version in wire.history(server.url, user.client_id)] == [SEGMENT]


def test_an_unfinished_request_does_not_delay_the_exit(server, user, upload):
    """If this fails, one stuck client keeps the server from restarting, until the init system kills it."""
    server.send_signal(signal.SIGTERM)
    server.wait_for_exit()
    server.start()
    assert wire.history(server.url, user.client_id) == []


def test_an_idle_connection_does_not_delay_the_exit(server):
    """If this fails, every restart waits for the keep-alive connections that real clients leave open."""
    connection = wire.connect(server.url)
    connection.request("GET", "/")
    assert connection.getresponse().read()
    server.send_signal(signal.SIGTERM)
    server.wait_for_exit(PROMPT_S)
    connection.close()
