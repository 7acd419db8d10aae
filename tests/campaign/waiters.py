#!/usr/bin/env python3
"""Waiters: clients whose requests wait for their next versions, each from an address of its own, on one server that may
have 256 MB of memory of its own (RLIMIT_DATA); a stranger syncs, and other computers send versions.

Each version reaches those who wait for it, all of them come back after a restart of the server, and the stranger is
served as without them. There are 10,000 in a run of two minutes and more, and 500 in a shorter one. Figures: the time
from the sending of a version to its news, the stranger's latency without the waiters, with them and while they come
back, and the server's memory and processor time.
"""

import http.client
import os
import random
import resource
import select
import socket
import threading
import time
import uuid
from pathlib import Path

from campaign import Missing, run
from crowds import IP_BIND_ADDRESS_NO_PORT, Stranger, peak_megabytes

import wire
from server import Server

MEMORY_BYTES = 256 << 20
BUDGET_MB = 160
MEMORY_RATIO_MAX = 1.5
WAITERS, SHORT_WAITERS = 10_000, 500
FULL_RUN_S = 120
WAIT_S = 50
RETURN_S = 10  # a random part of it is the pause after an early answer, as docs/protocol.md asks for
OPENED_AT_ONCE = 100
PATIENCE_S = 120
FLAGS = ("--memory-budget", f"{BUDGET_MB}M", "--connections-max", str(WAITERS + 1000), "--connection-bytes-max", "40M",
         "--new-clients-per-address-day", "0", "--address-requests-per-second", "0", "--client-requests-per-second", "0",
         "--metrics-listen", "127.0.0.1:0")  # fmt: skip


def address_of(number):
    return f"127.1.{number // 200}.{number % 200 + 1}"


class Waiter:
    """One client, and the connection on which its request waits."""

    def __init__(self, number):
        self.number = number
        self.source = address_of(number)
        self.client_id = str(uuid.uuid4())
        self.latest = wire.NIL_VERSION
        self.connection = None
        self.received = b""
        self.asked_at = 0

    def ask(self):
        head = (f"GET /v1/client/get-child-version/{self.latest} HTTP/1.1\r\nHost: h\r\n"
                f"X-Client-Id: {self.client_id}\r\nPrefer: wait={WAIT_S}\r\n\r\n")  # fmt: skip
        self.asked_at = time.monotonic()
        self.connection.send(head.encode())


class Crowd:
    """All waiters, on a thread. `news` has the time at which each version came."""

    def __init__(self, waiters):
        self.waiters = waiters
        self.news = {}
        self.early = 0
        self.returns = 0
        self._address = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failure = None

    def start(self, address):
        self._address = address
        self._thread.start()

    def stop(self):
        self._over.set()
        self._thread.join()
        if self.failure:
            raise self.failure

    def _run(self):
        try:
            self._serve()
        except Exception as failure:
            self.failure = failure

    def _serve(self):
        epoll = select.epoll()
        by_descriptor = {}
        due = sorted((0.0, number) for number in range(len(self.waiters)))
        while not self._over.is_set():
            now = time.monotonic()
            opened = 0
            while due and due[0][0] <= now and opened < OPENED_AT_ONCE:
                waiter = self.waiters[due.pop(0)[1]]
                if self._open(waiter):
                    by_descriptor[waiter.connection.fileno()] = waiter
                    epoll.register(waiter.connection, select.EPOLLIN)
                    opened += 1
                else:
                    self._later(due, waiter)
            for descriptor, _events in epoll.poll(0.02):
                waiter = by_descriptor[descriptor]
                if not self._receive(waiter):
                    by_descriptor.pop(descriptor)
                    epoll.unregister(descriptor)
                    waiter.connection.close()
                    waiter.received = b""
                    self.returns += 1
                    self._later(due, waiter)

    def _later(self, due, waiter):
        due.append((time.monotonic() + random.random() * RETURN_S, waiter.number))
        due.sort()

    def _open(self, waiter):
        connection = socket.socket()
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            connection.bind((waiter.source, 0))
            connection.settimeout(10)
            connection.connect(self._address)
            waiter.connection = connection
            waiter.ask()
        except OSError:
            connection.close()
            return False
        return True

    def _receive(self, waiter):
        """Whether the connection goes on."""
        try:
            part = waiter.connection.recv(65536)
        except OSError:
            return False
        waiter.received += part
        if not part:
            return False
        head, end, body = waiter.received.partition(b"\r\n\r\n")
        if not end:
            return True
        lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        if len(body) < int(fields["Content-Length"]):
            return True
        waiter.received = b""
        status = int(lines[0].split()[1])
        if status == 200:
            waiter.latest = fields["X-Version-Id"]
            self.news[waiter.latest] = time.monotonic()
        elif status != 404 or "Preference-Applied" not in fields:
            raise AssertionError(f"a waiter got {head.decode()}")
        elif time.monotonic() - waiter.asked_at < WAIT_S - 5:
            self.early += 1
            return False
        if fields.get("Connection") == "close":
            return False
        waiter.ask()
        return True


class Sender:
    """Sends versions for clients, over one connection."""

    def __init__(self, url):
        self._connection = http.client.HTTPConnection(url.split("://")[1], timeout=PATIENCE_S)

    def send(self, waiter, parent):
        self._connection.request("POST", f"/v1/client/add-version/{parent}", b"segment" * 30,
                                 {"X-Client-Id": waiter.client_id, "Content-Type": wire.SEGMENT_TYPE})  # fmt: skip
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 200, f"add-version got {answer.status}"
        return answer.headers["X-Version-Id"]


def percentiles(values):
    ordered = sorted(values)
    return {f"p{share}": round(ordered[len(ordered) * share // 100], 1) for share in (50, 99)} if ordered else {}


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def strange(url, seconds):
    stranger = Stranger(url)
    stranger.sync(time.monotonic() + seconds)
    assert len(stranger.failures) <= max(1, stranger.attempts // 100), stranger.failures[:3]
    return {"requests": stranger.attempts, "failed": len(stranger.failures), "ms": percentiles(stranger.milliseconds)}


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.05)


def send_versions(campaign, crowd, sender, seconds):
    """Versions for waiters at random, one after the other; the milliseconds from the sending until the news."""
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        waiter = random.choice(crowd.waiters)
        begun = time.monotonic()
        version_id = sender.send(waiter, waiter.latest)
        until(lambda: version_id in crowd.news, f"the news of version {version_id}")  # noqa: B023
        times.append(1000 * (crowd.news.pop(version_id) - begun))
        campaign.count("versions that were waited for")
        time.sleep(0.02)
    return percentiles(times)


def one_round(campaign, directory, count, seconds):
    server = Server(directory / "log", directory / "data", *FLAGS, memory_bytes_max=MEMORY_BYTES)
    figures = campaign.figures
    try:
        waiters = [Waiter(number) for number in range(count)]
        sender = Sender(server.url)
        for waiter in waiters:
            waiter.latest = sender.send(waiter, wire.NIL_VERSION)
        figures["stranger without waiters"] = strange(server.url, seconds / 4)
        figures["MB without waiters"] = round(peak_megabytes(server.pid), 1)
        host, port = server.addresses[0].rsplit(":", 1)
        crowd = Crowd(waiters)
        crowd.start((host, int(port)))
        until(lambda: server.metric("tcsync_http_waiting_requests") == count, f"{count} wait")
        begun, used = time.monotonic(), processor_seconds(server.pid)
        time.sleep(min(30, seconds / 4))
        figures["processor share of waiting"] = round(
            (processor_seconds(server.pid) - used) / (time.monotonic() - begun), 4
        )
        figures["MB with waiters"] = round(peak_megabytes(server.pid), 1)
        figures["stranger beside waiters"] = strange(server.url, seconds / 4)
        figures["ms until the news"] = send_versions(campaign, crowd, Sender(server.url), seconds / 4)
        begun = time.monotonic()
        server.restart()
        figures["stranger while they return"] = strange(server.url, seconds / 4)
        until(lambda: server.metric("tcsync_http_waiting_requests") == count, f"{count} wait again")
        figures["seconds until all wait again, at most"] = round(time.monotonic() - begun, 1)
        figures["ms until the news, after a restart"] = send_versions(campaign, crowd, Sender(server.url), 1)
        figures["MB in the end"] = round(peak_megabytes(server.pid), 1)
        crowd.stop()
        assert figures["MB in the end"] < MEMORY_RATIO_MAX * BUDGET_MB, figures
        campaign.count("waiters", count)
    finally:
        server.stop()


def main(campaign):
    if not hasattr(select, "epoll"):
        raise Missing("only Linux has the epoll that holds thousands of connections here")
    count = WAITERS if campaign.seconds >= FULL_RUN_S else SHORT_WAITERS
    files = count + 2000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(hard, files)))
    except (OSError, ValueError):
        raise Missing(f"RLIMIT_NOFILE cannot be raised to {files}") from None
    with campaign.round() as directory:
        one_round(campaign, directory, count, campaign.seconds)


if __name__ == "__main__":
    run(__doc__, main)
