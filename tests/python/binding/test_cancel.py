"""Calls that are cancelled: by Ctrl-C, by another thread, by asyncio; and remotes on both sides of a fork."""

import asyncio
import gc
import os
import random
import signal
import socket
import threading
import time
import warnings
from contextlib import contextmanager

import pytest

from tcsync import (
    NIL_VERSION,
    AsyncRemoteServer,
    CallCancelledError,
    Conflict,
    Credentials,
    RemoteServer,
    SealingKey,
    TcsyncError,
    UpToDate,
    Version,
    VersionAdded,
)

SEGMENT = b'{"operations":[]}'
# So long that a call which is not cancelled fails its test.
FOREVER = {"proxy": "", "timeout_s": 600.0, "connect_timeout_s": 600.0}
PROMPTLY_S = 30


class Slow:
    """A server on loopback that takes connections and requests, and answers with the beginning of an answer."""

    def __init__(self, beginning=b""):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.asked = threading.Semaphore(0)
        self._beginning = beginning
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            try:
                while connection.recv(65536):
                    connection.sendall(self._beginning)
                    self.asked.release()
            except OSError:
                pass

    def close(self):
        # Closing alone does not wake the thread.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Full:
    """A server whose queue of connections is full: a further one is neither accepted nor refused."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self._waiting = [socket.socket() for _ in range(4)]
        for waiting in self._waiting:
            waiting.setblocking(False)
            waiting.connect_ex(self.listener.getsockname())

    def close(self):
        for each in (*self._waiting, self.listener):
            each.close()


BEGINNINGS = {
    "silent": b"",
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nonly this",
}


@pytest.fixture
def slow(request):
    server = Slow(BEGINNINGS[getattr(request, "param", "silent")])
    yield server
    server.close()


@pytest.fixture(scope="module")
def somebody():
    """A client with its key, which takes long to derive."""
    credentials = Credentials.generate("http://127.0.0.1:1")
    with SealingKey.derive(credentials.client_id, credentials.secret) as key:
        yield credentials, key


@pytest.fixture
def remote_of(somebody):
    """Makes a RemoteServer for a URL, with that key."""
    credentials, key = somebody
    return lambda url: RemoteServer(Credentials(url, credentials.client_id, credentials.secret), key=key, **FOREVER)


@pytest.fixture
def async_remote_of(somebody):
    credentials, key = somebody
    return lambda url: AsyncRemoteServer.open(
        Credentials(url, credentials.client_id, credentials.secret), key=key, **FOREVER
    )


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@contextmanager
def nothing_left():
    """The block leaves no thread and no descriptor, once those that are about to end have ended."""
    gc.collect()
    before = descriptors(), len(os.listdir("/proc/self/task"))
    yield
    deadline = time.monotonic() + PROMPTLY_S
    while True:
        gc.collect()
        after = descriptors(), len(os.listdir("/proc/self/task"))
        if after[0] <= before[0] and after[1] <= before[1]:
            return
        assert time.monotonic() < deadline, (before, after, threading.enumerate())
        time.sleep(0.01)


def interrupted(call, when=None, after_s=0.0):
    """Makes a call that Ctrl-C has to end: sent when the function `when` returns or, without one, that long after the
    beginning."""
    begun = threading.Semaphore(0)

    def interrupt():
        (when or begun.acquire)()
        time.sleep(after_s)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        begun.release()
        call()
    thread.join()


class OtherCall:
    """A call that another thread makes, and that has reached the server."""

    def __init__(self, remote, slow):
        self._remote = remote
        self._failures = []
        self._thread = threading.Thread(target=self._call)
        self._thread.start()
        slow.asked.acquire()

    def _call(self):
        try:
            self._remote.get_snapshot()
        except TcsyncError as error:
            self._failures.append(type(error))

    def check(self):
        """It went on until now, and a cancel ends it."""
        assert not self._failures and self._thread.is_alive()
        self._remote.cancel()
        self._thread.join(PROMPTLY_S)
        assert self._failures == [CallCancelledError]


async def timed_out(call, after_s=0.05):
    """Awaits a call that a timeout has to end."""
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(call, after_s)


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
            ("silent", "add_version", (NIL_VERSION, SEGMENT)),
            ("silent", "add_snapshot", (NIL_VERSION, SEGMENT)),
            ("body", "get_snapshot", ()),
            ("body", "get_child_version", (NIL_VERSION,)),
            ("body", "add_version", (NIL_VERSION, SEGMENT)),
            # Nobody reads the body of the answer to add_snapshot.
        ],
        indirect=["slow"],
    )
    def test_during_a_call(self, remote_of, slow, call, arguments):
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
    def test_during_the_connection(self, remote_of):
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

    def test_the_remote_goes_on(self, server):
        """If this fails, a program that survives a Ctrl-C has lost its server."""
        with RemoteServer(Credentials.generate(server.url), **FOREVER) as remote:

            def probe_for_ever():
                while True:
                    remote.probe()

            for _ in range(5):
                interrupted(probe_for_ever)
                assert remote.get_child_version(NIL_VERSION) == UpToDate()

    def test_while_it_waits_for_its_turn(self, remote_of, slow):
        """If this fails, Ctrl-C on the main thread ends another thread's call, or waits for it."""
        with remote_of(slow.url) as remote:
            other = OtherCall(remote, slow)
            interrupted(remote.get_snapshot)
            other.check()

    def test_a_storm(self, remote_of, slow):
        """If this fails, an interrupt at the wrong moment hangs the program."""
        with nothing_left(), remote_of(slow.url) as remote:
            for _ in range(100):
                interrupted(remote.get_snapshot, after_s=random.random() / 300)
                assert remote.handle._users == 0


class TestCancel:
    def test_from_another_thread(self, remote_of, slow):
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

    def test_without_a_call(self, server):
        """If this fails, a cancel that comes too late ends a call that nobody wanted to end."""
        with RemoteServer(Credentials.generate(server.url), proxy="") as remote:
            remote.cancel()
            assert remote.get_child_version(NIL_VERSION) == UpToDate()


def run(coroutine):
    """Runs it, and checks that asyncio has nothing to complain about."""
    complaints = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        return await coroutine

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = asyncio.run(main())
        gc.collect()
    assert complaints == []
    return result


class TestAsyncio:
    def test_outcomes(self, server):
        """If this fails, a program with asyncio sees another server than others do."""

        async def main():
            credentials = Credentials.generate(server.url)
            async with await AsyncRemoteServer.open(credentials, proxy="") as remote:
                assert (await remote.probe()).kind.name == "EMPTY_HISTORY"
                added = await remote.add_version(NIL_VERSION, SEGMENT)
                assert isinstance(added, VersionAdded)
                assert await remote.add_version(NIL_VERSION, SEGMENT) == Conflict(added.version_id)
                assert await remote.get_child_version(NIL_VERSION) == Version(added.version_id, NIL_VERSION, SEGMENT)
                assert await remote.get_snapshot() is None
                await remote.add_snapshot(added.version_id, b"state")
                assert (await remote.get_snapshot()).plaintext == b"state"
                # At once, and from several tasks.
                results = await asyncio.gather(*[remote.get_child_version(added.version_id) for _ in range(20)])
                assert results == [UpToDate()] * 20
            await remote.close()
            with pytest.raises(TcsyncError, match="closed"):
                await remote.probe()

        with nothing_left():
            run(main())

    def test_a_failed_opening(self, somebody):
        credentials, key = somebody

        async def main():
            with pytest.raises(TcsyncError):
                await AsyncRemoteServer.open(credentials, key=key, ca_file="/nonexistent.pem")
            await timed_out(AsyncRemoteServer.open(credentials), 0.01)

        users = key.handle._users
        with nothing_left():
            run(main())
        assert key.handle._users == users

    @pytest.mark.parametrize("slow", ["silent", "body"], indirect=True)
    def test_a_timeout(self, async_remote_of, slow):
        """If this fails, a timeout of asyncio waits for the server, or leaves the call running."""

        async def main():
            async with await async_remote_of(slow.url) as remote:
                for _ in range(3):
                    await timed_out(remote.get_snapshot())
                    assert remote._server.handle._running is None
                first = asyncio.create_task(remote.get_snapshot())
                # One that waits for its turn ends at once, and the one that runs goes on.
                await timed_out(remote.get_snapshot())
                assert not first.done()
                first.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await first

        started = time.monotonic()
        with nothing_left():
            run(main())
        assert time.monotonic() - started < PROMPTLY_S

    def test_a_storm(self, server, somebody):
        """If this fails, a cancelled task hangs, ends another one's call, or leaves something behind."""
        credentials, key = somebody
        credentials = Credentials(server.url, credentials.client_id, credentials.secret)

        async def main():
            async with await AsyncRemoteServer.open(credentials, key=key, **FOREVER) as remote:
                ended = {"done": 0, "cancelled": 0}
                for _ in range(20):
                    tasks = [asyncio.create_task(remote.get_child_version(NIL_VERSION)) for _ in range(20)]
                    for task in random.sample(tasks, 10):
                        await asyncio.sleep(random.random() * 0.001)
                        task.cancel()
                    for result in await asyncio.gather(*tasks, return_exceptions=True):
                        if isinstance(result, asyncio.CancelledError):
                            ended["cancelled"] += 1
                        else:
                            # Those that nobody cancelled were not cancelled.
                            assert isinstance(result, (UpToDate, Version)), result
                            ended["done"] += 1
                assert ended["done"] >= 200 and ended["cancelled"] > 0, ended

        with nothing_left():
            run(main())

    def test_many_remotes(self, async_remote_of, slow):
        """If this fails, the number of threads is not that of the remotes with a call."""

        async def main():
            remotes = await asyncio.gather(*[async_remote_of(slow.url) for _ in range(100)])
            tasks = [asyncio.create_task(remote.get_snapshot()) for remote in remotes for _ in range(3)]
            await asyncio.to_thread(lambda: [slow.asked.acquire() for _ in range(100)])
            assert sum(thread.name == "tcsync-remote" for thread in threading.enumerate()) == 100
            await asyncio.gather(*[remote.close() for remote in remotes])
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(result) for result in results} == {CallCancelledError}
            assert not [thread for thread in threading.enumerate() if thread.name == "tcsync-remote" and
                        not thread.join(PROMPTLY_S) and thread.is_alive()]  # fmt: skip

        with nothing_left():
            run(main())

    def test_a_loop_that_is_closed_under_it(self, async_remote_of, slow):
        """If this fails, the end of a loop leaves a call that nobody can end."""
        with nothing_left():
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(lambda _loop, _context: None)  # It tells of the task below, and rightly.
            remote = loop.run_until_complete(async_remote_of(slow.url))
            task = loop.create_task(remote.get_snapshot())
            loop.run_until_complete(asyncio.sleep(0))
            slow.asked.acquire()
            loop.close()
            run(remote.close())
            assert remote._server.handle._running is None
            del task, remote, loop

    def test_collected_without_being_closed(self, async_remote_of, slow):
        """If this fails, a program that forgets to close collects threads."""

        async def main():
            for _ in range(5):
                remote = await async_remote_of(slow.url)
                await timed_out(remote.get_snapshot())
                del remote

        with nothing_left():
            run(main())


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

    @staticmethod
    def fork(work):
        """Does the work in a forked process. Gives a function that waits for its end, and checks it."""
        child = os.fork()
        if not child:
            status = 9
            try:
                signal.alarm(60)
                work()
                status = 7
            finally:
                os._exit(status)

        def check():
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

        return check

    def test_one_remote_in_two_processes(self, server):
        """If this fails, a process is told that its version was added when it was the other one's."""
        with RemoteServer(Credentials.generate(server.url), proxy="") as remote:
            remote.probe()
            check_child = self.fork(lambda: self.add_own_versions(remote, b"child"))
            self.add_own_versions(remote, b"parent")
            check_child()

    def test_during_another_threads_call(self, remote_of, slow):
        """If this fails, a forked process waits for ever for a thread that it lacks."""
        with remote_of(slow.url) as remote:
            other = OtherCall(remote, slow)

            def work():
                # Its own calls, and a cancel that is not the parent's.
                threading.Timer(0.1, remote.cancel).start()
                with pytest.raises(CallCancelledError):
                    remote.get_snapshot()

            self.fork(work)()
            other.check()

    def test_asyncio(self, server):
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

        self.fork(work)()
        assert loop.run_until_complete(ask(remote)) == UpToDate()
        loop.run_until_complete(remote.close())
        loop.close()
