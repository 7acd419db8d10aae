"""Large segments and snapshots through a server with its default memory, several at a time.

If these fail, a large history does not sync, or two of them at once end a server in a small machine.
"""

import hashlib
import json
import os
import random
import uuid
from concurrent.futures import ThreadPoolExecutor

import admin
import wire

MIB = 1 << 20
# More than would fit if bodies were whole in memory. Up to 100 MiB, and any number of them, for a person with patience:
# TCSYNC_LARGE_MIB=100 TCSYNC_LARGE_TRANSFERS=16.
TRANSFERS = int(os.environ.get("TCSYNC_LARGE_TRANSFERS", "3"))
BYTES = int(os.environ.get("TCSYNC_LARGE_MIB", "40")) * MIB
BUDGET = 128 * MIB
TIMEOUT_S = 300


def pieces_of(number):
    """The body of a transfer, MiB by MiB: the test has no more memory than the server."""
    block = random.Random(number).randbytes(MIB)
    for index in range(BYTES // MIB):
        yield index.to_bytes(8, "big") + block[8:]


def digest_of(number):
    digest = hashlib.sha256()
    for piece in pieces_of(number):
        digest.update(piece)
    return digest.hexdigest()


def upload(url, number, path, content_type, client_id):
    connection = wire.connect(url)
    connection.timeout = TIMEOUT_S
    try:
        headers = {"X-Client-Id": client_id, "Content-Type": content_type, "Content-Length": str(BYTES)}
        connection.request("POST", path, pieces_of(number), headers, encode_chunked=False)
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def download(url, path, client_id):
    """The status and the digest of the body."""
    connection = wire.connect(url)
    connection.timeout = TIMEOUT_S
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


def test_large_bodies_pass_both_ways_in_little_memory(start_server):
    """A bound on all memory of the process is what a machine of 256 MB leaves it."""
    server = start_server(memory_bytes_max=256 * MIB)
    clients = [str(uuid.uuid4()) for _ in range(TRANSFERS)]

    def there_and_back(number):
        client_id = clients[number]
        answer = upload(
            server.url, number, f"/v1/client/add-version/{wire.NIL_VERSION}", wire.SEGMENT_TYPE, client_id
        )
        assert answer.status == 200
        version_id = answer.headers["X-Version-Id"]
        status, digest = download(server.url, f"/v1/client/get-child-version/{wire.NIL_VERSION}", client_id)
        assert (status, digest) == (200, digest_of(number))
        return version_id

    with ThreadPoolExecutor(TRANSFERS) as pool:
        version_ids = list(pool.map(there_and_back, range(TRANSFERS)))
    peak = peak_bytes(server)
    print(f"{TRANSFERS} transfers of {BYTES // MIB} MiB at a time, both ways: {peak / MIB:.0f} MiB resident at most")
    assert peak < 1.5 * BUDGET

    # Snapshots likewise, and after a restart they are whole.
    answer = upload(server.url, 99, f"/v1/client/add-snapshot/{version_ids[0]}", wire.SNAPSHOT_TYPE, clients[0])
    assert answer.status == 200
    server.restart()
    assert download(server.url, "/v1/client/snapshot", clients[0]) == (200, digest_of(99))
    assert peak_bytes(server) < 1.5 * BUDGET


def test_a_conflict_is_answered_before_the_body_is_sent(start_server):
    server = start_server()
    client_id = str(uuid.uuid4())
    latest = wire.add_version(server.url, client_id).headers["X-Version-Id"]
    connection = wire.connect(server.url)
    try:
        connection.putrequest("POST", f"/v1/client/add-version/{wire.NIL_VERSION}")
        connection.putheader("X-Client-Id", client_id)
        connection.putheader("Content-Type", wire.SEGMENT_TYPE)
        connection.putheader("Content-Length", str(BYTES))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 409
        assert answer.headers["X-Parent-Version-Id"] == latest
    finally:
        connection.close()


def test_a_large_history_moves_between_servers(start_server, tmp_path):
    """If this fails, a history with a large version or snapshot cannot leave its server."""
    here = start_server(memory_bytes_max=256 * MIB)
    client_id = str(uuid.uuid4())
    answer = upload(here.url, 1, f"/v1/client/add-version/{wire.NIL_VERSION}", wire.SEGMENT_TYPE, client_id)
    version_id = answer.headers["X-Version-Id"]
    assert upload(here.url, 2, f"/v1/client/add-snapshot/{version_id}", wire.SNAPSHOT_TYPE, client_id).status == 200
    exported = tmp_path / "client.ndjson"
    admin.succeed(here.data_dir, "clients", "export", client_id, "--output", exported)
    assert peak_bytes(here) < 1.5 * BUDGET
    here.stop()
    with exported.open("rb") as lines:
        lines.seek(-4096, os.SEEK_END)
        last_line = json.loads(lines.read().splitlines()[-1])
    assert last_line["type"] == "replicas"  # behind the last piece

    there = start_server(memory_bytes_max=256 * MIB)
    totals = admin.as_json(there.data_dir, "clients", "import", exported)
    assert (totals["versions_added"], totals["snapshots_stored"]) == (1, 1)
    child = f"/v1/client/get-child-version/{wire.NIL_VERSION}"
    assert download(there.url, child, client_id) == (200, digest_of(1))
    assert download(there.url, "/v1/client/snapshot", client_id) == (200, digest_of(2))
    assert peak_bytes(there) < 1.5 * BUDGET
