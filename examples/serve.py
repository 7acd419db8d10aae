#!/usr/bin/env python3
"""serve.py - a sync server inside a Python program that has an HTTP server of its own.

Here that is http.server, with a thread for each connection. Bodies pass in pieces, so that many large ones at a time
stay within the engine's memory budget. embed.py is shorter: there the library's own listener serves.

Run: TCSYNC_LIBRARY=PATH_OF_LIBTCSYNC serve.py DATA_DIR PORT; port 0 is any free one. Further options come from the
environment (docs/options.md).
"""

import contextlib
import re
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import tcsync

CONNECTIONS_MAX = 2000
GRACE_S = 10
PIECE_BYTES = 64 * 1024


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Seconds without a byte. http.server does not bound the time of a whole request: strangers need a proxy before it.
    timeout = 30

    def handle_one_request(self):
        self.server.idle.add(self.connection)
        super().handle_one_request()

    def exchange(self):
        self.server.idle.discard(self.connection)
        lengths = self.headers.get_all("Content-Length", ["0"])
        if "Transfer-Encoding" in self.headers:
            self.send_error(411)  # http.server does not read bodies in chunks.
            return
        if self.headers.defects or len(lengths) > 1 or not re.fullmatch("[0-9]{1,18}", lengths[0]):
            self.send_error(400)
            return
        pieces = self.pieces(int(lengths[0]))
        # self.path is not the received path: http.server removes slashes at its beginning.
        target, address = self.requestline.split()[1], self.client_address[0]
        with self.server.engine.begin(self.command, target, self.headers.items(), peer_address=address) as request:
            while not request.answer and (piece := next(pieces, b"")):
                request.append(piece)
            # A truncated body has raised an exception: it must not be finished, or it would be stored.
            with request.finish() as answer:
                self.send(answer)
        for _ in pieces:  # A connection that is closed while its client still sends loses the answer.
            pass

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = exchange

    def pieces(self, size):
        while size > 0:
            piece = self.rfile.read1(min(size, PIECE_BYTES))
            if not piece:
                raise ConnectionError("the body broke off")
            size -= len(piece)
            yield piece

    def send(self, answer):
        self.close_connection |= self.server.is_ending
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(answer.size))
        self.send_header("Date", self.date_time_string())
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            for piece in answer:
                self.wfile.write(piece)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # So that server_close waits for them.
    request_queue_size = 128
    is_ending = False

    def __init__(self, port, engine):
        super().__init__(("127.0.0.1", port), Handler)
        self.engine, self.connections, self.idle = engine, set(), set()

    def verify_request(self, connection, _address):
        self.connections.add(connection)
        return len(self.connections) <= CONNECTIONS_MAX

    def shutdown_request(self, connection):
        self.connections.discard(connection)
        self.idle.discard(connection)
        super().shutdown_request(connection)

    def handle_error(self, _connection, address):
        sys.stderr.write(f"a request from {address[0]} failed: {sys.exc_info()[1]}\n")


def log(record):
    sys.stderr.write(f"{record.level.name} {record}\n")


def cut(connections):
    for connection in list(connections):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RD)


def main(data_dir, port):
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    options = {"data-dir": data_dir}
    with tcsync.Engine.open(options, environment=True, log=log) as engine, Server(port, engine) as server:
        threading.Thread(target=server.serve_forever).start()
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        signal.sigwait(signals)
        server.is_ending = True
        server.shutdown()
        cut(server.idle)
        timer = threading.Timer(GRACE_S, cut, [server.connections])
        timer.start()
        server.server_close()  # Waits for the threads of open requests.
        timer.cancel()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except (IndexError, ValueError):
        sys.exit(f"usage: {sys.argv[0]} DATA_DIR PORT, with TCSYNC_LIBRARY set")
    except (tcsync.TcsyncError, OSError, OverflowError) as error:
        sys.exit(f"serve.py: {error}")
