"""AsyncRemoteServer: its outcomes, cancelled tasks, and loops that end or are busy."""

import asyncio
import gc
import inspect
import random
import threading
import time

import pytest
from unending import FOREVER, PROMPTLY_S, nothing_left, run, timed_out

from tcsync import (
    NIL_VERSION,
    AsyncRemoteServer,
    CallCancelledError,
    Conflict,
    Credentials,
    NewVersion,
    RemoteError,
    RemoteServer,
    TcsyncError,
    UpToDate,
    Version,
    VersionAdded,
    async_remote,
)

SEGMENT = b'{"operations":[]}'


class TestAsyncio:
    def test_outcomes_equal_those_of_the_synchronous_remote(self, server):
        """If this fails, a program with asyncio sees another server than others do."""

        async def main():
            credentials = Credentials.generate(server.url)
            async with await AsyncRemoteServer.open(credentials, proxy="") as remote:
                assert (await remote.probe()).kind.name == "EMPTY_HISTORY"
                added = await remote.add_version(NIL_VERSION, SEGMENT)
                assert isinstance(added, VersionAdded)
                assert await remote.add_version(NIL_VERSION, SEGMENT) == Conflict(added.version_id)
                assert await remote.get_child_version(NIL_VERSION) == Version(added.version_id, NIL_VERSION, SEGMENT)
                assert await remote.await_version(NIL_VERSION, 50) == NewVersion(added.version_id)
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

    def test_a_failed_opening_frees_the_key(self, client_and_key):
        """If this fails, each failed or timed-out opening keeps a key in memory."""
        credentials, key = client_and_key

        async def main():
            with pytest.raises(TcsyncError):
                await AsyncRemoteServer.open(credentials, key=key, ca_file="/nonexistent.pem")
            await timed_out(AsyncRemoteServer.open(credentials), 0.01)

        users = key.handle._users
        with nothing_left():
            run(main())
        assert key.handle._users == users

    @pytest.mark.parametrize("slow", ["silent", "body"], indirect=True)
    def test_a_timeout_ends_the_call(self, async_remote_of, slow):
        """If this fails, a timeout of asyncio waits for the server, or leaves the call running."""

        async def main():
            async with await async_remote_of(slow.url) as remote:
                for _ in range(3):
                    await timed_out(remote.get_snapshot())
                    assert remote._server.handle._running is None
                first = asyncio.create_task(remote.get_snapshot())
                # A waiting call ends at once, and the running one continues.
                await timed_out(remote.get_snapshot())
                assert not first.done()
                first.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await first

        started = time.monotonic()
        with nothing_left():
            run(main())
        assert time.monotonic() - started < PROMPTLY_S

    def test_many_cancelled_tasks_leave_nothing_behind(self, server, client_and_key):
        """If this fails, a cancelled task hangs, ends another one's call, or leaves something behind."""
        credentials, key = client_and_key
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
                            # The calls without a cancel were not cancelled.
                            assert isinstance(result, (UpToDate, Version)), result
                            ended["done"] += 1
                assert ended["done"] >= 200 and ended["cancelled"] > 0, ended

        with nothing_left():
            run(main())

    def test_each_remote_with_a_call_has_one_thread(self, async_remote_of, slow):
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

    def test_closing_the_loop_ends_the_call(self, async_remote_of, slow):
        """If this fails, the end of a loop leaves a call that cannot be ended."""
        with nothing_left():
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(lambda _loop, _context: None)  # It reports the task below, and rightly.
            remote = loop.run_until_complete(async_remote_of(slow.url))
            task = loop.create_task(remote.get_snapshot())
            loop.run_until_complete(asyncio.sleep(0))
            slow.asked.acquire()
            loop.close()
            run(remote.close())
            assert remote._server.handle._running is None
            del task, remote, loop

    def test_a_collected_remote_ends_its_thread(self, async_remote_of, slow):
        """If this fails, a program that forgets to close collects threads."""

        async def main():
            for _ in range(5):
                remote = await async_remote_of(slow.url)
                await timed_out(remote.get_snapshot())
                del remote

        with nothing_left():
            run(main())

    def test_open_has_the_arguments_of_remote_server(self):
        """If this fails, help() and editors do not show the options, or another set than RemoteServer has."""
        assert inspect.signature(AsyncRemoteServer.open).parameters == inspect.signature(RemoteServer).parameters


class CollectBeforeWaiting:
    """Collects on the thread of a remote, when its first call has ended and it is about to wait for the next."""

    def __init__(self):
        self._jobs_left = 2  # The opening, and the call.
        self.may_collect, self.has_collected = threading.Event(), threading.Event()

    def __call__(self, frame, event, argument):
        if self.has_collected.is_set():
            return
        if self._jobs_left:
            self._jobs_left -= event == "return" and frame.f_code is async_remote._Job.do.__code__
        elif event == "c_call" and argument.__name__ in ("get", "acquire"):
            self.may_collect.wait()
            gc.collect()
            self.has_collected.set()


class TestRareMoments:
    def test_a_remote_collected_on_its_own_thread_ends_it(self, async_remote_of):
        """If this fails, a remote that is collected just before its thread waits for calls leaves that thread."""
        collector = CollectBeforeWaiting()

        async def main():
            remote = await async_remote_of("http://127.0.0.1:1")
            remote.itself = remote
            with pytest.raises(RemoteError):
                await remote.get_snapshot()

        with nothing_left():
            threading.setprofile(collector)
            gc.disable()
            try:
                loop = asyncio.new_event_loop()
                loop.run_until_complete(main())
                loop.close()
                collector.may_collect.set()
                assert collector.has_collected.wait(PROMPTLY_S)
            finally:
                threading.setprofile(None)
                gc.enable()

    def test_close_works_after_an_interrupted_close(self, async_remote_of, slow, monkeypatch):
        """If this fails, a close after a close that Ctrl-C cut in two waits for ever."""

        async def main():
            remote = await async_remote_of(slow.url)
            task = asyncio.create_task(remote.get_snapshot())
            await asyncio.to_thread(slow.asked.acquire)

            def cut(_job):
                raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr(async_remote._Job, "cancel", cut)
                with pytest.raises(KeyboardInterrupt):
                    await remote.close()
            await asyncio.wait_for(remote.close(), PROMPTLY_S)
            with pytest.raises(CallCancelledError):
                await task

        with nothing_left():
            run(main())

    def test_a_call_fails_without_a_thread(self, async_remote_of, monkeypatch):
        """If this fails, a program on a full machine waits for a call that was never started."""

        def start(_thread):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)
        with nothing_left():
            with pytest.raises(TcsyncError, match="no thread can be started") as raised:
                run(async_remote_of("http://127.0.0.1:1"))
            assert raised.value.name == "TCSYNC_SYSTEM"

    def test_a_forked_process_collects_a_coroutine_without_waiting(self, async_remote_of, slow, fork):
        """If this fails, a forked process waits for ever for a lock that a thread of its parent had taken."""
        loop = asyncio.new_event_loop()
        remote = loop.run_until_complete(async_remote_of(slow.url))
        task = loop.create_task(remote.get_snapshot())
        loop.run_until_complete(asyncio.sleep(0))
        slow.asked.acquire()
        is_taken, may_continue = threading.Event(), threading.Event()

        def other():
            with remote._worker._lock:
                is_taken.set()
                may_continue.wait()

        thread = threading.Thread(target=other)
        thread.start()
        is_taken.wait()
        check_child = fork(task.get_coro().close)
        may_continue.set()
        thread.join()
        check_child()
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.run_until_complete(remote.close())
        loop.close()
