"""Finds and loads the C library, and gives its functions Python's manners: texts, UUIDs, exceptions, owned handles.

The only module that knows ctypes objects. The library is the one in this package; developers name another in
TCSYNC_LIBRARY.

Ownership: what the library gives as tcsync_bytes is copied out and freed, which wipes the library's copy, before a
function returns. A key or a remote is a Handle, freed when it is closed and no call uses it any more.

Threads: calls release the interpreter's lock. A call that may wait for the network runs on a thread of its own while
the caller waits, because a signal such as Ctrl-C interrupts waiting in Python but not waiting in C; the interrupted
call ends by its own deadline, unseen.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import byref
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID

from . import _declarations as c
from .errors import LibraryError, RemoteError, TcsyncError, UnsealError
from .secret import Secret

if TYPE_CHECKING:
    from ctypes import _Pointer

LIBRARY_VARIABLE = "TCSYNC_LIBRARY"
_BUNDLED = "libtcsync.0.dylib" if sys.platform == "darwin" else "libtcsync.so.0"

T = TypeVar("T", bound=ctypes.Structure)


@cache
def library() -> ctypes.CDLL:
    """The library, loaded once. LibraryError says where it was looked for."""
    named = os.environ.get(LIBRARY_VARIABLE)
    path = named or str(Path(__file__).with_name(_BUNDLED))
    where = f"{LIBRARY_VARIABLE} names" if named else "the installation has"
    try:
        loaded = ctypes.CDLL(path)
        c.declare(loaded)
    except OSError as reason:
        raise LibraryError(f"the tcsync library that {where}, {path}, cannot be loaded: {reason}") from None
    except AttributeError as reason:
        raise LibraryError(f"the tcsync library that {where}, {path}, is of another release: {reason}") from None
    return loaded


class Handle(Generic[T]):
    """A pointer that the library gave. Closing frees it, at once or after the last call that uses it."""

    def __init__(self, pointer: _Pointer[T], free: Callable[[_Pointer[T]], None]) -> None:
        self._pointer = pointer
        self._free = free
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False

    @contextmanager
    def use(self) -> Iterator[_Pointer[T]]:
        self.begin_use()
        try:
            yield self._pointer
        finally:
            self.end_use()

    def begin_use(self) -> _Pointer[T]:
        with self._lock:
            if self._closed:
                raise TcsyncError("this object was closed; make a new one", code=c.TCSYNC_INVALID_ARGUMENT)
            self._users += 1
        return self._pointer

    def end_use(self) -> None:
        with self._lock:
            self._users -= 1
            free_now = self._closed and self._users == 0
        if free_now:
            self._free(self._pointer)

    def close(self) -> None:
        with self._lock:
            free_now = not self._closed and self._users == 0
            self._closed = True
        if free_now:
            self._free(self._pointer)

    def __del__(self) -> None:
        # Not when __init__ itself failed.
        if getattr(self, "_lock", None):
            self.close()


KeyHandle = Handle[c.tcsync_key]
RemoteHandle = Handle[c.tcsync_remote]


def version() -> str:
    """The library's release."""
    return ctypes.string_at(library().tcsync_version()).decode("ascii")


def generate_credentials() -> tuple[UUID, Secret]:
    lib = library()
    client_id, secret = ctypes.POINTER(c.tcsync_bytes)(), ctypes.POINTER(c.tcsync_bytes)()
    error = ctypes.POINTER(c.tcsync_error)()
    _check(lib.tcsync_credentials_generate(byref(client_id), byref(secret), byref(error)), error)
    return UUID(_take(client_id).decode("ascii")), Secret(_take(secret).decode("ascii"))


def derive_key(client_id: UUID, secret: Secret) -> KeyHandle:
    lib = library()
    key = ctypes.POINTER(c.tcsync_key)()
    error = ctypes.POINTER(c.tcsync_error)()
    encoded = secret.reveal().encode("utf-8")
    code = lib.tcsync_key_derive(_text(client_id), encoded, len(encoded), byref(key), byref(error))
    # A traceback that shows local variables must not show it.
    del encoded
    _check(code, error)
    return Handle(key, lib.tcsync_key_free)


def seal(key: KeyHandle, version_id: UUID, plaintext: bytes) -> bytes:
    sealed = ctypes.POINTER(c.tcsync_bytes)()
    error = ctypes.POINTER(c.tcsync_error)()
    with key.use() as pointer:
        code = library().tcsync_seal(pointer, _text(version_id), plaintext, len(plaintext), byref(sealed), byref(error))
    _check(code, error)
    return _take(sealed)


def unseal(key: KeyHandle, version_id: UUID, sealed: bytes) -> bytes:
    plaintext = ctypes.POINTER(c.tcsync_bytes)()
    error = ctypes.POINTER(c.tcsync_error)()
    with key.use() as pointer:
        code = library().tcsync_unseal(pointer, _text(version_id), sealed, len(sealed), byref(plaintext), byref(error))
    _check(code, error)
    return _take(plaintext)


def open_remote(
    url: str,
    client_id: UUID | None,
    key: KeyHandle | None,
    *,
    ca_file: str | None,
    proxy: str | None,
    connect_timeout_ms: int,
    timeout_ms: int,
    response_bytes_max: int,
) -> RemoteHandle:
    """The remote keeps the key in use until it is freed itself."""
    lib = library()
    options = c.tcsync_remote_options(
        struct_size=ctypes.sizeof(c.tcsync_remote_options),
        ca_file=None if ca_file is None else os.fsencode(ca_file),
        proxy=None if proxy is None else proxy.encode("utf-8"),
        connect_timeout_ms=connect_timeout_ms,
        timeout_ms=timeout_ms,
        response_bytes_max=response_bytes_max,
    )
    remote = ctypes.POINTER(c.tcsync_remote)()
    error = ctypes.POINTER(c.tcsync_error)()
    key_pointer = key.begin_use() if key else None
    code = lib.tcsync_remote_open(
        url.encode("utf-8"),
        None if client_id is None else _text(client_id),
        key_pointer,
        byref(options),
        byref(remote),
        byref(error),
    )
    del options  # The proxy's URL may have a password in it.
    if code != c.TCSYNC_OK and key:
        key.end_use()
    _check(code, error)

    def free(pointer: _Pointer[c.tcsync_remote]) -> None:
        lib.tcsync_remote_free(pointer)
        if key:
            key.end_use()

    return Handle(remote, free)


def remote_probe(remote: RemoteHandle) -> c.tcsync_probe:
    probe = c.tcsync_probe(struct_size=ctypes.sizeof(c.tcsync_probe))
    error = ctypes.POINTER(c.tcsync_error)()
    code = _interruptible(remote, lambda pointer: library().tcsync_remote_probe(pointer, byref(probe), byref(error)))
    _check(code, error)
    return probe


def remote_get_child_version(remote: RemoteHandle, parent_version_id: UUID) -> tuple[int, UUID | None, bytes]:
    """The outcome, and for TCSYNC_OUTCOME_FOUND the version's ID and plaintext."""
    parent = _text(parent_version_id)
    return _fetch(remote, lambda pointer, *out: library().tcsync_remote_get_child_version(pointer, parent, *out))


def remote_add_version(remote: RemoteHandle, parent_version_id: UUID, plaintext: bytes) -> tuple[int, UUID | None, int]:
    """The outcome, the version's ID, and the urgency of a snapshot."""
    version_id = ctypes.create_string_buffer(c.TCSYNC_UUID_TEXT_SIZE)
    outcome, urgency = ctypes.c_int32(), ctypes.c_int32()
    error = ctypes.POINTER(c.tcsync_error)()
    code = _interruptible(
        remote,
        lambda pointer: library().tcsync_remote_add_version(
            pointer,
            _text(parent_version_id),
            plaintext,
            len(plaintext),
            byref(outcome),
            version_id,
            byref(urgency),
            byref(error),
        ),
    )
    _check(code, error)
    return outcome.value, _uuid(version_id), urgency.value


def remote_get_snapshot(remote: RemoteHandle) -> tuple[int, UUID | None, bytes]:
    """The outcome, and for TCSYNC_OUTCOME_FOUND the snapshot's version ID and plaintext."""
    return _fetch(remote, lambda pointer, *out: library().tcsync_remote_get_snapshot(pointer, *out))


def remote_add_snapshot(remote: RemoteHandle, version_id: UUID, plaintext: bytes) -> None:
    error = ctypes.POINTER(c.tcsync_error)()
    code = _interruptible(
        remote,
        lambda pointer: library().tcsync_remote_add_snapshot(
            pointer, _text(version_id), plaintext, len(plaintext), byref(error)
        ),
    )
    _check(code, error)


def _fetch(remote: RemoteHandle, call: Callable[..., int]) -> tuple[int, UUID | None, bytes]:
    """Makes a call that ends with the outputs outcome, version_id, plaintext and error, and returns the first three."""
    version_id = ctypes.create_string_buffer(c.TCSYNC_UUID_TEXT_SIZE)
    outcome = ctypes.c_int32()
    plaintext = ctypes.POINTER(c.tcsync_bytes)()
    error = ctypes.POINTER(c.tcsync_error)()
    code = _interruptible(
        remote, lambda pointer: call(pointer, byref(outcome), version_id, byref(plaintext), byref(error))
    )
    _check(code, error)
    return outcome.value, _uuid(version_id), _take(plaintext)


def _interruptible(remote: RemoteHandle, call: Callable[[_Pointer[c.tcsync_remote]], int]) -> int:
    """Makes the call on a thread of its own and waits. The handle stays in use until the call has ended, also when the
    wait was interrupted; what such a call brings is not freed before the process ends."""
    pointer = remote.begin_use()
    codes: list[int] = []
    done = threading.Event()

    def run() -> None:
        try:
            codes.append(call(pointer))
        finally:
            remote.end_use()
            done.set()

    try:
        threading.Thread(target=run, name="tcsync-remote", daemon=True).start()
    except RuntimeError:
        remote.end_use()
        raise
    done.wait()
    return codes[0]


def _text(identifier: UUID) -> bytes:
    return str(identifier).encode("ascii")


def _uuid(buffer: ctypes.Array[ctypes.c_char]) -> UUID | None:
    return UUID(buffer.value.decode("ascii")) if buffer.value else None


def _take(owned: _Pointer[c.tcsync_bytes]) -> bytes:
    """A copy of the bytes, which are freed; nothing for NULL."""
    lib = library()
    try:
        size = lib.tcsync_bytes_size(owned)
        return ctypes.string_at(lib.tcsync_bytes_data(owned), size) if size else b""
    finally:
        lib.tcsync_bytes_free(owned)


def _check(code: int, error: _Pointer[c.tcsync_error]) -> None:
    """Raises the exception for an error, which is freed."""
    if code == c.TCSYNC_OK:
        return
    lib = library()
    try:
        message = ctypes.string_at(lib.tcsync_error_message(error)).decode("utf-8", "replace")
    finally:
        lib.tcsync_error_free(error)
    name = ctypes.string_at(lib.tcsync_code_name(code)).decode("ascii")
    if code & 0xFF == c.TCSYNC_UNSEAL_FAILED:
        raise UnsealError(message, code=code, name=name)
    if code & 0xFF == c.TCSYNC_REMOTE_FAILED:
        raise RemoteError(message, code=code, name=name)
    raise TcsyncError(message, code=code, name=name)
