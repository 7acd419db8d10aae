"""The C library's calls to a sync server elsewhere, one after the other on one remote, each of which can be cancelled.

The library's cancel is for a remote, not for one of its calls, and stays until it is reset. Here it is for one call: it
is requested, and reset, while the current call is known.

All state is changed on threads where no exception interrupts, or, for asyncio, on a thread that asyncio protects.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from ctypes import byref
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from . import _declarations as c
from ._apart import apart
from ._library import Handle, KeyHandle, check, library, take, text
from .errors import CallCancelledError, TcsyncError

if TYPE_CHECKING:
    from ctypes import _Pointer

    RemotePointer = _Pointer[c.tcsync_remote]

R = TypeVar("R")

#: The longest answer, in bytes.
RESPONSE_BYTES_MAX = 100 * 1024 * 1024


class Call:
    """One call, from before it is made."""

    __slots__ = ("is_cancelled",)

    def __init__(self) -> None:
        self.is_cancelled = False


class RemoteHandle(Handle[c.tcsync_remote]):
    """A remote. A forked process can use it as well; calls that another thread was making at the fork belong to the
    parent."""

    def renew(self) -> None:
        super().renew()
        # A lock of its own, because an interrupt of a loop's thread could cut a Condition's Python code in two.
        self._lock_of_turn = threading.RLock()
        self._turn = threading.Condition(self._lock_of_turn)
        self._calls: set[Call] = set()  # The current call, and those that wait for their turn.
        self._running: Call | None = None

    def call(self, function: Callable[[RemotePointer], R]) -> R:
        """Makes a call. On the main thread, an interrupt cancels it."""
        call = Call()
        return apart(lambda: self.make(call, function), cancel=lambda: self.cancel(call))

    def make(self, call: Call, function: Callable[[RemotePointer], R]) -> R:
        """Makes a call in its turn, which any thread may cancel."""
        with self.use() as pointer:
            with self._lock_of_turn:
                self._calls.add(call)
                self._turn.wait_for(lambda: call.is_cancelled or self._running is None)
                if call.is_cancelled:
                    self._calls.discard(call)
                    raise CallCancelledError("the call was cancelled before it began; nothing was sent")
                library().tcsync_remote_resume(pointer)
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
            library().tcsync_remote_cancel(self.pointer)
        self._turn.notify_all()


def open_remote(
    url: str,
    client_id: UUID | None,
    key: KeyHandle | None,
    ca_file: str | os.PathLike[str] | None,
    proxy: str | None,
    connect_timeout_s: float,
    timeout_s: float,
) -> RemoteHandle:
    """Opens a remote, which keeps the key in use until it is freed itself. RemoteServer describes the options."""
    lib = library()

    def free(pointer: RemotePointer) -> None:
        try:
            lib.tcsync_remote_free(pointer)
        finally:
            if key:
                key.end_use()

    def work() -> RemoteHandle:
        options = c.tcsync_remote_options(
            struct_size=ctypes.sizeof(c.tcsync_remote_options),
            ca_file=None if ca_file is None else os.fsencode(ca_file),
            proxy=None if proxy is None else proxy.encode("utf-8"),
            connect_timeout_ms=_milliseconds(connect_timeout_s, "connect_timeout_s"),
            timeout_ms=_milliseconds(timeout_s, "timeout_s"),
            response_bytes_max=RESPONSE_BYTES_MAX,
        )
        remote = ctypes.POINTER(c.tcsync_remote)()
        error = ctypes.POINTER(c.tcsync_error)()
        key_pointer = key.begin_use() if key else None
        code = lib.tcsync_remote_open(
            url.encode("utf-8"),
            None if client_id is None else text(client_id),
            key_pointer,
            byref(options),
            byref(remote),
            byref(error),
        )
        del options  # The proxy's URL may contain a password.
        if code != c.TCSYNC_OK and key:
            key.end_use()
        check(code, error)
        return RemoteHandle(remote, free)

    # The authorities are read here, which takes a while. An interrupt just after it would leave the key in use.
    return apart(work, undo=RemoteHandle.close, cancel=lambda: None)


def _milliseconds(seconds: float, name: str) -> int:
    """At least one, because zero means the library's default."""
    if not 0 < seconds <= 24 * 60 * 60:
        raise TcsyncError(f"{name} is {seconds}; it must be more than 0 and at most a day, in seconds")
    return max(1, round(seconds * 1000))


def probe(remote: RemotePointer) -> c.tcsync_probe:
    found = c.tcsync_probe(struct_size=ctypes.sizeof(c.tcsync_probe))
    error = ctypes.POINTER(c.tcsync_error)()
    check(library().tcsync_remote_probe(remote, byref(found), byref(error)), error)
    return found


def get_child_version(remote: RemotePointer, parent_version_id: UUID) -> tuple[int, UUID | None, bytes]:
    """The outcome, and for TCSYNC_OUTCOME_FOUND the version's ID and plaintext."""
    parent = text(parent_version_id)
    return _fetch(lambda *out: library().tcsync_remote_get_child_version(remote, parent, *out))


def add_version(remote: RemotePointer, parent_version_id: UUID, plaintext: bytes) -> tuple[int, UUID | None, int]:
    """The outcome, the version's ID, and the urgency of a snapshot."""
    version_id = c.tcsync_uuid()
    outcome, urgency = ctypes.c_int32(), ctypes.c_int32()
    error = ctypes.POINTER(c.tcsync_error)()
    code = library().tcsync_remote_add_version(
        remote,
        text(parent_version_id),
        plaintext,
        len(plaintext),
        byref(outcome),
        byref(version_id),
        byref(urgency),
        byref(error),
    )
    check(code, error)
    return outcome.value, _uuid(version_id), urgency.value


def get_snapshot(remote: RemotePointer) -> tuple[int, UUID | None, bytes]:
    """The outcome, and for TCSYNC_OUTCOME_FOUND the snapshot's version ID and plaintext."""
    return _fetch(lambda *out: library().tcsync_remote_get_snapshot(remote, *out))


def add_snapshot(remote: RemotePointer, version_id: UUID, plaintext: bytes) -> None:
    error = ctypes.POINTER(c.tcsync_error)()
    code = library().tcsync_remote_add_snapshot(remote, text(version_id), plaintext, len(plaintext), byref(error))
    check(code, error)


def _fetch(call: Callable[..., int]) -> tuple[int, UUID | None, bytes]:
    """Makes a call with the outputs outcome, version_id, plaintext and error, and returns the first three."""
    version_id = c.tcsync_uuid()
    outcome = ctypes.c_int32()
    plaintext = ctypes.POINTER(c.tcsync_bytes)()
    error = ctypes.POINTER(c.tcsync_error)()
    check(call(byref(outcome), byref(version_id), byref(plaintext), byref(error)), error)
    return outcome.value, _uuid(version_id), take(plaintext)


def _uuid(identifier: c.tcsync_uuid) -> UUID | None:
    return UUID(identifier.text.decode("ascii")) if identifier.text else None
