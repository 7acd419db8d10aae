"""Runs work on a thread of its own, while the caller waits in a way that a signal can interrupt.

A signal such as Ctrl-C interrupts a wait in Python but not one in C, and only on the main thread. So the main thread
has long calls into C made on another thread, where no exception interrupts them. Only this module waits in this way.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TypeVar

R = TypeVar("R")

#: The longest time for which a signal goes unnoticed when it comes just before a wait, once in thousands of times.
SIGNAL_MISSED_S = 0.25


def apart(
    work: Callable[[], R], *, undo: Callable[[R], None] | None = None, cancel: Callable[[], None] | None = None
) -> R:
    """Runs the work and waits: on a thread of its own if the caller is the main thread, which signals interrupt.

    After an interrupt of the wait without `cancel`, the work continues to its end unseen. With `cancel`, the work is
    kept from beginning, or `cancel`, on a thread of its own as well, ends it soon, and the wait for that is not
    interrupted. Either way, `undo` gets the result that the caller no longer waits for.
    """
    if threading.get_ident() != threading.main_thread().ident:
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
        unfinished.release()
        if is_interrupted:
            undo_result()

    try:
        _start(run)
        # A signal between the interpreter's last check for one and the system's wait does not end that wait.
        while not unfinished.acquire(timeout=SIGNAL_MISSED_S):
            pass
        if results:
            return results[0]
    except BaseException:
        is_interrupted = True
        while True:
            try:
                if cancel and not claims.setdefault("is_left_undone", True) and not is_finished:
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


def _start(work: Callable[[], None]) -> None:
    """Runs the work on a thread of its own, or here if none can be started, as at the end of the program."""
    try:
        # Not a threading.Thread: its start takes locks of that module, which an interrupt could leave taken.
        _thread.start_new_thread(work, ())
    except RuntimeError:
        _undisturbed(work)


def _undisturbed(work: Callable[[], None]) -> None:
    """Runs the work on the main thread. A signal during the work reaches its Python handler afterwards."""
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
    signals: list[int] = []
    try:
        for number in sorted(int(each) for each in signal.valid_signals()):
            handler = signal.getsignal(number)
            if callable(handler):
                handlers[number] = handler
                signal.signal(number, lambda number, _frame: signals.append(number))
        with suppress(Exception):
            work()
    finally:
        for number, handler in reversed(handlers.items()):
            signal.signal(number, handler)
    for number in signals:
        handlers[number](number, None)
