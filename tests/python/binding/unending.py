"""Help for the tests of calls that are cancelled: servers that never finish, Ctrl-C, and proofs that all has ended."""

import asyncio
import gc
import os
import signal
import socket
import threading
import time
import warnings
from contextlib import contextmanager

import pytest

from tcsync import CallCancelledError, TcsyncError

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


def run(coroutine):
    """Runs it, and checks that asyncio has nothing to complain about."""
    reported_errors = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported_errors.append(context))
        return await coroutine

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = asyncio.run(main())
        gc.collect()
    assert reported_errors == []
    return result
