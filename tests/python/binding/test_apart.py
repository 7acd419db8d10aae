"""Work that is done apart from the main thread: interrupted at each step, on a thread that is kept, and where none can
be started."""

import _thread
import os
import signal
import sys
import threading
from types import SimpleNamespace

import pytest
from unending import nothing_left

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
def starts(monkeypatch):
    """The module as in a process without other threads, where this function starts one."""

    def replace(start_new_thread):
        _apart._forget_threads()
        monkeypatch.setattr(_apart, "_thread", SimpleNamespace(start_new_thread=start_new_thread))

    return replace


@pytest.fixture
def no_thread(starts):
    """A system that has no thread left."""

    def start_new_thread(*_):
        raise RuntimeError("can't start new thread")

    starts(start_new_thread)


@pytest.fixture
def started(starts):
    """The arguments of each start of a thread."""
    calls = []

    def start_new_thread(*arguments):
        calls.append(arguments)
        return _thread.start_new_thread(*arguments)

    starts(start_new_thread)
    return calls


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
    @pytest.mark.parametrize("step", range(1, 25))
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


def ident_apart():
    return _apart.apart(threading.get_ident)


class Busy:
    """Work whose caller was interrupted, and that goes on until the end of its `with`."""

    def __enter__(self):
        self._may_end = threading.Semaphore(0)

        def work():
            interrupt()
            assert self._may_end.acquire(timeout=LONG_S)

        with pytest.raises(KeyboardInterrupt):
            _apart.apart(work)

    def __exit__(self, *_):
        self._may_end.release()


class TestThreads:
    def test_a_thousand_calls_share_one_thread(self, started):
        """If this fails, each call pays for the start of a thread."""
        assert threading.get_ident() not in {ident_apart() for _ in range(1000)}
        assert len(started) == 1

    def test_an_interrupt_leaves_no_thread_behind(self, started):
        """If this fails, each Ctrl-C leaves a thread behind, or the calls after it have none."""
        ident_apart()
        interrupts = range(100)
        with nothing_left():
            for number in interrupts:
                # At each step, before and in the wait.
                work = Work()
                sys.setprofile(InterruptAtStep(1 + number % 20))
                with pytest.raises(KeyboardInterrupt):
                    work.apart()
                sys.setprofile(None)
                work.check()
                for _ in range(10):
                    ident_apart()
        # For each of them one while the work goes on, and one more if the start of a thread was itself interrupted.
        assert len(started) <= 1 + 2 * len(interrupts)

    def test_calls_go_on_beside_interrupted_work(self, started):
        """If this fails, the calls after a Ctrl-C wait for the interrupted one, or have a thread each."""
        ident_apart()
        with nothing_left(), Busy(), Busy():
            assert len({ident_apart() for _ in range(1000)}) == 1
            assert len(started) == 3

    def test_a_call_in_a_signal_handler_does_not_wait_for_the_interrupted_call(self):
        """If this fails, a call in a signal handler waits for ever for the call that it interrupted."""
        idents, may_end = [], threading.Semaphore(0)

        def handler(_number, _frame):
            idents.append(ident_apart())
            may_end.release()

        def work():
            interrupt()
            assert may_end.acquire(timeout=LONG_S)
            return threading.get_ident()

        before = signal.signal(signal.SIGINT, handler)
        ident_apart()
        with nothing_left():
            for _ in range(100):
                outer = _apart.apart(work)
                assert outer != idents.pop()
        signal.signal(signal.SIGINT, before)

    def test_a_failing_undo_leaves_later_calls_working(self, started, monkeypatch):
        """If this fails, it goes unnoticed, or a later call waits for the thread that it ended."""
        reported, may_end = threading.Semaphore(0), threading.Semaphore(0)
        monkeypatch.setattr(sys, "unraisablehook", lambda _: reported.release())

        def work():
            interrupt()
            assert may_end.acquire(timeout=LONG_S)

        def fail(_result):
            raise ValueError

        with pytest.raises(KeyboardInterrupt):
            _apart.apart(work, undo=fail, cancel=may_end.release)
        assert reported.acquire(timeout=LONG_S)
        assert len({ident_apart() for _ in range(10)}) == 1
        assert len(started) <= 3

    def test_a_forked_process_has_a_thread_of_its_own(self, started, fork):
        """If this fails, a forked process waits for ever for its parent's thread."""
        with Busy():
            ident_apart()

            def work():
                started.clear()
                assert len({ident_apart() for _ in range(10)}) == len(started) == 1

            fork(work)()
            ident_apart()
            assert len(started) == 2

    @pytest.mark.parametrize("is_busy", [False, True])
    def test_the_program_ends_beside_a_waiting_thread(self, python, is_busy):
        """If this fails, a program that made a call does not end, or crashes, or a call at its end never returns."""
        program = f"""
import atexit
import builtins
import os
import signal
import threading
from tcsync._apart import apart

class AtTheVeryEnd:
    def __del__(self, apart=apart, write=os.write):
        write(1, apart(lambda: b"very end"))

def work():
    os.kill(os.getpid(), signal.SIGINT)
    threading.Semaphore(0).acquire()

apart(lambda: None)
if {is_busy}:
    try:
        apart(work)
    except KeyboardInterrupt:
        pass
atexit.register(lambda: os.write(1, apart(lambda: b"end, ")))
builtins.at_the_very_end = AtTheVeryEnd()
"""
        result = python(program)
        assert (result.returncode, result.stderr, result.stdout) == (0, "", "end, very end")

    @pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python loads ctypes in its first interpreter only")
    def test_a_subinterpreter_calls_directly(self, python):
        """If this fails, the end of an interpreter within a program aborts the program, because of a waiting thread."""
        program = """
import _xxsubinterpreters as interpreters
made = interpreters.create(isolated=False)
interpreters.run_string(made, "from tcsync._apart import apart; print(apart(lambda: 'done'))")
interpreters.destroy(made)
"""
        result = python(program)
        assert (result.returncode, result.stderr, result.stdout) == (0, "", "done\n")


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
