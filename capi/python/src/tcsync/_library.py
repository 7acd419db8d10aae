"""Finds and loads the C library, and gives its functions Python's manners: texts, UUIDs, exceptions, owned handles.

The only module that knows ctypes objects. The library is the one in this package; developers name another in
TCSYNC_LIBRARY.

Ownership: what the library gives as tcsync_bytes is copied out and freed, which wipes the library's copy, before a
function returns. A key, a remote, an engine or a listener is a Handle, freed when it is closed and nothing uses it any
more: a call, the remote that seals with a key, the listener that serves an engine.

Threads: calls release the interpreter's lock. A remote's call, which may wait for the network, runs on a thread of its
own while the caller waits, because a signal such as Ctrl-C interrupts waiting in Python but not waiting in C; the
interrupted call ends by its own deadline, unseen. An engine's call has no such thread: it takes what the disk takes.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import byref
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID

from . import _declarations as c
from .errors import EngineError, LibraryError, RemoteError, TcsyncError, UnsealError
from .secret import Secret

if TYPE_CHECKING:
    from ctypes import _Pointer

LIBRARY_VARIABLE = "TCSYNC_LIBRARY"
_BUNDLED = "libtcsync.0.dylib" if sys.platform == "darwin" else "libtcsync.so.0"

T = TypeVar("T", bound=ctypes.Structure)
C = TypeVar("C", bound="Closing")


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


class Closing(ABC):
    """Closed at the end of its `with`."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
                raise TcsyncError("this object was closed; make a new one")
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
EngineHandle = Handle[c.tcsync_engine]


class ListenerHandle(Handle[c.tcsync_listener]):
    """A listener, which keeps the engine that it serves in use until it is stopped."""

    def __init__(self, pointer: _Pointer[c.tcsync_listener], log: object) -> None:
        super().__init__(pointer, self._stop_and_free)
        self._log = log  # The library's threads call it.
        self._process = os.getpid()
        self._serving = threading.Lock()
        self._engine: EngineHandle | None = None

    def serve(self, engine: EngineHandle) -> None:
        error = ctypes.POINTER(c.tcsync_error)()
        with self._serving, self.use() as pointer:
            engine_pointer = engine.begin_use()
            code = library().tcsync_listener_serve(pointer, engine_pointer, byref(error))
            if code == c.TCSYNC_OK:
                self._engine = engine
            else:
                engine.end_use()
            _check(code, error, EngineError)

    def stop(self) -> None:
        with self._serving:
            try:
                pointer = self.begin_use()
            except TcsyncError:
                return  # It is closed, and so it was stopped.
            try:
                self._stop(pointer)
            finally:
                self.end_use()

    def _stop(self, pointer: _Pointer[c.tcsync_listener]) -> None:
        library().tcsync_listener_stop(pointer)
        engine, self._engine = self._engine, None
        if engine:
            engine.end_use()

    def _stop_and_free(self, pointer: _Pointer[c.tcsync_listener]) -> None:
        if os.getpid() != self._process:
            return  # A forked process has the memory and not the threads, for which this would wait.
        self._stop(pointer)
        library().tcsync_listener_free(pointer)


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


def open_engine(options: Mapping[str, bytes], log: Callable[[int, str], None] | None) -> EngineHandle:
    lib = library()
    engine = ctypes.POINTER(c.tcsync_engine)()
    error = ctypes.POINTER(c.tcsync_error)()
    callback = _log_callback(log)
    with _config(options, callback) as config:
        _check(lib.tcsync_engine_open(config, byref(engine), byref(error)), error, EngineError)

    process = os.getpid()

    def close(pointer: _Pointer[c.tcsync_engine], _log: object = callback) -> None:  # The library's threads call it.
        if os.getpid() == process:  # As for a listener.
            lib.tcsync_engine_close(pointer)

    return Handle(engine, close)


def bind_listener(
    options: Mapping[str, bytes], log: Callable[[int, str], None] | None
) -> tuple[ListenerHandle, tuple[str, ...]]:
    """The listener, and its addresses as URLs."""
    lib = library()
    listener = ctypes.POINTER(c.tcsync_listener)()
    error = ctypes.POINTER(c.tcsync_error)()
    callback = _log_callback(log)
    with _config(options, callback) as config:
        _check(lib.tcsync_listener_bind(config, byref(listener), byref(error)), error, EngineError)
    addresses = (
        lib.tcsync_listener_address(listener, index) for index in range(lib.tcsync_listener_address_count(listener))
    )
    return ListenerHandle(listener, callback), tuple(ctypes.string_at(address).decode("utf-8") for address in addresses)


def engine_answer(
    engine: EngineHandle,
    method: bytes,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
    peer_address: bytes | None,
    *,
    is_administration: bool,
) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """Status, headers and body of the answer to one request."""
    lib = library()
    fields = (c.tcsync_header * len(headers))(
        *[c.tcsync_header(name, len(name), value, len(value)) for name, value in headers]
    )
    request = c.tcsync_request(
        struct_size=ctypes.sizeof(c.tcsync_request),
        method=method,
        method_size=len(method),
        target=target,
        target_size=len(target),
        headers=fields,
        header_count=len(headers),
        body=body,
        body_size=len(body),
        peer_address=peer_address,
        peer_address_size=len(peer_address or b""),
    )
    response = ctypes.POINTER(c.tcsync_response)()
    error = ctypes.POINTER(c.tcsync_error)()
    with engine.use() as pointer:
        if is_administration:
            code = lib.tcsync_administer(None, pointer, byref(request), byref(response), byref(error))
        else:
            code = lib.tcsync_engine_handle(pointer, byref(request), byref(response), byref(error))
        _check(code, error, EngineError)
        try:
            size = ctypes.c_size_t()
            data = lib.tcsync_response_body(response, byref(size))
            count = lib.tcsync_response_header_count(response)
            fields_back = tuple(_response_header(response, index) for index in range(count))
            return lib.tcsync_response_status(response), fields_back, ctypes.string_at(data, size.value)
        finally:
            lib.tcsync_response_free(response)


def _response_header(response: _Pointer[c.tcsync_response], index: int) -> tuple[str, str]:
    header = c.tcsync_header()
    error = ctypes.POINTER(c.tcsync_error)()
    _check(library().tcsync_response_header(response, index, byref(header), byref(error)), error, EngineError)

    def text(offset: int, size: int) -> str:
        # Read as an address: as a C string it would be read up to a zero byte, which need not be there.
        address = ctypes.c_void_p.from_buffer(header, offset).value
        return ctypes.string_at(address, size).decode("latin-1") if address else ""

    return text(c.tcsync_header.name.offset, header.name_size), text(c.tcsync_header.value.offset, header.value_size)


@contextmanager
def _config(options: Mapping[str, bytes], log: object) -> Iterator[_Pointer[c.tcsync_config]]:
    """A configuration with those options, freed at the end."""
    lib = library()
    config = ctypes.POINTER(c.tcsync_config)()
    error = ctypes.POINTER(c.tcsync_error)()
    _check(lib.tcsync_config_new(byref(config), byref(error)), error, EngineError)
    try:
        for name, value in options.items():
            code = lib.tcsync_config_set(config, name.encode("utf-8", "replace"), value, byref(error))
            _check(code, error, EngineError)
        _check(lib.tcsync_config_set_log(config, log, None, byref(error)), error, EngineError)
        yield config
    finally:
        lib.tcsync_config_free(config)


def _log_callback(log: Callable[[int, str], None] | None) -> object:
    """What the library calls for each message. ctypes gives what `log` raises to sys.unraisablehook."""
    if log is None:
        return c.tcsync_log_function()

    def receive(_user_data: int | None, level: int, message: bytes, _size: int) -> None:
        log(level, message.decode("utf-8", "replace"))

    return c.tcsync_log_function(receive)


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


def _check(
    code: int, error: _Pointer[c.tcsync_error], otherwise: type[EngineError] | type[TcsyncError] = TcsyncError
) -> None:
    """Raises the exception for an error, which is freed; `otherwise` unless the code itself says which."""
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
    if code & 0xFF == c.TCSYNC_UNSUPPORTED:
        message += (
            f", and name its file in the environment variable {LIBRARY_VARIABLE} before anything of this package is "
            "used: the library in the Python package is always built without the server"
        )
    raise otherwise(message, code=code, name=name)
