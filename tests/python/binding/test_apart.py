"""Work that is done apart from the main thread: interrupted at each step, and where no thread can be started."""

import os
import signal
import sys
import threading
from types import SimpleNamespace

import pytest

from tcsync import Credentials, ProbeKind, RemoteServer, TcsyncError, _apart, _library

# Longer than anything here takes.
LONG_S = 30
STEPS = ("call", "c_call", "c_return")


class InterruptAtStep:
    """Raises KeyboardInterrupt at the given step of _apart's code on this thread, counted from 1: before or after a
    call, where the interpreter itself looks for signals."""

    def __init__(self, step):
        self._left = step
        self.is_raised = False

    def __call__(self, frame, event, _argument):
        if frame.f_code.co_filename == _apart.__file__ and event in STEPS:
            self._left -= 1
            if self._left == 0:
                self.is_raised = True
                raise KeyboardInterrupt


class Work:
    """Lasts until it is cancelled; `begin` is called first. Remembers the use of its result."""

    def __init__(self, begin=lambda: None):
        self._begin = begin
        self._is_cancelled = threading.Event()
        self.is_running = False
        self.results, self.undone = [], threading.Semaphore(0)

    def do(self):
        self.is_running = True
        self._begin()
        assert self._is_cancelled.wait(LONG_S)
        self.results.append("result")
        self.is_running = False
        return "result"

    def apart(self):
        return _apart.apart(self.do, undo=lambda _result: self.undone.release(), cancel=self._is_cancelled.set)

    def check(self):
        assert not self.is_running
        for _ in self.results:
            assert self.undone.acquire(timeout=LONG_S)
        assert not self.undone.acquire(blocking=False)


@pytest.fixture
def no_thread(monkeypatch):
    """A system that has no thread left."""

    def start_new_thread(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_apart, "_thread", SimpleNamespace(start_new_thread=start_new_thread))


@pytest.fixture(autouse=True)
def handler():
    """The handler of SIGINT, which must be there again afterwards."""
    before = signal.getsignal(signal.SIGINT)
    yield
    sys.setprofile(None)
    after = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert after is before


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


class TestInterrupts:
    @pytest.mark.parametrize("step", range(1, 13))
    def test_one_interrupt_ends_the_work_at_any_step(self, step):
        """If this fails, a Ctrl-C at that step leaves the work running, or leaks its result."""
        work = Work()
        sys.setprofile(InterruptAtStep(step))
        with pytest.raises(KeyboardInterrupt):
            work.apart()
        work.check()

    def test_two_interrupts_end_the_work_at_any_step(self):
        """If this fails, a second Ctrl-C just behind the first, at that step, hangs the program. Two come when both the
        terminal and a parent send them."""
        step = 0
        is_raised = True
        while is_raised:
            step += 1
            second = InterruptAtStep(step)

            def first(_number, _frame, second=second):
                signal.signal(signal.SIGINT, signal.default_int_handler)
                sys.setprofile(second)
                raise KeyboardInterrupt

            signal.signal(signal.SIGINT, first)
            work = Work(interrupt)
            with pytest.raises(KeyboardInterrupt):
                work.apart()
            sys.setprofile(None)
            work.check()
            is_raised = second.is_raised
        assert step > 5

    @pytest.mark.parametrize("function", ["tcsync_key_derive", "tcsync_remote_open"])
    def test_an_interrupt_after_the_library_call_frees_the_result(self, monkeypatch, function):
        """If this fails, a Ctrl-C during the call leaves a key in memory that nobody wipes."""
        credentials = Credentials.generate("http://127.0.0.1:1")
        library = _library.library()
        original, free = getattr(library, function), library.tcsync_key_free
        freed = threading.Semaphore(0)

        def then_interrupted(*arguments):
            code = original(*arguments)
            interrupt()
            return code

        def counted(key):
            free(key)
            freed.release()

        monkeypatch.setattr(library, function, then_interrupted)
        monkeypatch.setattr(library, "tcsync_key_free", counted)
        with pytest.raises(KeyboardInterrupt):
            RemoteServer(credentials, proxy="")
        assert freed.acquire(timeout=LONG_S)


@pytest.mark.usefixtures("no_thread")
class TestWithoutAThread:
    def test_an_interrupt_waits_for_the_work(self):
        """If this fails, a Ctrl-C cuts the work in two, and leaves its locks taken."""
        steps, undone = [], []

        def work():
            steps.append("begun")
            interrupt()
            steps.append("ended")
            return "result"

        with pytest.raises(KeyboardInterrupt):
            _apart.apart(work, undo=undone.append)
        assert (steps, undone) == (["begun", "ended"], ["result"])

    def test_a_failure_is_raised(self):
        """If this fails, a program takes a failed call for a finished one."""

        def work():
            raise TcsyncError("a failure")

        with pytest.raises(TcsyncError, match="a failure"):
            _apart.apart(work)

    def test_a_remote_works(self, server):
        """If this fails, a program on a full machine, or at its end, cannot call its server."""
        with RemoteServer(Credentials.generate(server.url), proxy="") as remote:
            assert remote.probe().kind is ProbeKind.EMPTY_HISTORY
            remote.cancel()
            assert remote.probe().kind is ProbeKind.EMPTY_HISTORY


def test_a_remote_is_collected_while_its_key_is_used(python):
    """If this fails, a remote that is collected just then waits for ever for the lock of its key."""
    program = """
import gc
import sys
from tcsync import Credentials, RemoteServer, SealingKey, TcsyncError, NIL_VERSION
credentials = Credentials.generate("http://127.0.0.1:1")
key = SealingKey.derive(credentials.client_id, credentials.secret)
gc.disable()
remote = RemoteServer(credentials, key=key, proxy="")
remote.itself = remote
key.close()
del remote
# At the one call that is made while the key's lock is taken.
at = TcsyncError.__init__.__code__
sys.setprofile(lambda frame, event, argument: gc.collect() if (event, frame.f_code) == ("call", at) else None)
try:
    key.seal(NIL_VERSION, b"")
except TcsyncError as error:
    sys.setprofile(None)
    print(error)
"""
    result = python(program)
    assert (result.returncode, result.stderr) == (0, "") and "closed" in result.stdout
