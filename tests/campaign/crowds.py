#!/usr/bin/env python3
"""Crowds: an address, and apart from that a hundred, hold all that a server can run out of; a stranger syncs meanwhile.

Held are connections that say nothing, heads and TLS handshakes that are never completed, pipelined requests and large
answers that nobody reads, uploads that stand still, and bursts of requests that go on although they are answered 429.
Whatever is ended is begun again. The stranger, who has an address of its own, keeps 99% of its requests at least, and the
server's resident memory stays under 1.5 times its budget; both directly, and for what passes a proxy, behind nginx and
Caddy. In a run of ten minutes and more the stranger's p99 is under 250 ms, too: for that the machine must have nothing
else to do.
"""

import contextlib
import http.client
import itertools
import multiprocessing
import resource
import select
import socket
import ssl
import sys
import time
import uuid
from pathlib import Path

from campaign import REPOSITORY, Missing, run

import wire
from server import Server

sys.path.insert(0, str(REPOSITORY / "tests" / "deploy"))

import prerequisites
import proxies

BUDGET_MB = 64
MEMORY_RATIO_MAX = 1.5
SERVED_SHARE_MIN = 0.99
P99_MS_MAX = 250
LONG_RUN_S = 600
SNAPSHOT_BYTES = 4 << 20

# More than there are places (one for each 32K of the budget), so that they run out.
CONNECTIONS = 2500
CONNECTIONS_THROUGH_PROXY = 100
OPENED_AT_ONCE = 100
STRANGER = "127.0.0.9"
ONE = ["127.0.0.2"]
HUNDRED = [f"127.0.1.{number}" for number in range(1, 101)]

IP_BIND_ADDRESS_NO_PORT = 24  # Linux'; the port is chosen when it connects
NO_ROOM = 4096  # what a client's kernel keeps for one that does not read


def head(method, path, client_id, *fields):
    lines = [f"{method} {path} HTTP/1.1", "Host: crowd.example", f"X-Client-Id: {client_id}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="crowd.example")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def attack_bytes(kind, client_id):
    """What a connection of the attacker sends, and whether it goes on sending it and reads the answers."""
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

    def __init__(self, kind, sources, address, count, client_id, authority=None):
        self._arguments = (kind, sources, address, count, client_id, authority)

    def __enter__(self):
        context = multiprocessing.get_context("fork")
        self._opened = context.Value("q", 0)
        self._ready = context.Event()
        self._process = context.Process(target=self._run, args=self._arguments, daemon=True)
        self._process.start()
        if not self._ready.wait(60):
            raise AssertionError(f"the crowd ({self._arguments[0]}) could not connect within a minute")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.join()

    @property
    def opened(self):
        return self._opened.value

    def _run(self, kind, sources, address, count, client_id, authority):
        message, repeats = attack_bytes(kind, client_id)
        context = ssl.create_default_context(cafile=authority) if authority else None
        epoll = select.epoll()
        held = {}  # by file descriptor: [connection, what is left to send]
        while True:
            for _ in range(min(OPENED_AT_ONCE, count - len(held))):
                if connection := self._open(sources[self._opened.value % len(sources)], address, context):
                    epoll.register(connection, select.EPOLLOUT | select.EPOLLRDHUP)
                    held[connection.fileno()] = [connection, message]
                self._opened.value += 1
            if self._opened.value >= count:
                self._ready.set()
            for descriptor, events in epoll.poll(0.05):
                try:
                    self._go_on(epoll, held[descriptor], events, message if repeats else b"")
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
    def _go_on(epoll, of_connection, events, again):
        connection, left = of_connection
        if events & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
            raise ConnectionResetError
        if events & select.EPOLLIN:
            connection.recv(65536)
        if events & select.EPOLLOUT:
            of_connection[1] = left = left[connection.send(left[:65536]) :] or again if left else b""
        # What comes is read only by those who go on; the others are told of the end alone.
        wanted = (select.EPOLLOUT if left else 0) | (select.EPOLLIN if again else 0)
        epoll.modify(connection, wanted | select.EPOLLRDHUP)


class Stranger:
    """Syncs as replicas do, now on a connection that it keeps, now on a new one, and counts."""

    def __init__(self, url, authority=None):
        self._address = url.split("://")[1]
        self._context = ssl.create_default_context(cafile=authority) if authority else None
        self._client_id = str(uuid.uuid4())
        self._latest = wire.NIL_VERSION
        self._connection = None
        self.milliseconds = []
        self.failures = []

    def _connect(self):
        host, port = self._address.rsplit(":", 1)
        options = {"timeout": 20, "source_address": (STRANGER, 0)}
        if self._context:
            return http.client.HTTPSConnection(host, int(port), context=self._context, **options)
        return http.client.HTTPConnection(host, int(port), **options)

    def sync_for(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._request()

    def _request(self):
        number = len(self.milliseconds) + len(self.failures)
        if self._connection is None or number % 10 == 0:
            if self._connection:
                self._connection.close()
            self._connection = self._connect()
        begun = time.monotonic()
        try:
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
        except (OSError, http.client.HTTPException) as failure:
            self.failures.append(repr(failure))
            self._connection.close()
            self._connection = None
        else:
            self.milliseconds.append(1000 * (time.monotonic() - begun))

    def _exchange(self, method, what, body):
        headers = {"X-Client-Id": self._client_id}
        if body:
            headers["Content-Type"] = wire.SEGMENT_TYPE
        self._connection.request(method, f"/v1/client/{what}/{self._latest}", body, headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, answer.headers


def leave_snapshot(url, client_id):
    """A client with a snapshot that is worth not reading."""
    added = wire.request(url, "POST", f"/v1/client/add-version/{wire.NIL_VERSION}", client_id, b"segment",
                         wire.SEGMENT_TYPE)  # fmt: skip
    assert added.status == 200, added.body
    kept = wire.request(url, "POST", f"/v1/client/add-snapshot/{added.headers['X-Version-Id']}", client_id,
                        bytes(SNAPSHOT_BYTES), wire.SNAPSHOT_TYPE)  # fmt: skip
    assert kept.status == 200, kept.body


def peak_megabytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Missing("/proc does not tell the peak of resident memory")


def try_crowd(campaign, server, name, holder, stranger, seconds):
    """The crowd holds, the stranger syncs: what was promised, or an AssertionError."""
    with holder:
        stranger.sync_for(seconds)
        opened = holder.opened
    times = sorted(stranger.milliseconds)
    tried = len(times) + len(stranger.failures)
    share = len(times) / max(1, tried)
    figures = {"requests": tried, "served": round(share, 4), "connections opened by the crowd": opened,
               "peak MB": round(peak_megabytes(server.pid), 1)}  # fmt: skip
    if times:
        figures |= {"median ms": round(times[len(times) // 2], 1), "p99 ms": round(times[len(times) * 99 // 100], 1)}
    campaign.figures[name] = figures
    campaign.count("requests of a stranger", tried)
    campaign.count("connections of crowds", opened)
    # With few requests, one failure is more than one in a hundred.
    assert tried >= 1 and len(stranger.failures) <= tried * (1 - SERVED_SHARE_MIN), (
        f"{name}: {len(stranger.failures)} of {tried} requests failed, the first with {stranger.failures[0]}; {figures}")  # fmt: skip
    assert figures["peak MB"] < MEMORY_RATIO_MAX * BUDGET_MB, f"{name}: too much memory: {figures}"
    if campaign.seconds >= LONG_RUN_S:
        assert figures["p99 ms"] < P99_MS_MAX, f"{name}: too slow: {figures}"


def address_of(url):
    host, port = url.split("://")[1].rsplit(":", 1)
    return host, int(port)


DIRECT = ("silence", "heads", "pipelines", "bursts", "readers", "uploads")
TLS = ("hellos", "half-hellos")
PROXIED = ("readers", "uploads", "pipelines")
PROXIES = (proxies.nginx, proxies.caddy)


def start_proxy(started, proxy, server_url, directory):
    """Ports that a crowd has used are not free for a while, so another one is tried."""
    for tries in range(5):
        own = directory / f"{proxy.__name__}{tries}"
        own.mkdir()
        try:
            return started.enter_context(proxy(server_url, own))
        except AssertionError as failure:
            if "in use" not in str(failure):
                raise
    raise AssertionError(f"{proxy.__name__} found no port")


def wanted(campaign, name):
    return not campaign.arguments.only or campaign.arguments.only in name


def one_round(campaign, directory, seconds):
    flags = ("--memory-budget", f"{BUDGET_MB}M", "--trusted-proxy", "127.0.0.1")
    attacker = str(uuid.uuid4())
    server = Server(directory / "log", directory / "data", *flags)
    try:
        leave_snapshot(server.url, attacker)
        with contextlib.ExitStack() as started:
            # Before the crowds have used up ports.
            behind = [(proxy.__name__, start_proxy(started, proxy, server.url, directory)) for proxy in PROXIES]
            for kind, (proxy_name, proxy) in itertools.product(PROXIED, behind):
                name, url, authority = f"{kind}, through {proxy_name}", proxy[0], proxy[-1]
                if wanted(campaign, name):
                    holder = Holder(kind, ONE, address_of(url), CONNECTIONS_THROUGH_PROXY, attacker, authority)
                    try_crowd(campaign, server, name, holder, Stranger(url, authority), seconds)
        for kind, sources in itertools.product(DIRECT, (ONE, HUNDRED)):
            name = f"{kind}, {len(sources)} address(es)"
            if wanted(campaign, name):
                holder = Holder(kind, sources, address_of(server.url), CONNECTIONS, attacker)
                try_crowd(campaign, server, name, holder, Stranger(server.url), seconds)
    finally:
        server.stop()
    authority, certificate, key = proxies.certificates(directory)
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    server = Server(directory / "log", directory / "data", *flags, *tls)
    try:
        for kind, sources in itertools.product(TLS, (ONE, HUNDRED)):
            name = f"{kind}, {len(sources)} address(es)"
            if wanted(campaign, name):
                holder = Holder(kind, sources, address_of(server.url), CONNECTIONS, attacker)
                try_crowd(campaign, server, name, holder, Stranger(server.url, authority), seconds)
    finally:
        server.stop()


def main(campaign):
    if not hasattr(select, "epoll"):
        raise Missing("only Linux has the epoll that holds thousands of connections here")
    files = 2 * CONNECTIONS + 1000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(hard, files) if hard != resource.RLIM_INFINITY else hard))
    except (OSError, ValueError):
        raise Missing(f"RLIMIT_NOFILE cannot be raised to {files}") from None
    for program in ("nginx", "caddy", "openssl"):
        prerequisites.program(program)
    crowds = 2 * len(DIRECT) + 2 * len(TLS) + 2 * len(PROXIED)
    while campaign.goes_on():
        with campaign.round() as directory:
            one_round(campaign, directory, max(0.4, min(60, campaign.seconds / crowds)))


run(__doc__, main, lambda parser: parser.add_argument("--only", help="crowds with this in their names"))
