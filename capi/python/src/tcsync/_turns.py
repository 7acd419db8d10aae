"""Handles whose calls are made one after the other, each of which can be cancelled before its turn.

All state is changed on threads where no exception interrupts, or, for asyncio, on a thread that asyncio protects.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ._library import Handle
from .errors import CallCancelledError, TcsyncError

if TYPE_CHECKING:
    from ctypes import _Pointer

T = TypeVar("T", bound=ctypes.Structure)
R = TypeVar("R")


class Call:
    """One call, from before it is made. A sync is one call on two handles."""

    __slots__ = ("is_cancelled", "thread")

    def __init__(self) -> None:
        self.is_cancelled = False
        self.thread = 0  # The one that makes it.


class TurnHandle(Handle[T]):
    """A forked process can use it as well; calls that another thread was making at the fork belong to the parent."""

    def renew(self) -> None:
        super().renew()
        # A lock of its own, because an interrupt of a loop's thread could cut a Condition's Python code in two.
        self._lock_of_turn = threading.RLock()
        self._turn = threading.Condition(self._lock_of_turn)
        self._calls: set[Call] = set()  # The current call, and those that wait for their turn.
        self._running: Call | None = None

    def begin(self, pointer: _Pointer[T]) -> None:
        """At the beginning of each call's turn."""

    def end_early(self, pointer: _Pointer[T]) -> None:
        """Ends the current call. Without a way to do so, it goes on."""

    def make(self, call: Call, function: Callable[[_Pointer[T]], R]) -> R:
        """Makes a call in its turn, which any thread may cancel."""
        with self.use() as pointer:
            with self._lock_of_turn:
                if self._running and self._running.thread == threading.get_ident():
                    # It would wait for itself.
                    raise TcsyncError(
                        "a progress function must not call the objects of its sync; let it return, and call them after "
                        "the sync"
                    )
                self._calls.add(call)
                self._turn.wait_for(lambda: call.is_cancelled or self._running is None)
                if call.is_cancelled:
                    self._calls.discard(call)
                    raise CallCancelledError("the call was cancelled before it began; nothing was sent")
                self.begin(pointer)
                call.thread = threading.get_ident()
                self._running = call
            try:
                return function(pointer)
            finally:
                with self._lock_of_turn:
                    self._calls.discard(call)
                    self._running = None
                    self._turn.notify_all()

    def cancel(self, call: Call) -> None:
        """Ends a call, or keeps it from beginning."""
        with self._lock_of_turn:
            self._cancel(call)

    def cancel_all(self) -> None:
        """Ends the current call, and those that wait for their turn."""
        with self._lock_of_turn:
            for call in self._calls:
                self._cancel(call)

    def _cancel(self, call: Call) -> None:
        call.is_cancelled = True
        if self._running is call:
            self.end_early(self.pointer)
        self._turn.notify_all()
