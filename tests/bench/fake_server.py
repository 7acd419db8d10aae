"""A fake sync server for the tests of the load program. It keeps nothing: add-version gets a 200 with
a version ID made up on the spot, and get-child-version a 404.

    fake_server.py [--delay-ms N] [--lose-every N]

--delay-ms: each answer comes so many milliseconds after its request. --lose-every: every Nth request
gets no answer, and its connection is closed.

Prints the URL, and serves until its standard input ends.
"""

import argparse
import http.server
import itertools
import sys
import threading
import time
import uuid


class FakeHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    delay_seconds = 0.0
    lose_every = 0
    requests = itertools.count(1)

    def _answer(self, status, headers):
        if self.lose_every and next(self.requests) % self.lose_every == 0:
            self.close_connection = True
            return
        time.sleep(self.delay_seconds)  # the purpose of this server, not a wait for an event
        self.send_response(status)
        self.send_header("Cache-Control", "no-store, max-age=0")
        self.send_header("Content-Length", "0")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {"X-Version-Id": str(uuid.uuid4())})

    def do_GET(self):
        self._answer(404, {})

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--lose-every", type=int, default=0)
    arguments = parser.parse_args()
    FakeHandler.delay_seconds = arguments.delay_ms / 1000
    FakeHandler.lose_every = arguments.lose_every
    with Server(("127.0.0.1", 0), FakeHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
