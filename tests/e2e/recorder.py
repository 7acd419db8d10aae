"""An HTTP pass-through between a replica and the server: it records requests and answers, and can run an action
at an exact moment, just before a request is passed on."""

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import wire

# These belong to one connection, not to the message.
CONNECTION_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class PassThroughHandler(BaseHTTPRequestHandler):
    """Answers as another server does. `pass_on(body)` asks that one: its answer, or None, which ends the connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # One write per answer; separate small ones would wait for the client's acknowledgement.

    def do_GET(self):
        answer = self.pass_on(self.rfile.read(int(self.headers.get("Content-Length", 0))) or None)
        if answer is None:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in _end_to_end(answer.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; `operation` is the endpoint's name, `argument` the version ID after it."""

    method: str
    operation: str
    argument: str
    status: int
    headers: http.client.HTTPMessage


class Recorder:
    """Listens on a loopback port of its own; `url` takes the place of the server's."""

    def __init__(self, server_url):
        self.exchanges = []
        self._server_url = server_url
        self._before_next = {}
        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._listener.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._listener.server_port}"
        threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self._listener.shutdown()
        self._listener.server_close()

    def before_next(self, operation, action):
        """Calls `action()` once, when the next such request has arrived here and has not yet reached the server."""
        self._before_next[operation] = action

    def of(self, operation):
        """The exchanges of one operation so far."""
        return [exchange for exchange in self.exchanges if exchange.operation == operation]

    def statuses(self, operation):
        return [exchange.status for exchange in self.of(operation)]

    def _pass_on(self, method, path, headers, body):
        operation, _, argument = path.partition("/v1/client/")[2].partition("/")
        action = self._before_next.pop(operation, None)
        if action:
            action()
        connection = wire.connect(self._server_url)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer = wire.Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()
        self.exchanges.append(Exchange(method, operation, argument, answer.status, answer.headers))
        return answer

    def _handler_class(self):
        recorder = self

        class Handler(PassThroughHandler):
            def pass_on(self, body):
                return recorder._pass_on(self.command, self.path, _end_to_end(self.headers), body)

        return Handler


def _end_to_end(headers):
    return {name: value for name, value in headers.items() if name.lower() not in CONNECTION_HEADERS}
