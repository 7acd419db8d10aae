"""The record of the campaign `histories` shows faults: proxies here break real servers as a wrong cache, a wrong retry or a
lost write would. If one of these fails, the campaign finds nothing in a server with such a fault."""

import threading
import time

import linearizability
import pytest
import wire
from linearizability import NotLinearizable
from recording import Proxy, Record

CLIENT_ID = "5c9d1f64-6f3e-4f0e-8a55-0b0d5f0c7c11"
INVENTED_ID = "00000000-0004-8000-8000-000000000001"
CACHED_S = 0.2
RACE_S = 20


class CachingProxy(Proxy):
    """Gives answers to reads again, for a while."""

    seconds = 60

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._cache = {}

    def pass_on(self, connection, method, path, client_id, *arguments):
        if method != "GET":
            return super().pass_on(connection, method, path, client_id, *arguments)
        until, answer = self._cache.get((client_id, path), (0, None))
        if until < time.monotonic():
            answer = super().pass_on(connection, method, path, client_id, *arguments)
            self._cache[client_id, path] = (time.monotonic() + self.seconds, answer)
        return answer


class SwallowingProxy(Proxy):
    """Acknowledges writes that the server has never got."""

    def pass_on(self, connection, method, path, *arguments):
        if method == "POST":
            return wire.Response(200, {"X-Version-Id": INVENTED_ID}, b"")
        return super().pass_on(connection, method, path, *arguments)


class RepeatingProxy(Proxy):
    """Sends an acknowledged version again, as its own child."""

    def pass_on(self, connection, method, path, *arguments):
        answer = super().pass_on(connection, method, path, *arguments)
        if "/add-version/" in path and answer.status == 200:
            again = path.rpartition("/")[0] + "/" + answer.headers["X-Version-Id"]
            super().pass_on(connection, method, again, *arguments)
        return answer


class ConflictingProxy(Proxy):
    """Lets the server append, and tells of a conflict."""

    def pass_on(self, connection, method, path, *arguments):
        answer = super().pass_on(connection, method, path, *arguments)
        if "/add-version/" in path and answer.status == 200:
            return wire.Response(409, {"X-Parent-Version-Id": answer.headers["X-Version-Id"]}, b"")
        return answer


class LosingProxy(Proxy):
    """Loses all answers to writes, which is no fault of a server."""

    def pass_on(self, connection, method, path, *arguments):
        answer = super().pass_on(connection, method, path, *arguments)
        if method == "POST":
            raise OSError("lost")
        return answer


class Recorded:
    """A server with an honest proxy, and one of those above; `connection` is through the latter."""

    def __init__(self, server, proxy_class, other_server=None):
        self.record = Record()
        self.proxies = [Proxy(self.record, server.url), proxy_class(self.record, (other_server or server).url)]
        self.honest, self.connection = (proxy.connection("tester") for proxy in self.proxies)

    def append(self, parent_id, connection=None):
        segment = f"segment {time.monotonic_ns()}".encode()
        answer = (connection or self.honest).add_version(CLIENT_ID, parent_id, segment)
        return answer.headers["X-Version-Id"]

    def walk(self):
        parent_id = wire.NIL_VERSION
        while (answer := self.honest.get_child(CLIENT_ID, parent_id)).status == 200:
            parent_id = answer.headers["X-Version-Id"]
        self.honest.get_snapshot(CLIENT_ID)

    def check(self):
        self.walk()
        return linearizability.check(self.record.of(CLIENT_ID))


@pytest.fixture
def recorded(start_server):
    made = []

    def make(proxy_class, *more_servers):
        made.append(Recorded(start_server(), proxy_class, *more_servers))
        return made[-1]

    yield make
    for one in made:
        for proxy in one.proxies:
            proxy.close()


def test_a_correct_server_passes(recorded):
    one = recorded(Proxy)
    first = one.append(wire.NIL_VERSION)
    second = one.append(first, one.connection)
    assert one.connection.add_version(CLIENT_ID, first, b"late").status == 409
    assert one.honest.add_snapshot(CLIENT_ID, second, b"snapshot").status == 200
    assert one.connection.get_snapshot(CLIENT_ID).status == 200
    assert one.connection.get_child(CLIENT_ID, INVENTED_ID).status == 410
    assert one.check().version_ids == [first, second]


def test_lost_answers_are_no_fault(recorded):
    one = recorded(LosingProxy)
    first = one.append(wire.NIL_VERSION)
    for _ in range(2):
        with pytest.raises(OSError):
            one.append(first, one.connection)
    chain = one.check()
    assert (len(chain.version_ids), chain.unanswered) == (2, 1)


def test_a_stale_read_is_detected(recorded):
    one = recorded(CachingProxy)
    first = one.append(wire.NIL_VERSION)
    assert one.connection.get_child(CLIENT_ID, first).status == 404
    one.append(first)
    assert one.connection.get_child(CLIENT_ID, first).status == 404
    with pytest.raises(NotLinearizable, match="had to be there"):
        one.check()


def test_a_stale_snapshot_is_detected(recorded):
    one = recorded(CachingProxy)
    first = one.append(wire.NIL_VERSION)
    assert one.connection.get_snapshot(CLIENT_ID).status == 404
    assert one.honest.add_snapshot(CLIENT_ID, first, b"snapshot").status == 200
    assert one.connection.get_snapshot(CLIENT_ID).status == 404
    with pytest.raises(NotLinearizable, match="snapshot"):
        one.check()


def test_a_stale_read_is_detected_in_a_race(recorded, monkeypatch):
    """Where a stale answer is one among many, and none is meant to be."""
    monkeypatch.setattr(CachingProxy, "seconds", CACHED_S)
    one = recorded(CachingProxy)
    is_over = threading.Event()
    latest = [one.append(wire.NIL_VERSION)]

    def write():
        while not is_over.wait(0.02):
            latest.append(one.append(latest[-1]))

    writer = threading.Thread(target=write)
    writer.start()
    end = time.monotonic() + RACE_S
    try:
        while time.monotonic() < end:
            for _ in range(20):
                one.connection.get_child(CLIENT_ID, latest[-1])
                one.connection.get_child(CLIENT_ID, latest[-min(len(latest), 2)])
            try:
                linearizability.check(one.record.of(CLIENT_ID))
            except NotLinearizable:
                return
    finally:
        is_over.set()
        writer.join()
    pytest.fail(f"nothing was noticed in {RACE_S} s")


def test_a_lost_version_is_detected(recorded):
    one = recorded(SwallowingProxy)
    one.append(one.append(wire.NIL_VERSION), one.connection)
    with pytest.raises(NotLinearizable):
        one.check()


def test_a_lost_snapshot_is_detected(recorded):
    one = recorded(SwallowingProxy)
    one.connection.add_snapshot(CLIENT_ID, one.append(wire.NIL_VERSION), b"snapshot")
    with pytest.raises(NotLinearizable, match="neither kept nor too old"):
        one.check()


def test_a_version_that_is_stored_twice_is_detected(recorded):
    one = recorded(RepeatingProxy)
    one.append(wire.NIL_VERSION, one.connection)
    with pytest.raises(NotLinearizable, match="nobody has sent it"):
        one.check()


def test_a_conflict_over_a_version_that_was_stored_is_detected(recorded):
    one = recorded(ConflictingProxy)
    one.append(one.append(wire.NIL_VERSION), one.connection)
    with pytest.raises(NotLinearizable, match="was refused and is there"):
        one.check()


def test_two_servers_that_share_nothing_are_detected(recorded, start_server):
    one = recorded(Proxy, start_server())
    for connection in (one.honest, one.connection):
        one.append(wire.NIL_VERSION, connection)
    with pytest.raises(NotLinearizable, match="a fork"):
        one.check()
