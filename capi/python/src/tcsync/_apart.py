"""Work on a thread of its own, while the caller waits where a signal can interrupt the waiting.

A signal such as Ctrl-C interrupts waiting in Python but not waiting in C, and only on the main thread. So the main
thread has long calls into C made apart, on a thread where no exception cuts in. This is the one place where such a wait
is made.
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
    """Does the work and waits: on a thread of its own when this is the main thread, which signals interrupt.

    When the wait is interrupted, there are two ways. Without `cancel`, the work goes on to its end unseen. With it, the
    work is kept from beginning, or `cancel` makes it end soon, on a thread of its own as well, and the wait for that is
    not interrupted. Either way, `undo` gets the result that nobody waits for any more.
    """
    if threading.get_ident() != threading.main_thread().ident:
        return work()
    results: list[R] = []
    failures: list[BaseException] = []
    is_interrupted = is_finished = False
    # The first of the two threads to ask has the work: the other one to do it, this one to leave it undone. Each gets
    # the same answer again, so an interrupt just behind the question loses nothing.
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
        # A signal that comes between the interpreter's last look for one and the system's wait does not end that wait.
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
                # One of the two threads sees what the other one has set or appended, and undoes.
                if undo and results:
                    _start(undo_result)
                break
            except BaseException:
                # Another Ctrl-C does not make it faster. It may have come before the cancel, so that is asked again.
                continue
        raise
    raise failures.pop()


def _start(work: Callable[[], None]) -> None:
    """Has the work done on a thread of its own. When none can be had, as at the end of the program, it is done here."""
    try:
        # Not a threading.Thread: its start takes locks of that module, which an interrupt could leave taken.
        _thread.start_new_thread(work, ())
    except RuntimeError:
        _undisturbed(work)


def _undisturbed(work: Callable[[], None]) -> None:
    """Does the work on the main thread. A signal that comes meanwhile reaches its handler in Python afterwards."""
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
