"""The examples that serve, all by the same checks. If one of these fails, people start from an example that
loses versions, stores halves of them, or falls over with the memory that one client takes.

embedders.py has the languages; --language LANGUAGE tests one.
"""

import contextlib
import http.client
import random
import signal
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import embedders
import pytest
import wire
from support import wait_until

MIB = 1 << 20
REPLICAS = 100
VERSIONS_EACH = 3

STALLED_UPLOADS = 30
STALLED_BYTES = 20 * MIB
STALLED_SENT = 10 * MIB
STALLED_BUDGET = 128 * MIB

RUNNING_UPLOADS = 10
RUNNING_BYTES = 256 << 10
RUNNING_PIECE = 16 << 10

# Fields of an answer that are the HTTP server's own.
OWN_FIELDS = ("connection", "content-length", "date", "keep-alive", "transfer-encoding")

ADD_FIRST = f"/v1/client/add-version/{wire.NIL_VERSION}"


def new_id():
    return str(uuid.uuid4())


def content(number, size):
    return random.Random(number).randbytes(size)


def raw_connection(embedder):
    host, port = embedder.url.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=wire.TIMEOUT_S)


def upload_head(client_id, length, path=ADD_FIRST):
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Client-Id: {client_id}\r\n"
        f"Content-Type: {wire.SEGMENT_TYPE}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def read_answer(connection, method="POST"):
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    return wire.Response(answer.status, answer.headers, answer.read())


def lacks(language, feature):
    return feature in embedders.LANGUAGES[language].lacks


def exchange_until_closed(connection, data):
    """All that the server answers before it closes the connection, which may be before it has taken everything."""
    received = b""
    with contextlib.suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return received


def run_concurrently(count, function):
    """Runs function(0) to function(count - 1) at the same time."""
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait(wire.TIMEOUT_S)
        return function(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_concurrent_replicas_lose_no_version(start):
    """If this fails, versions are lost when many replicas add them at the same time."""
    embedder = start()
    clients = [new_id() for _ in range(REPLICAS)]

    def replica(number):
        connection = wire.connect(embedder.url)
        parent, segments = wire.NIL_VERSION, []
        for index in range(VERSIONS_EACH):
            segments.append(content(f"{number}.{index}", 1000 * index * index + number + 1))
            headers = {"X-Client-Id": clients[number], "Content-Type": wire.SEGMENT_TYPE}
            connection.request("POST", f"/v1/client/add-version/{parent}", segments[-1], headers)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
            parent = answer.headers["X-Version-Id"]
        connection.close()
        return segments

    added = run_concurrently(REPLICAS, replica)
    histories = run_concurrently(REPLICAS, lambda number: wire.history(embedder.url, clients[number]))
    assert [[version.segment for version in history] for history in histories] == added
    embedder.restart()
    assert [version.segment for version in wire.history(embedder.url, clients[-1])] == added[-1]


def test_taskwarrior_syncs(start, user, new_replica):
    """If this fails, a user of the example cannot sync two computers."""
    embedder = start()
    laptop, desktop = (new_replica(embedder.url, user) for _ in range(2))
    first = laptop.add("water the plants")
    laptop.sync()
    desktop.sync()
    second = desktop.add("feed the cat")
    desktop.sync()
    laptop.sync()
    assert laptop.export() == desktop.export()
    assert set(laptop.export()) == {first, second}


def test_answers_equal_those_of_tcsync_server(start, start_server):
    """If this fails, replicas get other answers than from tcsync-server: paths, methods or answers are changed."""
    embedder, server = start(), start_server()
    known, unknown = new_id(), new_id()
    doubled = f"X-Client-Id: {known}\r\nX-Client-Id: {unknown}\r\n"
    requests = [
        ("GET", "/", ""),
        ("HEAD", "/", ""),
        ("GET", "/?a=%20b", ""),
        ("GET", "//v1/client/snapshot", f"X-Client-Id: {known}\r\n"),
        ("GET", "/v1/client/../client/snapshot", f"X-Client-Id: {known}\r\n"),
        ("GET", "/nowhere", ""),
        ("GET", "/v1/client/snapshot", ""),
        ("GET", "/v1/client/snapshot", f"x-client-id: {known}\r\n"),
        ("GET", "/v1/client/snapshot", "X-Client-Id:\r\n"),
        ("GET", "/v1/client/snapshot", doubled),
        ("GET", "/v1/client/snapshot?", f"X-Client-Id: {known}\r\n"),
        ("HEAD", "/v1/client/snapshot", f"X-Client-Id: {known}\r\n"),
        ("DELETE", "/v1/client/snapshot", f"X-Client-Id: {known}\r\n"),
        ("OPTIONS", "/v1/client/snapshot", f"X-Client-Id: {known}\r\n"),
        ("GET", f"/v1/client/get-child-version/{wire.NIL_VERSION}", f"X-Client-Id: {unknown}\r\n"),
        ("GET", "/v1/client/get-child-version/no-uuid", f"X-Client-Id: {known}\r\n"),
        ("POST", ADD_FIRST, f"X-Client-Id: {known}\r\nContent-Length: 0\r\n"),
        ("POST", ADD_FIRST, f"X-Client-Id: {known}\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n"),
    ]

    def ask(target, method, path, fields):
        with raw_connection(target) as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
            answer = read_answer(connection, method)
        headers = sorted(
            (name.lower(), value) for name, value in answer.headers.items() if name.lower() not in OWN_FIELDS
        )
        length = answer.headers["Content-Length"]
        return answer.status, length, headers, answer.body

    for request in requests:
        assert ask(embedder, *request) == ask(server, *request), request


def test_a_snapshot_of_three_mib_passes_both_ways(start):
    """If this fails, a user with many tasks cannot upload a snapshot, or gets a part of it."""
    embedder = start()
    client_id, snapshot = new_id(), content("snapshot", 3 * MIB)
    added = wire.add_version(embedder.url, client_id)
    assert added.status == 200
    version_id = added.headers["X-Version-Id"]
    assert wire.add_snapshot(embedder.url, client_id, version_id, snapshot).status == 200
    answer = wire.get_snapshot(embedder.url, client_id)
    assert (answer.status, answer.headers["X-Version-Id"]) == (200, version_id)
    assert answer.body == snapshot


def chunked(body, size=5000):
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        yield f"{len(piece):x};extension=1\r\n".encode() + piece + b"\r\n"


def test_unusual_clients_are_served(start, language):
    """If this fails, replicas with another HTTP library cannot sync: their heads come byte by byte, they send Expect:
    100-continue, or a chunked body."""
    embedder = start()
    client_id, segment = new_id(), content("segment", 300_000)
    with raw_connection(embedder) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = upload_head(client_id, len(segment)).replace(
            b"Content-Length", b"Expect: 100-continue\r\nContent-Length"
        )
        for byte in head:
            connection.sendall(bytes([byte]))
        interim = b""
        while not interim.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
            interim += byte
        assert interim.startswith(b"HTTP/1.1 100 ")
        connection.sendall(segment)
        added = read_answer(connection)
        assert added.status == 200
    stored = [segment]
    if not lacks(language, "chunked bodies"):
        head = upload_head(client_id, 0, f"/v1/client/add-version/{added.headers['X-Version-Id']}")
        stored.append(segment[::-1])
        with raw_connection(embedder) as connection:
            connection.sendall(head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
            for piece in chunked(stored[-1]):
                connection.sendall(piece)
            trailers = b"" if lacks(language, "trailers") else b"Trailer: ignored\r\n"
            connection.sendall(b"0\r\n" + trailers + b"\r\n")
            assert read_answer(connection).status == 200
    assert [version.segment for version in wire.history(embedder.url, client_id)] == stored


def test_pipelined_requests_are_served(start, language):
    """If this fails, clients that pipeline get wrong answers, or none."""
    if lacks(language, "further requests"):
        pytest.skip(f"the HTTP server of {language} takes one request a connection")
    embedder = start()
    client_id, segment = new_id(), content("segment", 300_000)
    with raw_connection(embedder) as connection:
        connection.sendall(upload_head(client_id, len(segment)) + segment)
        parent = read_answer(connection).headers["X-Version-Id"]
        connection.sendall(upload_head(client_id, len(segment), f"/v1/client/add-version/{parent}") + segment[::-1])
        assert read_answer(connection).status == 200

    get = f"GET /v1/client/get-child-version/%s HTTP/1.1\r\nHost: localhost\r\nX-Client-Id: {client_id}\r\n\r\n"
    with raw_connection(embedder) as connection:
        head = "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sendall((head + get % wire.NIL_VERSION + get % parent).encode())
        stream = connection.makefile("rb")
        assert stream.readline().startswith(b"HTTP/1.1 200")
        http.client.parse_headers(stream)
        bodies = []
        for _ in range(2):
            assert stream.readline().startswith(b"HTTP/1.1 200")
            fields = http.client.parse_headers(stream)
            bodies.append(stream.read(int(fields["Content-Length"])))
    assert bodies == [segment, segment[::-1]]


def test_ambiguous_heads_store_nothing(start, language):
    """If this fails, two different lengths let a request hide in another one's body."""
    embedder = start()
    client_id = new_id()
    head = upload_head(client_id, 7)
    chunks = b"7\r\nsegment\r\n0\r\n\r\n"
    for ambiguous_head, body in (
        (head.replace(b"\r\n\r\n", b"\r\nContent-Length: 8\r\n\r\n"), b"segment"),
        (head.replace(b"Content-Length: 7", b"Content-Length: +7"), b"segment"),
        (head.replace(b"Content-Length: 7", b"Content-Length: -7"), b"segment"),
        (head.replace(b"Content-Length: 7", b"Content-Length : 7"), b"segment"),
        (head.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked, identity"), chunks),
        (head.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked"), b"+7\r\nsegment\r\n0\r\n\r\n"),
        (
            head.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked"),
            b"fffffffffffffffff7\r\nsegment\r\n0\r\n\r\n",
        ),
    ):
        if b"+7" in ambiguous_head and lacks(language, "strict lengths"):
            continue
        with raw_connection(embedder) as connection:
            answer = exchange_until_closed(connection, ambiguous_head + body)
        assert not answer or answer.split(b" ", 2)[1] in (b"400", b"411", b"501"), (ambiguous_head, answer)
    assert wire.history(embedder.url, client_id) == []


@pytest.fixture(params=["length", "chunked"])
def framing(request, language):
    if request.param == "chunked" and lacks(language, "chunked bodies"):
        pytest.skip(f"the HTTP server of {language} takes no chunked bodies")
    return request.param


def test_a_truncated_body_is_not_stored(start, framing):
    """If this fails, a part of a version is stored as the whole, and no replica can read on."""
    embedder = start()
    client_id, segment = new_id(), content("broken", 3 * MIB)
    for sent in (0, 1, 100_000, 2 * MIB, len(segment) - 1):
        head = upload_head(client_id, len(segment))
        body = segment[:sent]
        if framing == "chunked":
            head = head.replace(f"Content-Length: {len(segment)}".encode(), b"Transfer-Encoding: chunked")
            body = b"".join(chunked(body))
        with raw_connection(embedder) as connection:
            exchange_until_closed(connection, head + body)
        assert wire.history(embedder.url, client_id) == [], f"after {sent} bytes"
    assert wire.add_version(embedder.url, client_id, segment=segment).status == 200


def test_a_lost_client_leaves_no_memory_behind(start):
    """If this fails, clients that vanish in the middle of an answer or a body keep their memory for ever."""
    embedder = start(TCSYNC_MEMORY_BUDGET="16M", TCSYNC_CLIENT_BYTES_MAX="0")
    client_id, segment = new_id(), content("large", 20 * MIB)
    assert wire.add_version(embedder.url, client_id, segment=segment).status == 200
    get = f"GET /v1/client/get-child-version/{wire.NIL_VERSION} HTTP/1.1\r\nHost: h\r\nX-Client-Id: {client_id}\r\n\r\n"
    for _ in range(40):  # More than the budget has room for, were they kept.
        with raw_connection(embedder) as connection:
            connection.sendall(get.encode())
            assert connection.recv(100_000)
        with raw_connection(embedder) as connection:
            connection.sendall(upload_head(new_id(), len(segment)) + segment[: 1 * MIB])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until(
        lambda: wire.get_child_version(embedder.url, client_id, wire.NIL_VERSION).status == 200,
        wire.TIMEOUT_S,
        "an answer has room again",
    )
    assert wire.history(embedder.url, client_id)[0].segment == segment


def test_idle_connections_do_not_block_others(start):
    """If this fails, a thousand idle connections, of which half have begun a request, stop the program."""
    embedder = start()
    before = embedder.resident_bytes()
    idle = []
    for number in range(1000):
        idle.append(raw_connection(embedder))
        if number % 2 == 0:
            idle[-1].sendall(b"GET /")
    client_id = new_id()
    assert wire.add_version(embedder.url, client_id).status == 200
    assert len(wire.history(embedder.url, client_id)) == 1
    growth = embedder.resident_bytes() - before
    print(f"1000 idle connections: {before / MIB:.0f} MiB before, {growth / MIB:.0f} MiB more")
    for connection in idle:
        connection.close()


def test_a_body_over_the_limit_is_refused_at_once(start, framing):
    """If this fails, a client that sends its body to the end before it reads does not see the refusal."""
    embedder = start(TCSYNC_BODY_BYTES_MAX="1M")
    client_id, size = new_id(), 8 * MIB
    head = upload_head(client_id, size)
    body = bytes(size)
    if framing == "chunked":
        head = head.replace(f"Content-Length: {size}".encode(), b"Transfer-Encoding: chunked")
        body = b"".join(chunked(body, 65536)) + b"0\r\n\r\n"
    with raw_connection(embedder) as connection:
        connection.sendall(head + body)
        assert read_answer(connection).status == 413
    assert wire.history(embedder.url, client_id) == []


def test_a_conflict_is_answered_before_the_body_is_sent(start, language):
    """If this fails, a replica on a slow line uploads megabytes for a conflict."""
    embedder = start()
    client_id = new_id()
    assert wire.add_version(embedder.url, client_id).status == 200
    with raw_connection(embedder) as connection:
        connection.sendall(upload_head(client_id, 8 * MIB))
        assert read_answer(connection).status == 409
    if lacks(language, "refusals before a 100"):
        return
    with raw_connection(embedder) as connection:  # Without the 100 that would ask for it.
        head = upload_head(client_id, 8 * MIB).replace(b"Content-Length", b"Expect: 100-continue\r\nContent-Length")
        connection.sendall(head)
        assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 409")


def test_stalled_uploads_take_little_memory(start):
    """If this fails, as many clients with a bad connection as a small office has take all memory of the machine."""
    # The first upload stalls until the last one's half has been read, which a slow disk delays.
    embedder = start(TCSYNC_MEMORY_BUDGET=str(STALLED_BUDGET), TCSYNC_BODY_TIMEOUT="600000")
    clients = [new_id() for _ in range(STALLED_UPLOADS)]
    warm_up = wire.add_version(embedder.url, new_id(), segment=content("warm up", MIB))
    assert warm_up.status == 200
    before = embedder.resident_bytes()
    connections = [raw_connection(embedder) for _ in clients]
    segment = content("stalled", STALLED_BYTES)

    def send_half(number):
        connections[number].sendall(upload_head(clients[number], STALLED_BYTES) + segment[:STALLED_SENT])

    def send_rest(number):
        with connections[number] as connection:
            connection.sendall(segment[STALLED_SENT:])
            return read_answer(connection).status

    run_concurrently(STALLED_UPLOADS, send_half)
    wait_until(lambda: embedder.bytes_under_way() == 0, wire.TIMEOUT_S, "the example has read all bytes")
    during = embedder.resident_bytes()
    print(f"{STALLED_UPLOADS} stalled uploads: {before / MIB:.0f} MiB before, {during / MIB:.0f} MiB during")
    assert during - before < STALLED_BUDGET
    # They were all under way: each can continue.
    assert run_concurrently(STALLED_UPLOADS, send_rest) == [200] * STALLED_UPLOADS
    assert wire.history(embedder.url, clients[0])[0].segment == segment


@dataclass
class Writer:
    """A client that adds version after version, slowly, and keeps the acknowledged ones."""

    embedder: object
    client_id: str = field(default_factory=new_id)
    acknowledged: list = field(default_factory=list)

    def run(self):
        parent = wire.NIL_VERSION
        connection = raw_connection(self.embedder)
        try:
            while True:
                segment = content(f"{self.client_id}{parent}", RUNNING_BYTES)
                connection.sendall(upload_head(self.client_id, len(segment), f"/v1/client/add-version/{parent}"))
                for start in range(0, len(segment), RUNNING_PIECE):
                    connection.sendall(segment[start : start + RUNNING_PIECE])
                answer = read_answer(connection)
                assert answer.status in (200, 503)
                if answer.status == 200:
                    parent = answer.headers["X-Version-Id"]
                    self.acknowledged.append((parent, segment))
                if answer.headers["Connection"] == "close":
                    connection.close()
                    connection = raw_connection(self.embedder)
        except (OSError, http.client.HTTPException):
            pass  # The program has ended.
        finally:
            connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_every_stored_version(start, number):
    """If this fails, a restart of the program loses an acknowledged version, or stores one without an answer."""
    embedder = start()
    writers = [Writer(embedder) for _ in range(RUNNING_UPLOADS)]
    with ThreadPoolExecutor(RUNNING_UPLOADS) as pool:
        runs = [pool.submit(writer.run) for writer in writers]
        try:
            wait_until(
                lambda: all(len(writer.acknowledged) > 2 for writer in writers), wire.TIMEOUT_S, "all are writing"
            )
            begin = time.monotonic()
            embedder.stop(number)
            is_in_time = time.monotonic() - begin < embedders.GRACE_S
        except BaseException:
            embedder.kill()  # which ends the writers
            raise
        for run in runs:
            run.result(wire.TIMEOUT_S)
    embedder.start()
    for writer in writers:
        stored = [(version.version_id, version.segment) for version in wire.history(embedder.url, writer.client_id)]
        # A disk that is slower than the program's patience may store one whose answer was not sent.
        assert stored == writer.acknowledged or (not is_in_time and stored[:-1] == writer.acknowledged)


def test_a_stop_does_not_wait_for_a_stalled_upload(start):
    """If this fails, a stalled client keeps the program from stopping."""
    embedder = start()
    sockets = embedder.open_sockets()
    client_id = new_id()
    with raw_connection(embedder) as stalled, raw_connection(embedder) as idle:
        stalled.sendall(upload_head(client_id, MIB) + bytes(MIB // 2))
        # Connections that are not yet accepted would be reset.
        wait_until(lambda: embedder.open_sockets() >= sockets + 2, wire.TIMEOUT_S, "both are accepted")
        embedder.stop()
        assert not idle.recv(1)
    embedder.start()
    assert wire.history(embedder.url, client_id) == []


def test_a_second_program_on_the_directory_is_refused(start, tmp_path):
    """If this fails, two programs write one database and destroy it."""
    embedder = start()
    status, output, log = embedder.refused(tmp_path / "second.log")
    assert (status, output) == (1, b""), log
    assert "is in use by another tcsync" in log
    assert wire.index(embedder.url).status == 200


def test_a_port_in_use_is_refused(start, tmp_path):
    """If this fails, a program without its port runs on unseen, or takes the other one with it."""
    embedder = start()
    status, output, log = embedder.refused(tmp_path / "second.log", tmp_path / "other", embedder.port)
    assert (status, output) == (1, b""), log
    assert wire.index(embedder.url).status == 200


def test_an_invalid_option_is_refused(start, tmp_path):
    """If this fails, a mistyped option is ignored, and its operator does not learn so."""
    embedder = start()
    embedder.stop()
    embedder.options["TCSYNC_MEMORY_BUDGET"] = "1"
    status, output, log = embedder.refused(tmp_path / "refused.log")
    assert (status, output) == (1, b""), log
    assert "TCSYNC_MEMORY_BUDGET" in log
