"""Large segments and snapshots through a server with its default memory, several at a time, with and without TLS.

If these fail, a large history does not sync, or two of them at once end a server in a small machine.
"""

import hashlib
import http.client
import json
import os
import random
import re
import socket
import ssl
import uuid
from concurrent.futures import ThreadPoolExecutor

import admin
import pytest
import wire
from certificates import Authority
from server import ANY_PORT
from support import wait_until

MIB = 1 << 20
# More than would fit if bodies were whole in memory. Up to 100 MiB, and any number of them, for a person with patience:
# TCSYNC_LARGE_MIB=100 TCSYNC_LARGE_TRANSFERS=16.
TRANSFERS = int(os.environ.get("TCSYNC_LARGE_TRANSFERS", "3"))
LARGE_MIB = int(os.environ.get("TCSYNC_LARGE_MIB", "40"))
BUDGET = 128 * MIB
TIMEOUT_S = 300

# Of transfers that do not end: far more than sockets keep, and no more than they need.
BROKEN_MIB = 8
STALL_MS = 5000  # in which all of them begin, on a busy machine, too
STALLED_READERS = 8  # as many as one client may have (kLargeTransfersPerClientMax)
STALLED_WRITERS = 4
READER_KERNEL_BYTES = 64 << 10  # kept by the kernel for a client that does not read

ADD_VERSION = f"/v1/client/add-version/{wire.NIL_VERSION}"
GET_CHILD = f"/v1/client/get-child-version/{wire.NIL_VERSION}"
SNAPSHOT = "/v1/client/snapshot"


class Transport:
    """How a client reaches a server: plain, or with TLS."""

    def __init__(self, flags=(), context=None):
        self.flags = flags
        self.context = context

    def connect(self, server):
        connection = wire.connect(server.url, self.context)
        connection.timeout = TIMEOUT_S
        return connection

    def connect_slow_reader(self, server):
        """A connection for whose client the kernel keeps little."""
        host, port = server.addresses[0].rsplit(":", 1)
        plain_socket = socket.socket()
        plain_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READER_KERNEL_BYTES)
        plain_socket.settimeout(TIMEOUT_S)
        plain_socket.connect((host, int(port)))
        connection = self.connect(server)
        connection.sock = self.context.wrap_socket(plain_socket, server_hostname=host) if self.context else plain_socket
        return connection


@pytest.fixture(params=["plain", "TLS"])
def transport(request, tmp_path):
    if request.param == "plain":
        return Transport()
    authority = Authority(tmp_path)
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.issue(certificate, key)
    flags = ("--tls-cert", str(certificate), "--tls-key", str(key))
    return Transport(flags, ssl.create_default_context(cafile=authority.file))


def pieces_of(number, mib=LARGE_MIB):
    """The body of a transfer, MiB by MiB: the test has no more memory than the server."""
    block = random.Random(number).randbytes(MIB)
    for index in range(mib):
        yield index.to_bytes(8, "big") + block[8:]


def digest_of(number, mib=LARGE_MIB):
    digest = hashlib.sha256()
    for piece in pieces_of(number, mib):
        digest.update(piece)
    return digest.hexdigest()


def begin_upload(connection, path, content_type, client_id, mib=LARGE_MIB):
    connection.putrequest("POST", path)
    connection.putheader("X-Client-Id", client_id)
    connection.putheader("Content-Type", content_type)
    connection.putheader("Content-Length", str(mib * MIB))
    connection.endheaders()


def upload(connection, number, path, content_type, client_id, mib=LARGE_MIB):
    try:
        begin_upload(connection, path, content_type, client_id, mib)
        for piece in pieces_of(number, mib):
            connection.send(piece)
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def download(connection, path, client_id):
    """The status and the digest of the body."""
    try:
        connection.request("GET", path, headers={"X-Client-Id": client_id})
        answer = connection.getresponse()
        digest = hashlib.sha256()
        while piece := answer.read(MIB):
            digest.update(piece)
        return answer.status, digest.hexdigest()
    finally:
        connection.close()


def peak_bytes(server):
    """The most memory of its own that the process ever had resident."""
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmHWM"].split()[0]) * 1024


def connections_of(server):
    """The server's metrics of connections: {'served': ..., 'stalled': ..., 'bytes': ...}."""
    text = wire.request(server.metrics_url, "GET", "/metrics").body.decode()
    series = {
        "served": r'tcsync_connections\{state="served"\}',
        "stalled": r'tcsync_connections_ended_total\{reason="stalled"\}',
        "bytes": "tcsync_connection_bytes",
    }
    return {name: float(re.search(rf"^{pattern} (\S+)$", text, re.M)[1]) for name, pattern in series.items()}


def uploads_of(server):
    """How many large uploads are under way, and how much of them is on the disk."""
    backend = admin.api(server, "GET", "stats")[1]["backend"]
    return backend["rocksdb_uploads"], backend["rocksdb_upload_bytes"]


def test_large_bodies_pass_both_ways_in_little_memory(start_server, transport):
    """If this fails, an upload kills a server on a machine of 256 MB: the memory of its process is bounded here."""
    server = start_server(*transport.flags, memory_bytes_max=256 * MIB)
    clients = [str(uuid.uuid4()) for _ in range(TRANSFERS)]

    def upload_and_download(number):
        client_id = clients[number]
        answer = upload(transport.connect(server), number, ADD_VERSION, wire.SEGMENT_TYPE, client_id)
        assert answer.status == 200
        version_id = answer.headers["X-Version-Id"]
        assert download(transport.connect(server), GET_CHILD, client_id) == (200, digest_of(number))
        return version_id

    with ThreadPoolExecutor(TRANSFERS) as pool:
        version_ids = list(pool.map(upload_and_download, range(TRANSFERS)))
    peak = peak_bytes(server)
    print(f"{TRANSFERS} transfers of {LARGE_MIB} MiB at a time, both ways: {peak / MIB:.0f} MiB resident at most")
    assert peak < 1.5 * BUDGET

    # Snapshots likewise, and after a restart they are whole.
    add_snapshot = f"/v1/client/add-snapshot/{version_ids[0]}"
    answer = upload(transport.connect(server), 99, add_snapshot, wire.SNAPSHOT_TYPE, clients[0])
    assert answer.status == 200
    server.restart()
    assert download(transport.connect(server), SNAPSHOT, clients[0]) == (200, digest_of(99))
    assert peak_bytes(server) < 1.5 * BUDGET


def test_a_conflict_is_answered_before_the_body_is_sent(start_server, transport):
    """If this fails, a replica sends a large version to its end before it learns of a conflict."""
    server = start_server(*transport.flags)
    client_id = str(uuid.uuid4())
    first = upload(transport.connect(server), 1, ADD_VERSION, wire.SEGMENT_TYPE, client_id, mib=1)
    connection = transport.connect(server)
    try:
        begin_upload(connection, ADD_VERSION, wire.SEGMENT_TYPE, client_id)
        answer = connection.getresponse()
        assert answer.status == 409
        assert answer.headers["X-Parent-Version-Id"] == first.headers["X-Version-Id"]
    finally:
        connection.close()


def test_stalled_transfers_time_out(start_server, transport):
    """If this fails, computers that fall asleep in the middle of a transfer take memory until the server is restarted,
    and then no transfer is served; or a part of a version is stored."""
    flags = ("--body-timeout", str(STALL_MS), "--metrics-listen", ANY_PORT)
    server = start_server(*flags, *transport.flags, memory_bytes_max=256 * MIB)
    reading, *sending = (str(uuid.uuid4()) for _ in range(1 + STALLED_WRITERS))
    answer = upload(transport.connect(server), 1, ADD_VERSION, wire.SEGMENT_TYPE, reading, BROKEN_MIB)
    assert answer.status == 200

    uploads, downloads = [], []
    for client_id in sending:
        connection = transport.connect(server)
        begin_upload(connection, ADD_VERSION, wire.SEGMENT_TYPE, client_id, BROKEN_MIB)
        connection.send(next(pieces_of(2)))
        uploads.append(connection)
    for _ in range(STALLED_READERS):
        connection = transport.connect_slow_reader(server)
        connection.request("GET", GET_CHILD, headers={"X-Client-Id": reading})
        downloads.append(connection.getresponse())
        assert downloads[-1].read(MIB) == next(pieces_of(1))
    assert download(transport.connect(server), GET_CHILD, reading)[0] == 503, "the client has all that one may have"

    for connection in uploads:
        assert connection.getresponse().status == 408
        connection.close()
    wait_until(lambda: connections_of(server)["served"] == 0, TIMEOUT_S, "all of them are gone")
    assert connections_of(server) == {"served": 0, "stalled": len(uploads) + len(downloads), "bytes": 0}
    wait_until(lambda: uploads_of(server) == (0, 0), TIMEOUT_S, "nothing of an upload is kept")
    for answer in downloads:
        with pytest.raises((http.client.IncompleteRead, OSError)):
            answer.read()
        answer.close()

    assert download(transport.connect(server), GET_CHILD, reading) == (200, digest_of(1, BROKEN_MIB))
    for client_id in sending:
        assert download(transport.connect(server), GET_CHILD, client_id)[0] == 404
    answer = upload(transport.connect(server), 2, ADD_VERSION, wire.SEGMENT_TYPE, sending[0], BROKEN_MIB)
    assert answer.status == 200
    assert peak_bytes(server) < 1.5 * BUDGET


def test_aborted_uploads_store_nothing(start_server, transport):
    """If this fails, a connection that breaks leaves a part of a version or of a snapshot, or takes space for ever.
    Over TLS it ends as one that breaks does, without a close_notify."""
    server = start_server(*transport.flags)
    client_id, newcomer = str(uuid.uuid4()), str(uuid.uuid4())
    first = upload(transport.connect(server), 1, ADD_VERSION, wire.SEGMENT_TYPE, client_id, mib=1)
    first_id = first.headers["X-Version-Id"]
    uploads = [
        (ADD_VERSION, wire.SEGMENT_TYPE, newcomer),
        (f"/v1/client/add-version/{first_id}", wire.SEGMENT_TYPE, client_id),
        (f"/v1/client/add-snapshot/{first_id}", wire.SNAPSHOT_TYPE, client_id),
    ]
    reads = [(GET_CHILD, newcomer), (f"/v1/client/get-child-version/{first_id}", client_id), (SNAPSHOT, client_id)]

    connections = [transport.connect(server) for _ in uploads]
    for connection, parameters in zip(connections, uploads, strict=True):
        begin_upload(connection, *parameters, BROKEN_MIB)
        connection.send(next(pieces_of(2)))
    wait_until(lambda: uploads_of(server)[0] == len(uploads), TIMEOUT_S, "all of them are under way")
    for connection in connections:
        connection.close()  # Python's TLS says nothing then.
    wait_until(lambda: uploads_of(server) == (0, 0), TIMEOUT_S, "nothing of them is kept")
    for parameters in reads:
        assert download(transport.connect(server), *parameters)[0] == 404

    for number, parameters in enumerate(uploads):
        assert upload(transport.connect(server), number, *parameters, BROKEN_MIB).status == 200
    for number, parameters in enumerate(reads):
        assert download(transport.connect(server), *parameters) == (200, digest_of(number, BROKEN_MIB))


def test_a_large_history_moves_between_servers(start_server, tmp_path):
    """If this fails, a history with a large version or snapshot cannot leave its server. It passes the administration
    socket, which has no TLS."""
    plain = Transport()
    source = start_server(memory_bytes_max=256 * MIB)
    client_id = str(uuid.uuid4())
    answer = upload(plain.connect(source), 1, ADD_VERSION, wire.SEGMENT_TYPE, client_id)
    add_snapshot = f"/v1/client/add-snapshot/{answer.headers['X-Version-Id']}"
    assert upload(plain.connect(source), 2, add_snapshot, wire.SNAPSHOT_TYPE, client_id).status == 200
    exported = tmp_path / "client.ndjson"
    admin.succeed(source.data_dir, "clients", "export", client_id, "--output", exported)
    assert peak_bytes(source) < 1.5 * BUDGET
    source.stop()
    with exported.open("rb") as lines:
        lines.seek(-4096, os.SEEK_END)
        last_line = json.loads(lines.read().splitlines()[-1])
    assert last_line["type"] == "replicas"  # behind the last piece

    target = start_server(memory_bytes_max=256 * MIB)
    totals = admin.as_json(target.data_dir, "clients", "import", exported)
    assert (totals["versions_added"], totals["snapshots_stored"]) == (1, 1)
    assert download(plain.connect(target), GET_CHILD, client_id) == (200, digest_of(1))
    assert download(plain.connect(target), SNAPSHOT, client_id) == (200, digest_of(2))
    assert peak_bytes(target) < 1.5 * BUDGET
