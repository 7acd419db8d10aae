#!/usr/bin/env python3
"""Crowds: one address, or a hundred, exhaust each of a server's resources; a stranger syncs meanwhile.

The crowd holds silent connections, heads and TLS handshakes that are never completed, pipelined requests and large
answers that it does not read, stalled uploads, requests that wait for a version, and bursts of requests that continue
although they are answered 429. It opens each connection again that the server ends. The stranger, who has an address of its own, keeps 99% of its
requests at least (of few requests, all but one), and the server's resident memory stays under 1.5 times its budget;
both directly, and for crowds that a proxy lets through, behind nginx and Caddy. In a run of ten minutes and more the
stranger's p99 is under 250 ms, too: for that the machine must have nothing else to do.

A run of less than two minutes tries some of the crowds, once (SHORT). It is for busy machines, and content with nine
requests of ten: without its shares, a server keeps seven at the most, and of some crowds none.
"""

import contextlib
import http.client
import itertools
import math
import multiprocessing
import resource
import select
import socket
import ssl
import sys
import time
import uuid
from pathlib import Path

import pytest
from campaign import REPOSITORY, Missing, run

import wire
from server import Server

sys.path.insert(0, str(REPOSITORY / "tests" / "deploy"))

import prerequisites
import proxies

BUDGET_MB = 64
MEMORY_RATIO_MAX = 1.5
SERVED_SHARE_MIN = 0.99
SERVED_SHARE_MIN_SHORT = 0.9
P99_MS_MAX = 250
LONG_RUN_S = 600
FULL_RUN_S = 120
CROWD_S_MAX = 60
# Of so many a stranger that is served loses none or one, and a stranger that is not served loses far more.
REQUESTS_MIN = 30
REQUESTS_TIMEOUT_S = 60  # for a stranger that is served, however busy the machine
SNAPSHOT_BYTES = 4 << 20

# More than there are places, so that they run out; by default there is one for each 32K of the budget. In a short run
# there are fewer, but still enough for a hundred addresses to be large ones (kLargeAddressConnections).
CONNECTIONS = 2500
SHORT_CONNECTIONS, SHORT_PLACES = 1500, 1200
CONNECTIONS_THROUGH_PROXY = 100
OPENED_AT_ONCE = 100
STRANGER = "127.0.0.9"
ONE = ["127.0.0.2"]
HUNDRED = [f"127.0.1.{number}" for number in range(1, 101)]

IP_BIND_ADDRESS_NO_PORT = 24  # Linux'; the port is chosen when it connects
NO_ROOM = 4096  # kept by a client's kernel for one that does not read


def head(method, path, client_id, *fields):
    lines = [f"{method} {path} HTTP/1.1", "Host: crowd.example", f"X-Client-Id: {client_id}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="crowd.example")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def attack_bytes(kind, client_id, latest):
    """The bytes of a connection of the attacker, and whether it keeps sending them and reads the answers. `latest` is
    the client's version."""
    if kind == "waits":
        wait = head("GET", f"/v1/client/get-child-version/{latest}", client_id, "Prefer: wait=300")
        return wait * 20, True
    child = head("GET", f"/v1/client/get-child-version/{uuid.uuid4()}", client_id)
    if kind == "silence":
        return b"", False
    if kind == "heads":
        return head("GET", "/v1/client/snapshot", client_id)[:-2] + b"X-Slow: ", False
    if kind == "pipelines":
        return child * 600, False
    if kind == "bursts":
        return child * 600, True
    if kind == "readers":
        return head("GET", "/v1/client/snapshot", client_id) * 3, False
    if kind == "uploads":
        fields = (f"Content-Type: {wire.SEGMENT_TYPE}", f"Content-Length: {SNAPSHOT_BYTES}")
        return head("POST", f"/v1/client/add-version/{uuid.uuid4()}", client_id, *fields) + bytes(150_000), False
    if kind == "hellos":
        return client_hello(), False
    if kind == "half-hellos":
        return client_hello()[:100], False
    raise ValueError(kind)


class Holder:
    """Opens connections of one kind and holds them: in a process of its own, so that it is not in the stranger's way."""

    def __init__(self, kind, sources, address, count, client_id, latest=wire.NIL_VERSION, authority=None):
        self._arguments = (kind, sources, address, count, client_id, latest, authority)

    def __enter__(self):
        context = multiprocessing.get_context("fork")
        self._opened = context.Value("q", 0)
        self._ready = context.Event()
        self._process = context.Process(target=self._run, args=self._arguments, daemon=True)
        self._process.start()
        if not self._ready.wait(60):
            self.__exit__()
            raise AssertionError(f"the crowd ({self._arguments[0]}) could not connect within a minute")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.join()

    @property
    def opened(self):
        """Connections that were there, be it for a moment."""
        return self._opened.value

    def is_alive(self):
        return self._process.is_alive()

    def _run(self, kind, sources, address, count, client_id, latest, authority):
        message, repeats = attack_bytes(kind, client_id, latest)
        context = ssl.create_default_context(cafile=authority) if authority else None
        epoll = select.epoll()
        held = {}  # by file descriptor: [connection, the bytes left to send]
        coming = set()  # those of them that are not connected yet
        source = itertools.cycle(sources)
        while True:
            for _ in range(min(OPENED_AT_ONCE, count - len(held))):
                if connection := self._open(next(source), address, context):
                    epoll.register(connection, select.EPOLLOUT | select.EPOLLRDHUP)
                    held[connection.fileno()] = [connection, message]
                    coming.add(connection.fileno())
            if self._opened.value >= count:
                self._ready.set()
            for descriptor, events in epoll.poll(0.05):
                if descriptor in coming:
                    coming.remove(descriptor)
                    if not events & select.EPOLLERR:
                        self._opened.value += 1
                try:
                    self._handle_events(epoll, held[descriptor], events, message if repeats else b"")
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
                except OSError:
                    held.pop(descriptor)[0].close()

    def _open(self, source, address, context):
        connection = socket.socket()
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NO_ROOM)
            # So that no listener finds its port in use.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            connection.bind((source, 0))
            if context is None:
                connection.setblocking(False)
                connection.connect_ex(address)
                return connection
            connection.settimeout(5)
            connection.connect(address)
            wrapped = context.wrap_socket(connection, server_hostname="127.0.0.1")
            wrapped.setblocking(False)
            return wrapped
        except OSError:
            connection.close()
            return None

    @staticmethod
    def _handle_events(epoll, of_connection, events, again):
        connection, left = of_connection
        if events & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
            raise ConnectionResetError
        if events & select.EPOLLIN:
            connection.recv(65536)
        if events & select.EPOLLOUT:
            of_connection[1] = left = left[connection.send(left[:65536]) :] or again if left else b""
        # Only connections that keep sending read the answers; the others see just the end.
        wanted = (select.EPOLLOUT if left else 0) | (select.EPOLLIN if again else 0)
        epoll.modify(connection, wanted | select.EPOLLRDHUP)


class Stranger:
    """Syncs as replicas do, now on a connection that it keeps, now on a new one, and counts.

    A connection that a server closes between two requests is no failure: HTTP clients then repeat the request on a new
    one. The figures have that number.
    """

    def __init__(self, url, authority=None):
        self._address = url.split("://")[1]
        self._context = ssl.create_default_context(cafile=authority) if authority else None
        self._client_id = str(uuid.uuid4())
        self._latest = wire.NIL_VERSION
        self._connection = None
        self.milliseconds = []
        self.failures = []
        self.reconnections = 0

    def _connect(self):
        host, port = self._address.rsplit(":", 1)
        options = {"timeout": 20, "source_address": (STRANGER, 0)}
        if self._context:
            return http.client.HTTPSConnection(host, int(port), context=self._context, **options)
        return http.client.HTTPConnection(host, int(port), **options)

    @property
    def attempts(self):
        return len(self.milliseconds) + len(self.failures)

    def sync(self, deadline, requests_min=REQUESTS_MIN, timeout_s=REQUESTS_TIMEOUT_S):
        """Until then, and on until it has made so many requests or the time is over."""
        end = time.monotonic() + timeout_s
        while (now := time.monotonic()) < deadline or (self.attempts < requests_min and now < end):
            self._request()

    def _request(self):
        number = self.attempts
        if self._connection is None or number % 10 == 0:
            if self._connection:
                self._connection.close()
            self._connection = self._connect()
        begun = time.monotonic()
        is_kept = self._connection.sock is not None
        try:
            try:
                self._sync(number)
            except ConnectionError:
                if not is_kept:
                    raise
                self.reconnections += 1
                self._connection.close()
                self._connection = self._connect()
                self._sync(number)
        except (OSError, http.client.HTTPException) as failure:
            self.failures.append(repr(failure))
            self._connection.close()
            self._connection = None
        else:
            self.milliseconds.append(1000 * (time.monotonic() - begun))

    def _sync(self, number):
        if number % 3 == 0:
            status, headers = self._exchange("POST", "add-version", b"segment")
            if status == 200:
                self._latest = headers["X-Version-Id"]
            elif status == 409:
                self._latest = headers["X-Parent-Version-Id"]
        else:
            status, _ = self._exchange("GET", "get-child-version", None)
        if status not in (200, 404, 409):
            raise OSError(f"status {status}")

    def _exchange(self, method, endpoint, body):
        headers = {"X-Client-Id": self._client_id}
        if body:
            headers["Content-Type"] = wire.SEGMENT_TYPE
        self._connection.request(method, f"/v1/client/{endpoint}/{self._latest}", body, headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, answer.headers


def leave_snapshot(url, client_id):
    """A client with a snapshot that is worth not reading; the ID of its version."""
    added = wire.request(url, "POST", f"/v1/client/add-version/{wire.NIL_VERSION}", client_id, b"segment",
                         wire.SEGMENT_TYPE)  # fmt: skip
    assert added.status == 200, added.body
    kept = wire.request(url, "POST", f"/v1/client/add-snapshot/{added.headers['X-Version-Id']}", client_id,
                        bytes(SNAPSHOT_BYTES), wire.SNAPSHOT_TYPE)  # fmt: skip
    assert kept.status == 200, kept.body
    return added.headers["X-Version-Id"]


def peak_megabytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the server has ended")  # Its status was not yet collected, so its number is still there.


def try_crowd(campaign, server, name, holder, stranger, seconds):
    """The crowd holds, the stranger syncs, both within that time: the promise holds, or an AssertionError."""
    deadline = time.monotonic() + seconds
    with holder:
        stranger.sync(deadline)
        opened = holder.opened
        assert holder.is_alive(), f"{name}: the crowd has ended by itself"
    times = sorted(stranger.milliseconds)
    attempts, failed = stranger.attempts, len(stranger.failures)
    figures = {"requests": attempts, "served": round(len(times) / max(1, attempts), 4),
               "kept connections that were closed": stranger.reconnections, "connections opened by the crowd": opened,
               "peak MB": round(peak_megabytes(server.pid), 1)}  # fmt: skip
    if times:
        figures |= {"median ms": round(times[len(times) // 2], 1), "p99 ms": round(times[len(times) * 99 // 100], 1)}
    campaign.figures[name] = figures
    campaign.count("crowds")
    campaign.count("requests of a stranger", attempts)
    campaign.count("connections of crowds", opened)
    broken = []
    if attempts < REQUESTS_MIN:
        broken.append(f"the stranger made {attempts} requests within {REQUESTS_TIMEOUT_S} s")
    share_min = SERVED_SHARE_MIN if campaign.seconds >= FULL_RUN_S else SERVED_SHARE_MIN_SHORT
    if failed > max(1, attempts * (1 - share_min)):
        broken.append(f"{failed} of {attempts} requests failed, the first with {stranger.failures[0]}")
    if figures["peak MB"] >= MEMORY_RATIO_MAX * BUDGET_MB:
        broken.append("too much memory")
    if campaign.seconds >= LONG_RUN_S and times and figures["p99 ms"] >= P99_MS_MAX:
        broken.append("too slow")
    assert not broken, f"{name}: {', '.join(broken)}; {figures}"


def address_of(url):
    host, port = url.split("://")[1].rsplit(":", 1)
    return host, int(port)


PROXIES = {"nginx": proxies.nginx, "caddy": proxies.caddy}
# Kinds, and where they come from: a number of addresses, or a proxy.
PROXIED = tuple(itertools.product(("readers", "uploads", "pipelines", "waits"), PROXIES))
DIRECT = tuple(itertools.product(("silence", "heads", "pipelines", "bursts", "readers", "uploads", "waits"), (1, 100)))
TLS = tuple(itertools.product(("hellos", "half-hellos"), (1, 100)))
# Each thing that runs out, from one address or a hundred.
SHORT = {("readers", "nginx"), ("silence", 100), ("heads", 1), ("pipelines", 100), ("bursts", 1), ("readers", 100),
         ("uploads", 1), ("waits", 100), ("hellos", 1)}  # fmt: skip


def name_of(kind, origin):
    return f"{kind}, through {origin}" if origin in PROXIES else f"{kind}, {origin} address(es)"


def sources_of(origin):
    return HUNDRED if origin == 100 else ONE


def one_round(campaign, directory, wanted, seconds):
    """Tries each of the wanted crowds, even when others failed."""
    flags = ("--memory-budget", f"{BUDGET_MB}M", "--trusted-proxy", "127.0.0.1")
    connections = CONNECTIONS
    if campaign.seconds < FULL_RUN_S:
        flags += ("--connections-max", str(SHORT_PLACES))
        connections = SHORT_CONNECTIONS
    attacker = str(uuid.uuid4())
    broken = []

    def attempt(crowd, url, count, authority=None):
        kind, origin = crowd
        by = authority if origin in PROXIES else None  # Other crowds do not use TLS, or send it themselves.
        holder = Holder(kind, sources_of(origin), address_of(url), count, attacker, latest, by)
        try:
            try_crowd(campaign, server, name_of(*crowd), holder, Stranger(url, authority), seconds)
        except AssertionError as failure:
            broken.append(str(failure))

    server = Server(directory / "log", directory / "data", *flags)
    try:
        latest = leave_snapshot(server.url, attacker)
        with contextlib.ExitStack() as started:
            # Before the crowds have used up ports.
            behind = {}
            for name, proxy in PROXIES.items():
                if any(origin == name for _, origin in wanted):
                    behind[name] = started.enter_context(proxies.on_a_free_port(proxy, server.url, directory))
            for crowd in filter(wanted.__contains__, PROXIED):
                url, *_, authority = behind[crowd[1]]
                attempt(crowd, url, CONNECTIONS_THROUGH_PROXY, authority)
        for crowd in filter(wanted.__contains__, DIRECT):
            attempt(crowd, server.url, connections)
    finally:
        server.stop()
    authority, certificate, key = proxies.certificates(directory)
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    server = Server(directory / "log", directory / "data", *flags, *tls)
    try:
        for crowd in filter(wanted.__contains__, TLS):
            attempt(crowd, server.url, connections, authority)
    finally:
        server.stop()
    assert not broken, "; ".join(broken)


def choose(campaign):
    """The crowds that this run tries."""
    everything = {*PROXIED, *DIRECT, *TLS}
    if campaign.arguments.only:
        return {crowd for crowd in everything if campaign.arguments.only in name_of(*crowd)}
    return SHORT if campaign.seconds < FULL_RUN_S else everything


def main(campaign):
    if not hasattr(select, "epoll"):
        raise Missing("only Linux has the epoll that holds thousands of connections here")
    files = 2 * (SHORT_CONNECTIONS if campaign.seconds < FULL_RUN_S else CONNECTIONS) + 1000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (files, max(hard, files) if hard != resource.RLIM_INFINITY else hard)
        )
    except (OSError, ValueError):
        raise Missing(f"RLIMIT_NOFILE cannot be raised to {files}") from None
    wanted = choose(campaign)
    if not wanted:
        raise SystemExit(f"no crowd has {campaign.arguments.only!r} in its name")
    for program in ("openssl", *(name for name in PROXIES if any(origin == name for _, origin in wanted))):
        try:
            prerequisites.program(program)
        except (pytest.skip.Exception, pytest.fail.Exception) as lacking:
            raise Missing(str(lacking)) from None
    # As many rounds as there is time for when no crowd takes longer than the longest.
    rounds = max(1, math.ceil(campaign.seconds / (CROWD_S_MAX * len(wanted))))
    for _ in range(rounds):
        if campaign.has_time_left():
            with campaign.round() as directory:
                one_round(campaign, directory, wanted, campaign.seconds / rounds / len(wanted))


if __name__ == "__main__":
    run(__doc__, main, lambda parser: parser.add_argument("--only", help="crowds with this in their names"))
