"""Requests and answers piece by piece, and options from the environment: for programs that have an HTTP server."""

import copy
import gc
import os
import signal
import threading
from uuid import uuid4

import pytest

from tcsync import (
    NIL_VERSION,
    Engine,
    EngineError,
    EngineFault,
    PendingRequest,
    ResponseStream,
    TcsyncError,
    _engine_calls,
)

pytestmark = pytest.mark.usefixtures("full_library")

SEGMENT_TYPE = "application/vnd.taskchampion.history-segment"
PIECE = 64 * 1024
# More than the part of a body that stays in memory, and no repetition of one piece.
LARGE = b"".join(number.to_bytes(4, "big") for number in range(1024 * 1024))


@pytest.fixture
def options(tmp_path):
    return {"data-dir": tmp_path / "data", "memory-budget": "64M"}


@pytest.fixture
def engine(options):
    with Engine.open(options) as opened:
        yield opened


def begin(engine, client_id, **more):
    headers = [("X-Client-Id", str(client_id)), ("Content-Type", SEGMENT_TYPE), *more.pop("headers", ())]
    return engine.begin("POST", f"/v1/client/add-version/{NIL_VERSION}", headers, **more)


def begin_reading(engine, client_id):
    headers = [("X-Client-Id", str(client_id))]
    return engine.begin("GET", f"/v1/client/get-child-version/{NIL_VERSION}", headers)


def stored(engine, client_id):
    with begin_reading(engine, client_id) as request, request.finish() as answer:
        return b"".join(answer) if answer.status == 200 else None


def add(engine, client_id, body):
    with begin(engine, client_id) as request:
        for at in range(0, len(body), PIECE):
            request.append(body[at : at + PIECE])
        with request.finish() as answer:
            assert answer.status == 200


def fault_of(call, *arguments):
    with pytest.raises(EngineError) as raised:
        call(*arguments)
    return raised.value.fault


class TestTransfers:
    def test_a_large_body_is_stored_and_read_in_pieces(self, engine):
        """If this fails, a large history reaches the engine or its replica changed, or is whole in memory."""
        client_id = uuid4()
        add(engine, client_id, LARGE)
        with begin_reading(engine, client_id) as request, request.finish() as answer:
            assert (answer.status, answer.size) == (200, len(LARGE))
            assert dict(answer.headers)["Content-Type"] == SEGMENT_TYPE
            pieces = list(answer)
            assert answer.read() == b""
        assert b"".join(pieces) == LARGE and max(map(len, pieces)) <= 128 * 1024

    def test_every_kind_of_buffer_is_accepted(self, engine):
        """If this fails, a host's kind of buffer is stored wrongly, or a mistake crashes the program."""
        client_id = uuid4()
        with begin(engine, client_id) as request:
            for piece in (b"a\0", bytearray(b"b"), memoryview(b"xcx")[1:2], b""):
                request.append(piece)
            for wrong in (None, "text", 5, [1]):
                with pytest.raises(EngineError, match="data"):
                    request.append(wrong)
            with request.finish() as answer:
                assert answer.status == 200
        assert stored(engine, client_id) == b"a\0bc"

    def test_an_abandoned_body_is_not_stored(self, engine):
        """If this fails, half of a history is stored, and the replica that reads it is broken for good."""
        closed, collected, raised = uuid4(), uuid4(), uuid4()
        request = begin(engine, closed)
        request.append(LARGE)
        request.close()
        request = begin(engine, collected)
        request.append(b"half")
        del request
        gc.collect()
        with pytest.raises(ConnectionError), begin(engine, raised) as request:
            request.append(b"half")
            raise ConnectionError
        assert [stored(engine, client_id) for client_id in (closed, collected, raised)] == [None] * 3
        with begin(engine, closed, headers=[("Content-Length", "5")]) as request:
            request.append(b"half")
            with request.finish() as answer:
                assert answer.status == 400
        assert stored(engine, closed) is None

    def test_a_refusal_is_returned_before_the_body_ends(self, options):
        """If this fails, a client sends a hundred megabytes before it learns that they are refused."""
        with Engine.open({**options, "body-bytes-max": "1M"}) as engine:
            client_id = uuid4()
            for head, status in (((("X-Client-Id", "x"),), 400), ((("Content-Length", str(1 << 30)),), 413)):
                with begin(engine, client_id, headers=head) as request:
                    assert request.answer and request.answer.status == status
                    assert request.finish() is request.answer
                    assert fault_of(request.append, b"more") is EngineFault.INVALID_ARGUMENT
            with begin(engine, client_id) as request:
                assert request.answer is None
                sent = 0
                while not request.answer:
                    request.append(LARGE[:PIECE])
                    sent += PIECE
                assert sent <= 1024 * 1024 + PIECE
                assert request.answer.status == 413 and b"".join(request.answer)
                assert fault_of(request.append, b"more") is EngineFault.INVALID_ARGUMENT
            assert stored(engine, client_id) is None

    def test_a_requests_source_address_is_limited(self, options):
        """If this fails, limits by address count all of a host's users as one."""
        with Engine.open({**options, "new-clients-per-address-day": 1}) as engine:
            statuses = []
            for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "fe80::1%eth0"):
                with begin(engine, uuid4(), peer_address=address) as request:
                    request.append(b"x")
                    with request.finish() as answer:
                        statuses.append(answer.status)
            assert statuses[1] != 200 and [statuses[0], *statuses[2:]] == [200] * 3

    def test_threads_that_share_a_request_are_serialised(self, engine):
        """If this fails, bytes are lost between calls that meet, or the library is used as it must not be."""
        client_id = uuid4()
        with begin(engine, client_id) as request:

            def work():
                for _ in range(100):
                    request.append(b"x" * 1000)

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            with request.finish() as answer:
                assert answer.status == 200
        assert stored(engine, client_id) == b"x" * 800_000


class TestLifetimes:
    def test_an_engine_may_be_closed_before_its_requests(self, options):
        """If this fails, a program that ends in the middle of transfers crashes, or stores half of one."""
        client_id, other_id = uuid4(), uuid4()
        with Engine.open(options) as engine:
            add(engine, client_id, LARGE)
            pending = begin(engine, other_id)
            pending.append(b"half")
            with begin_reading(engine, client_id) as request:
                reading = request.finish()
            assert reading.read()
        assert fault_of(pending.append, b"x") is fault_of(pending.finish) is EngineFault.UNAVAILABLE
        assert fault_of(lambda: list(reading)) is EngineFault.RESPONSE_INCOMPLETE
        assert (reading.status, reading.size) == (200, len(LARGE))
        pending.close()
        reading.close()
        with pytest.raises(TcsyncError, match="closed"):
            begin(engine, client_id)
        with Engine.open(options) as engine:
            assert (stored(engine, client_id), stored(engine, other_id)) == (LARGE, None)

    def test_use_after_closing_is_refused(self, engine):
        """If this fails, a late call on a request runs into freed memory."""
        with begin(engine, uuid4()) as request:
            request.append(b"x")
            answer = request.finish()
            assert request.finish() is answer
        request.close()
        assert isinstance(request, PendingRequest) and isinstance(answer, ResponseStream)
        assert request.answer is answer and answer.read() == b""
        answer.close()
        answer.close()
        for call in (answer.read, lambda: request.append(b"x"), request.finish):
            with pytest.raises(TcsyncError, match="closed"):
                call()

    def test_an_interrupt_abandons_the_request(self, engine, monkeypatch):
        """If this fails, a program that continues after Ctrl-C stores or sends a body with a hole in it."""
        client_id, other_id = uuid4(), uuid4()
        add(engine, client_id, LARGE)

        def interrupted(_work, **_options):
            raise KeyboardInterrupt

        with begin(engine, other_id) as request, begin_reading(engine, client_id) as other, other.finish() as answer:
            request.append(b"half")
            with monkeypatch.context() as patch:
                patch.setattr(_engine_calls, "on_server", interrupted)
                for call in (lambda: request.append(b"lost"), answer.read):
                    with pytest.raises(KeyboardInterrupt):
                        call()
            for call in (lambda: request.append(b"more"), request.finish, answer.read):
                with pytest.raises(EngineError, match="interrupted"):
                    call()
        assert stored(engine, other_id) is None

    def test_a_request_cannot_be_copied(self, engine):
        """If this fails, a copied request is freed twice."""
        with begin(engine, uuid4()) as request:
            request.append(b"x")
            with request.finish() as answer:
                for original in (request, answer):
                    with pytest.raises(TypeError, match=type(original).__name__):
                        copy.copy(original)

    def test_a_request_is_refused_in_a_forked_process(self, engine):
        """If this fails, a forked worker waits for ever for threads that it has not, or ends its parent's request."""
        client_id = uuid4()
        with begin(engine, client_id) as request:
            request.append(b"x")
            child = os.fork()
            if child == 0:
                try:
                    signal.alarm(20)
                    is_refused = fault_of(request.append, b"y") is EngineFault.FORKED
                    is_refused &= fault_of(request.finish) is EngineFault.FORKED
                    request.close()
                    os._exit(0 if is_refused else 1)
                finally:
                    os._exit(2)
            assert os.waitpid(child, 0)[1] == 0
            with request.finish() as answer:
                assert answer.status == 200
        assert stored(engine, client_id) == b"x"


class TestEnvironment:
    def test_variables_are_read_only_on_request(self, options, monkeypatch):
        """If this fails, an operator's settings do not reach an embedded engine, or reach one that did not ask."""
        monkeypatch.setenv("TCSYNC_LOG_CLIENT_IDS", "full")
        monkeypatch.setenv("TCSYNC_MEMORY_BUDGET", "32M")
        with Engine.open(options, environment=True) as engine:
            assert engine.option("log-client-ids") == "full"
            assert engine.option("memory-budget") == str(64 * 1024 * 1024), "the program's value wins"
        with Engine.open(options) as engine:
            assert engine.option("log-client-ids") == "pseudonym"

    def test_an_invalid_variable_is_refused(self, options, monkeypatch):
        """If this fails, a mistyped environment variable is ignored, and the engine runs without it."""
        monkeypatch.setenv("TCSYNC_LOG_CLIENT_IDS", "perhaps")
        with pytest.raises(EngineError, match="TCSYNC_LOG_CLIENT_IDS") as raised:
            Engine.open(options, environment=True)
        assert raised.value.fault is EngineFault.INVALID_OPTION_VALUE
        assert not options["data-dir"].exists()
