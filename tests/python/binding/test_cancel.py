"""Calls that are cancelled, by Ctrl-C and by another thread; and remotes on both sides of a fork."""

import asyncio
import os
import random
import threading
import time

import pytest
from unending import FOREVER, PROMPTLY_S, Full, OtherCall, interrupted, nothing_left

from tcsync import (
    NIL_VERSION,
    AsyncRemoteServer,
    CallCancelledError,
    Conflict,
    Credentials,
    RemoteServer,
    UpToDate,
    Version,
)

SEGMENT = b'{"operations":[]}'


def connecting():
    """How many sockets of this machine wait for a connection."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        return sum(line.split()[3] == "02" for line in table)


class TestCtrlC:
    @pytest.mark.parametrize(
        ("slow", "call", "arguments"),
        [
            ("silent", "get_snapshot", ()),
            ("silent", "get_child_version", (NIL_VERSION,)),
            ("silent", "await_version", (NIL_VERSION, 3600)),
            ("silent", "add_version", (NIL_VERSION, SEGMENT)),
            ("silent", "add_snapshot", (NIL_VERSION, SEGMENT)),
            ("body", "get_snapshot", ()),
            ("body", "get_child_version", (NIL_VERSION,)),
            ("body", "add_version", (NIL_VERSION, SEGMENT)),
            # Nobody reads the body of the answer to add_snapshot.
        ],
        indirect=["slow"],
    )
    def test_ends_a_call(self, remote_of, slow, call, arguments):
        """If this fails, Ctrl-C waits for a server, or leaves a thread and a connection behind."""
        with nothing_left():
            remote = remote_of(slow.url)
            started = time.monotonic()
            interrupted(lambda: getattr(remote, call)(*arguments), slow.asked.acquire)
            assert time.monotonic() - started < PROMPTLY_S
            # The call is over: nothing uses the remote any more, and so this frees it.
            assert remote.handle._users == 0
            remote.close()

    @pytest.mark.skipif(
        not os.path.exists("/proc/net/tcp"),
        reason="nothing tells when the call connects",
    )
    def test_ends_a_connection_attempt(self, remote_of):
        """If this fails, Ctrl-C waits for a network that is not there."""
        full = Full()
        before = connecting()

        def is_connecting():
            deadline = time.monotonic() + PROMPTLY_S
            while connecting() <= before and time.monotonic() < deadline:
                time.sleep(0.01)

        with remote_of(full.url) as remote:
            interrupted(remote.get_snapshot, is_connecting)
            assert remote.handle._users == 0
        full.close()

    def test_the_remote_works_afterwards(self, server):
        """If this fails, a program that survives a Ctrl-C has lost its server."""
        with RemoteServer(Credentials.generate(server.url), **FOREVER) as remote:

            def probe_for_ever():
                while True:
                    remote.probe()

            for _ in range(5):
                interrupted(probe_for_ever)
                assert remote.get_child_version(NIL_VERSION) == UpToDate()

    def test_ends_a_call_that_waits_for_another_thread(self, remote_of, slow):
        """If this fails, Ctrl-C on the main thread ends another thread's call, or waits for it."""
        with remote_of(slow.url) as remote:
            other = OtherCall(remote, slow)
            interrupted(remote.get_snapshot)
            other.check()

    def test_interrupts_at_any_moment_do_not_hang(self, remote_of, slow):
        """If this fails, an interrupt at the wrong moment hangs the program."""
        with nothing_left(), remote_of(slow.url) as remote:
            for _ in range(100):
                interrupted(remote.get_snapshot, after_s=random.random() / 300)
                assert remote.handle._users == 0


class TestCancel:
    def test_another_thread_can_cancel_a_call(self, remote_of, slow):
        """If this fails, a program cannot stop its worker's call."""
        with remote_of(slow.url) as remote:

            def cancel():
                slow.asked.acquire()
                remote.cancel()

            thread = threading.Thread(target=cancel)
            thread.start()
            with pytest.raises(CallCancelledError, match="whether the version was added is unknown") as raised:
                remote.add_version(NIL_VERSION, SEGMENT)
            assert raised.value.name == "TCSYNC_CANCELLED"
            thread.join()

    def test_a_cancel_without_a_call_has_no_effect(self, server):
        """If this fails, a cancel that comes too late ends the next call."""
        with RemoteServer(Credentials.generate(server.url), proxy="") as remote:
            remote.cancel()
            assert remote.get_child_version(NIL_VERSION) == UpToDate()


class TestFork:
    @staticmethod
    def add_own_versions(remote, process):
        """Adds versions to the chain to which the other process adds as well, and asks for each one."""
        head, number = NIL_VERSION, 0
        while number < 100:
            plaintext = b"%s %d" % (process, number)
            result = remote.add_version(head, plaintext)
            if isinstance(result, Conflict):
                head = result.latest_version_id
                continue
            assert remote.get_child_version(head) == Version(result.version_id, head, plaintext)
            head, number = result.version_id, number + 1

    def test_two_processes_with_one_remote_get_their_own_answers(self, server, fork):
        """If this fails, a process takes the acknowledgement of another process' version for its own."""
        with RemoteServer(Credentials.generate(server.url), proxy="") as remote:
            remote.probe()
            check_child = fork(lambda: self.add_own_versions(remote, b"child"))
            self.add_own_versions(remote, b"parent")
            check_child()

    def test_a_child_does_not_wait_for_a_call_of_the_parents_thread(self, remote_of, slow, fork):
        """If this fails, a forked process waits for ever for a thread that it lacks."""
        with remote_of(slow.url) as remote:
            other = OtherCall(remote, slow)

            def work():
                # Its own calls, and a cancel that is not the parent's.
                threading.Timer(0.1, remote.cancel).start()
                with pytest.raises(CallCancelledError):
                    remote.get_snapshot()

            fork(work)()
            other.check()

    def test_a_child_does_not_wait_for_the_parents_asyncio_thread(self, server, fork):
        """If this fails, a forked process waits for ever for the thread that makes its calls."""

        async def ask(remote):
            return await remote.get_child_version(NIL_VERSION)

        loop = asyncio.new_event_loop()
        remote = loop.run_until_complete(AsyncRemoteServer.open(Credentials.generate(server.url), proxy=""))
        assert loop.run_until_complete(ask(remote)) == UpToDate()

        def work():
            async def main():
                assert await ask(remote) == UpToDate()
                await remote.close()

            asyncio.run(main())

        fork(work)()
        assert loop.run_until_complete(ask(remote)) == UpToDate()
        loop.run_until_complete(remote.close())
        loop.close()
