"""Runs work on a kept thread, while the caller waits in a way that a signal can interrupt.

A signal such as Ctrl-C interrupts a wait in Python but not one in C, and only on the main thread. So the main thread
has long calls into C made on another thread, where no exception interrupts them. Only this module waits in this way.

That thread then waits for the next call. A further one is started only while it is busy with work whose caller was
interrupted, and ends when another one waits. Such threads end with the program, which does not wait for them.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from types import FrameType
from typing import TypeVar

R = TypeVar("R")

#: The longest time for which a signal goes unnoticed when it comes just before a wait, once in thousands of times.
SIGNAL_MISSED_S = 0.25

# These are changed in single steps, which neither an interrupt nor another thread can cut in two. Each job is work, and
# the function that tells its caller of the end.
_jobs: deque[tuple[Callable[[], None], Callable[[], None]]] = deque()
#: An entry for each thread that waits for a job, or is about to see that it has one.
_idle: list[None] = []
#: At least one for each job. Its `put` is reentrant.
_wakes: SimpleQueue[None] = SimpleQueue()


def apart(
    work: Callable[[], R], *, undo: Callable[[R], None] | None = None, cancel: Callable[[], None] | None = None
) -> R:
    """Runs the work and waits: on another thread if signals interrupt the caller's.

    After an interrupt of the wait without `cancel`, the work continues to its end unseen. With `cancel`, the work is
    kept from beginning, or `cancel`, on another thread as well, ends it soon, and the wait for that is not interrupted.
    Either way, `undo` gets the result that the caller no longer waits for.
    """
    if not _handles_signals():
        return work()
    results: list[R] = []
    failures: list[BaseException] = []
    is_interrupted = is_finished = False
    # The first of the two threads to ask decides: the other one to do the work, this one to leave it undone. Each gets
    # the same answer again, so an interrupt right after the question loses nothing.
    claims: dict[str, bool] = {}
    # Not an Event: an interrupt could cut its Python code in two.
    unfinished = threading.Lock()
    unfinished.acquire()

    def undo_result() -> None:
        try:
            result = results.pop()
        except IndexError:
            return  # The other thread has it, or there is none.
        if undo:
            undo(result)

    def run() -> None:
        nonlocal is_finished
        if claims.setdefault("is_left_undone", False):
            return
        try:
            results.append(work())
        except BaseException as failure:
            failures.append(failure)
        is_finished = True
        if is_interrupted:
            undo_result()

    try:
        _start(run, unfinished.release)
        # A signal between the interpreter's last check for one and the system's wait does not end that wait.
        while not unfinished.acquire(timeout=SIGNAL_MISSED_S):
            pass
        if results:
            return results[0]
    except BaseException:
        is_interrupted = True
        while True:
            try:
                is_begun = not (cancel and claims.setdefault("is_left_undone", True))
                _attend()  # The interrupt may have come before it.
                if cancel and is_begun and not is_finished:
                    _start(cancel)
                    unfinished.acquire()
                # One of the two threads sees the value that the other one has set or appended, and undoes.
                if undo and results:
                    _start(undo_result)
                break
            except BaseException:
                # Another Ctrl-C does not speed this up. It may have come before the cancel, so the cancel is requested
                # again.
                continue
        raise
    raise failures.pop()


def _handles_signals() -> bool:
    """Whether this is the main thread of the main interpreter: Python tells only by the error for a handler."""
    try:
        signal.signal(signal.SIGINT, None)  # Never a handler.
    except ValueError:
        return False
    except TypeError:
        pass
    return True


def _nothing() -> None:
    pass


def _start(work: Callable[[], None], ended: Callable[[], None] = _nothing) -> None:
    _jobs.append((work, ended))
    _attend()


def _attend() -> None:
    """Has the waiting jobs done on other threads, or here if none can be started. May be called once too often."""
    try:
        # At the end of the program, a thread that waits does not run again.
        if sys.is_finalizing():
            raise RuntimeError
        if len(_idle) < len(_jobs):
            # Not a threading.Thread: its start takes locks of that module, which an interrupt could leave taken. And
            # the end of the program would wait for it.
            _thread.start_new_thread(_do_jobs, ())
    except RuntimeError:
        _do_jobs_here()
    else:
        # Without a job, it would take a thread from the waiting ones for a moment.
        if _jobs:
            _wakes.put(None)


def _do_jobs() -> None:
    """The kept thread. An exception of `undo` or `cancel` ends it, and Python reports that."""
    ended = _nothing
    while True:
        stays = bool(_jobs) or not _idle
        if stays:
            _idle.append(None)
        # Only now, because the caller's next call may come at once.
        ended()
        if not stays:
            return
        _wakes.get()
        _idle.pop()
        try:
            work, ended = _jobs.popleft()
        except IndexError:  # Another thread has the job.
            work = ended = _nothing
        try:
            work()
        except BaseException:
            ended()
            raise
        del work  # It refers to plaintext.


def _do_jobs_here() -> None:
    """Does the waiting jobs on this thread. A signal during them reaches its Python handler afterwards."""
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
    signals: list[int] = []
    try:
        for number in sorted(int(each) for each in signal.valid_signals()):
            handler = signal.getsignal(number)
            if callable(handler):
                handlers[number] = handler
                signal.signal(number, lambda number, _frame: signals.append(number))
        while _jobs:
            with suppress(Exception):
                work, ended = _jobs.popleft()
                try:
                    work()
                finally:
                    ended()
    finally:
        for number, handler in reversed(handlers.items()):
            signal.signal(number, handler)
    for number in signals:
        handlers[number](number, None)


def _forget_threads() -> None:
    """In a forked process, which has none of them: jobs at the fork are the parent's."""
    global _wakes
    _jobs.clear()
    _idle.clear()
    _wakes = SimpleQueue()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
