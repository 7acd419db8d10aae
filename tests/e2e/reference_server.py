"""A stand-in for the reference server: it speaks the protocol as far as one replica after another needs it, and keeps
its data in the reference server's SQLite schema, with random version IDs as that server makes them."""

import http.server
import sqlite3
import threading
import time
import uuid

import wire

SCHEMA = """
CREATE TABLE clients (client_id STRING PRIMARY KEY, latest_version_id STRING, snapshot_version_id STRING,
                      versions_since_snapshot INTEGER, snapshot_timestamp INTEGER, snapshot BLOB);
CREATE TABLE versions (version_id STRING PRIMARY KEY, client_id STRING, parent_version_id STRING,
                       history_segment BLOB);
CREATE INDEX versions_by_parent ON versions (parent_version_id);
"""
FILE_NAME = "taskchampion-sync-server.sqlite3"


def connect(directory):
    return sqlite3.connect(directory / FILE_NAME, isolation_level=None)


class ReferenceServer:
    """Keeps its database in `directory`. `url` is where it serves until it is closed."""

    def __init__(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        with connect(directory) as database:
            database.executescript(SCHEMA)
        self._listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._listener.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._listener.server_port}"
        threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def database(self):
        return self._directory / FILE_NAME

    def close(self):
        self._listener.shutdown()
        self._listener.server_close()

    def answer(self, method, path, client_id, body):
        """(status, headers, body) of one request."""
        operation, _, argument = path.partition("/v1/client/")[2].partition("/")
        with connect(self._directory) as database:
            found = database.execute(
                "SELECT latest_version_id, snapshot_version_id, snapshot FROM clients WHERE client_id = ?", (client_id,)
            ).fetchone()
            latest, snapshot_id, snapshot = found or (wire.NIL_VERSION, None, None)
            if operation == "get-child-version":
                child = database.execute(
                    "SELECT version_id, history_segment FROM versions WHERE client_id = ? AND parent_version_id = ?",
                    (client_id, argument),
                ).fetchone()
                if child is None:
                    return (404 if argument == latest or not found else 410), {}, b""
                headers = {"Content-Type": wire.SEGMENT_TYPE, "X-Version-Id": child[0], "X-Parent-Version-Id": argument}
                return 200, headers, child[1]
            if operation == "snapshot":
                if snapshot is None:
                    return 404, {}, b""
                return 200, {"Content-Type": wire.SNAPSHOT_TYPE, "X-Version-Id": snapshot_id}, snapshot
            if operation == "add-snapshot":
                database.execute(
                    "UPDATE clients SET snapshot_version_id = ?, snapshot = ?, snapshot_timestamp = ?, "
                    "versions_since_snapshot = 0 WHERE client_id = ?",
                    (argument, body, int(time.time()), client_id),
                )
                return 200, {}, b""
            assert (method, operation) == ("POST", "add-version")
            if latest not in (wire.NIL_VERSION, argument):
                return 409, {"X-Parent-Version-Id": latest}, b""
            version_id = str(uuid.uuid4())
            database.execute("INSERT OR IGNORE INTO clients (client_id) VALUES (?)", (client_id,))
            database.execute("INSERT INTO versions VALUES (?, ?, ?, ?)", (version_id, client_id, argument, body))
            database.execute("UPDATE clients SET latest_version_id = ? WHERE client_id = ?", (version_id, client_id))
            headers = {"X-Version-Id": version_id}
            return 200, headers | ({} if snapshot else {"X-Snapshot-Request": "urgency=high"}), b""

    def _handler_class(self):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, answer = server.answer(self.command, self.path, self.headers["X-Client-Id"], body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = _serve

            def log_message(self, *_):
                pass

        return Handler
