#!/usr/bin/env python3
"""serve.py - a sync server inside a Python program that has an HTTP server of its own.

Here that is http.server, with a thread for each connection. Bodies pass in pieces, so that many large ones at a time
stay within the engine's memory budget. embed.py is shorter: there the library's own listener serves.

Run: TCSYNC_LIBRARY=PATH_OF_LIBTCSYNC serve.py DATA_DIR PORT; port 0 is any free one. Further options come from the
environment (docs/options.md).
"""

import contextlib
import io
import re
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import tcsync

HEAD_S, BODY_S, STALL_S, LINGER_S, GRACE_S = 30, 900, 30, 5, 10
CONNECTIONS_MAX = 2000
PIECE_BYTES = 64 * 1024


class Receiver(io.RawIOBase):
    """A socket's own timeout begins anew with each byte; here all bytes together have a deadline as well."""

    def __init__(self, connection):
        self.connection, self.deadline = connection, 0.0

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self.deadline - time.monotonic()
        self.connection.settimeout(min(max(left, 0.001), STALL_S))
        count = self.connection.recv_into(buffer)
        self.connection.settimeout(STALL_S)
        return count


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.receiver = Receiver(self.connection)
        self.rfile = io.BufferedReader(self.receiver, PIECE_BYTES)

    def handle_one_request(self):
        self.receiver.deadline = time.monotonic() + HEAD_S
        self.server.is_idle[self.connection] = True
        self.close_connection = self.server.is_ending
        if not self.close_connection:
            super().handle_one_request()

    def handle_expect_100(self):
        return True  # The engine knows whether the body is wanted.

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.exchange
        raise AttributeError(name)

    def exchange(self):
        self.server.is_idle[self.connection] = False
        if self.server.is_ending:
            self.close_connection = True
            return
        self.receiver.deadline = time.monotonic() + BODY_S
        lengths, codings = (self.headers.get_all(name, []) for name in ("Content-Length", "Transfer-Encoding"))
        is_framed = all(re.fullmatch("[0-9]{1,18}", text) for text in lengths) and codings in ([], ["chunked"])
        if not is_framed or len(lengths + codings) > 1 or self.headers.defects:
            self.send_error(400)
            return
        pieces = self.chunks() if codings else self.bytes_of(int(lengths[0]) if lengths else 0)
        # self.path is not what came: http.server takes slashes away at its beginning.
        target, address = self.requestline.split()[1], self.client_address[0]
        with self.server.engine.begin(self.command, target, self.headers.items(), peer_address=address) as request:
            if not request.answer and self.headers.get("Expect", "").lower() == "100-continue":
                super().handle_expect_100()
            while not request.answer and (piece := next(pieces, b"")):
                request.append(piece)
            # A body that broke off has raised an exception: it must not be finished, or it would be stored.
            is_unread = bool(request.answer and (lengths or codings))
            with request.finish() as answer:
                self.send(answer, is_last=is_unread or self.server.is_ending)
        if is_unread:
            # To close with unread bytes would reset the connection, and the client might lose the answer.
            self.connection.shutdown(socket.SHUT_WR)
            self.receiver.deadline = time.monotonic() + LINGER_S
            while self.rfile.read1(PIECE_BYTES):
                pass

    def send(self, answer, *, is_last):
        self.send_response_only(answer.status)
        ours = [("Content-Length", str(answer.size)), ("Date", self.date_time_string())]
        for name, value in [*answer.headers, *ours, *([("Connection", "close")] if is_last else [])]:
            self.send_header(name, value)
        self.end_headers()
        for piece in answer if self.command != "HEAD" else ():
            self.wfile.write(piece)

    def bytes_of(self, size):
        while size > 0:
            piece = self.rfile.read1(min(size, PIECE_BYTES))
            if not piece:
                raise ConnectionError("the body broke off")
            size -= len(piece)
            yield piece

    def chunks(self):
        while size := int(self.line(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?\r\n")[1], 16):
            yield from self.bytes_of(size)
            self.line(rb"\r\n")
        while self.line(rb".*\r\n")[0] != b"\r\n":
            pass

    def line(self, pattern):
        found = re.fullmatch(pattern, self.rfile.readline(1024))
        if not found:
            raise ConnectionError("the body broke off, or is malformed")
        return found


class Server(ThreadingHTTPServer):
    daemon_threads = False  # So that server_close waits for them.
    request_queue_size = 128
    is_ending = False

    def __init__(self, port, engine):
        super().__init__(("127.0.0.1", port), Handler)
        self.engine, self.is_idle = engine, {}

    def verify_request(self, _connection, _address):
        return len(self.is_idle) < CONNECTIONS_MAX

    def shutdown_request(self, connection):
        self.is_idle.pop(connection, None)
        super().shutdown_request(connection)

    def cut(self, *, only_idle):
        for connection, is_idle in list(self.is_idle.items()):
            if is_idle or not only_idle:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)

    def handle_error(self, _connection, address):
        sys.stderr.write(f"a request from {address[0]} failed: {sys.exc_info()[1]}\n")


def log(level, text):
    sys.stderr.write(f"{level.name} {text}\n")


def main(data_dir, port):
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    options = {"data-dir": data_dir}
    with tcsync.Engine.open(options, environment=True, log=log) as engine, Server(port, engine) as server:
        threading.Thread(target=server.serve_forever).start()
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        signal.sigwait(signals)
        server.is_ending = True
        server.cut(only_idle=True)
        server.shutdown()
        timer = threading.Timer(GRACE_S, server.cut, kwargs={"only_idle": False})
        timer.start()
        server.server_close()
        timer.cancel()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except (IndexError, ValueError):
        sys.exit(f"usage: {sys.argv[0]} DATA_DIR PORT, with TCSYNC_LIBRARY set")
    except (tcsync.TcsyncError, OSError, OverflowError) as error:
        sys.exit(f"serve.py: {error}")
