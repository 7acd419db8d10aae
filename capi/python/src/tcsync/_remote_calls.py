"""The C library's calls to a sync server elsewhere, one after the other on one remote, each of which can be cancelled.

The library's cancel is for a remote, not for one of its calls, and stays until it is reset. Here it is for one call: it
is requested, and reset, while the current call is known.
"""

from __future__ import annotations

import ctypes
import operator
import os
from collections.abc import Callable
from ctypes import byref
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from . import _declarations as c
from ._apart import apart
from ._library import KeyHandle, check, library, take, text
from ._turns import Call, TurnHandle
from .errors import TcsyncError

if TYPE_CHECKING:
    from ctypes import _Pointer

    RemotePointer = _Pointer[c.tcsync_remote]

R = TypeVar("R")

#: The longest answer, in bytes.
RESPONSE_BYTES_MAX = 100 * 1024 * 1024
#: The longest wait for a version, in seconds.
WAIT_S_MAX = 3600


class RemoteHandle(TurnHandle[c.tcsync_remote]):
    """A remote."""

    def begin(self, pointer: RemotePointer) -> None:
        library().tcsync_remote_resume(pointer)

    def end_early(self, pointer: RemotePointer) -> None:
        library().tcsync_remote_cancel(pointer)

    def call(self, function: Callable[[RemotePointer], R]) -> R:
        """Makes a call. On the main thread, an interrupt cancels it."""
        call = Call()
        return apart(lambda: self.make(call, function), cancel=lambda: self.cancel(call))


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
            connect_timeout_ms=milliseconds(connect_timeout_s, "connect_timeout_s"),
            timeout_ms=milliseconds(timeout_s, "timeout_s"),
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


def milliseconds(seconds: float, name: str) -> int:
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


def await_version(remote: RemotePointer, parent_version_id: UUID, wait_s: int) -> tuple[int, UUID | None]:
    """The outcome, and for TCSYNC_OUTCOME_FOUND the version's ID."""
    wait_s = operator.index(wait_s)
    # ctypes would cut a larger number.
    if not 0 <= wait_s <= WAIT_S_MAX:
        raise TcsyncError(f"wait_s is {wait_s}; it must be from 0 to {WAIT_S_MAX}, in seconds")
    version_id = c.tcsync_uuid()
    outcome = ctypes.c_int32()
    error = ctypes.POINTER(c.tcsync_error)()
    code = library().tcsync_remote_await_version(
        remote, text(parent_version_id), wait_s, byref(outcome), byref(version_id), byref(error)
    )
    check(code, error)
    return outcome.value, _uuid(version_id)


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
