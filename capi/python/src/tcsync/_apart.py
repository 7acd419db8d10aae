"""Work on a thread of its own, while the caller waits where a signal can interrupt the waiting.

A signal such as Ctrl-C interrupts waiting in Python but not waiting in C. So what may wait in C for long is done apart,
on a thread where no exception cuts in, when the main thread wants it: the only one that signals interrupt. This is the
one place where such a wait is made.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

R = TypeVar("R")

#: The longest time for which a signal goes unnoticed when it comes just before a wait, once in thousands of times.
SIGNAL_MISSED_S = 0.25


def is_interruptible() -> bool:
    """Whether signals interrupt this thread."""
    return threading.get_ident() == threading.main_thread().ident


def apart(
    work: Callable[[], R], *, undo: Callable[[R], None] | None = None, cancel: Callable[[], None] | None = None
) -> R:
    """Does the work on a thread of its own and waits.

    When the wait is interrupted, there are two ways. Without `cancel`, the work goes on to its end unseen, and `undo`
    gets the result that nobody waits for any more. With it, the work is kept from beginning, or `cancel` makes it end
    soon, on a thread of its own as well; the wait for that is not interrupted, and the result is dropped.
    """
    results: list[R] = []
    failures: list[BaseException] = []
    is_interrupted = is_finished = False
    # Not Events: an interrupt could cut their Python code in two.
    unfinished, claimed = threading.Lock(), threading.Lock()
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
        if not claimed.acquire(False):
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
        try:
            # Not a threading.Thread: its start takes locks of that module, which an interrupt could leave taken.
            _thread.start_new_thread(run, ())
        except RuntimeError:
            return work()  # No thread can be had, as at the end of the program. A signal takes effect afterwards.
        # A signal that comes between the interpreter's last look for one and the system's wait does not end that wait.
        while not unfinished.acquire(timeout=SIGNAL_MISSED_S):
            pass
        if results:
            return results[0]
    except BaseException:
        is_interrupted = True
        if cancel:
            # Whoever claims the work first has it: the thread to do it, or this one to leave it undone.
            if not claimed.acquire(False):
                is_asked = False
                while not is_finished:
                    # Another Ctrl-C does not make it faster.
                    with suppress(BaseException):
                        if not is_asked:
                            is_asked = True
                            _start(cancel)
                        unfinished.acquire()
        # One of the two threads sees what the other one has set or appended, and undoes.
        elif undo and results:
            _thread.start_new_thread(undo_result, ())
        raise
    raise failures.pop()


def _start(work: Callable[[], None]) -> None:
    try:
        _thread.start_new_thread(work, ())
    except RuntimeError:
        work()
