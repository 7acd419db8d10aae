"""Finds and loads the C library, and adapts its functions to Python: texts, UUIDs, exceptions, owned handles.

Only this module, _engine_calls, _remote_calls, _replica_calls and _turns use ctypes objects. The library is the one in
this package; developers name another in TCSYNC_LIBRARY.

Ownership: a tcsync_bytes from the library is copied and freed, which wipes the library's copy, before a function
returns. A key, a remote or a replica is a Handle, freed after it is closed and no longer in use by a call or by the
remote that seals with a key. An engine or a listener is a ServerHandle, which the head of that class describes.

Threads: calls release the interpreter's lock. On the main thread, long calls are made on another thread (_apart). An
interrupted call of an engine, a listener or a replica continues unseen to its end; one of a remote is cancelled, and so
is a sync; the derivation of a key and the opening of a remote are awaited and undone. All state is changed on the
thread of the C call, where no exception interrupts it.

Processes: a forked process has every lock as it was, and none of the threads that would release it. So it creates the
locks of its handles again.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from ctypes import byref
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID
from weakref import WeakSet

from . import _declarations as c
from ._apart import apart
from .errors import (
    CallCancelledError,
    EngineError,
    LibraryError,
    RemoteError,
    ReplicaError,
    SyncError,
    TcsyncError,
    UnsealError,
)
from .secret import Secret

if TYPE_CHECKING:
    from ctypes import _Pointer

LIBRARY_VARIABLE = "TCSYNC_LIBRARY"
_BUNDLED = "libtcsync.0.dylib" if sys.platform == "darwin" else "libtcsync.so.0"

T = TypeVar("T", bound=ctypes.Structure)
C = TypeVar("C", bound="Closing")
R = TypeVar("R")


@cache
def library() -> ctypes.CDLL:
    """The library, loaded once. LibraryError names the place where it was looked for."""
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


_handles: WeakSet[Handle[Any]] = WeakSet()


def _renew_handles() -> None:
    for handle in list(_handles):
        handle.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_handles)


class Handle(Generic[T]):
    """A pointer from the library. Closing frees it, at once or after the last call that uses it."""

    def __init__(self, pointer: _Pointer[T], free: Callable[[_Pointer[T]], None]) -> None:
        self.pointer = pointer
        self._free = free
        self._users = 0
        self._closed = False
        self.renew()
        _handles.add(self)

    def renew(self) -> None:
        """Creates the locks, also in a forked process, which never frees memory that another thread was using at the
        fork."""
        # Reentrant, because collection of a remote ends its use of the key, on any thread and at any moment.
        self._lock = threading.RLock()

    @contextmanager
    def use(self) -> Iterator[_Pointer[T]]:
        self.begin_use()
        try:
            yield self.pointer
        finally:
            self.end_use()

    def begin_use(self) -> _Pointer[T]:
        with self._lock:
            if self._closed:
                raise TcsyncError("this object was closed; make a new one")
            self._users += 1
        return self.pointer

    def end_use(self) -> None:
        with self._lock:
            self._users -= 1
            free_now = self._closed and self._users == 0
        if free_now:
            self._free(self.pointer)

    def close(self) -> None:
        with self._lock:
            free_now = not self._closed and self._users == 0
            self._closed = True
        if free_now:
            self._free(self.pointer)

    def __del__(self) -> None:
        # Absent if __init__ itself failed.
        if getattr(self, "_lock", None):
            self.close()


KeyHandle = Handle[c.tcsync_key]


# The engines and listeners of this process. The condition guards these names and the state of every ServerHandle. The
# main thread does not take it, nor does a forked process, in which another thread may hold it for ever.
_state = threading.Condition()
_open: set[ServerHandle[Any]] = set()
_process: int | None = None  # The process of the first opening.
_is_ending = False
# The end of the program releases the first, and then the thread that closes everything the second. Not Events: an
# interrupt could cut their Python code in two, and leave a lock behind.
_end_begins, _all_closed = threading.Lock(), threading.Lock()
_end_begins.acquire()
_all_closed.acquire()
_is_all_closed = False
_this_thread = threading.local()  # Its `is_logging` is true within a log function.


# Receives the level, the message, the fields and the text of each log record.
Log = Callable[[int, str, dict[str, str], str], None]


class ServerHandle(ABC, Generic[T]):
    """An engine or a listener of the library, and the callback that its threads call.

    From before the C call that opens it until the C call that closes it has returned, `_open` keeps both alive. Only
    `close` and the end of the program close it. Collection does not: it happens on any thread, even on one of the
    library's within the log function, and closing would then wait for that thread itself.
    """

    def __init__(self, pointer: _Pointer[T], log: Log | None) -> None:
        self._lib = library()
        self._pointer = pointer
        self._log_calls = 0  # In progress.
        self._callback = self._log_callback(log)
        self._calls = 0
        self._listeners = 0  # Those that serve it.
        self._is_closed = False
        self._is_freeing = False

    @abstractmethod
    def _free(self) -> None:
        """Makes the C call that closes the object."""

    def _log_callback(self, log: Log | None) -> object:
        """The function that gets each record. ctypes passes exceptions of `log` to sys.unraisablehook."""
        if log is None:
            return c.tcsync_log_function()

        def receive(_user_data: int | None, record: _Pointer[c.tcsync_log_record]) -> None:
            was_logging = getattr(_this_thread, "is_logging", False)
            _this_thread.is_logging = True
            with _state:
                self._log_calls += 1
            try:
                log(*self._read(record))
            finally:
                _this_thread.is_logging = was_logging
                with _state:
                    self._log_calls -= 1
                    _state.notify_all()

        return c.tcsync_log_function(receive)

    def _read(self, record: _Pointer[c.tcsync_log_record]) -> tuple[int, str, dict[str, str], str]:
        lib, fields, field = self._lib, {}, c.tcsync_header()
        for index in range(lib.tcsync_log_record_field_count(record)):
            lib.tcsync_log_record_field(record, index, byref(field), None)
            fields[field.name.decode()] = field.value.decode()
        message, text = (
            ctypes.string_at(read(record)).decode()
            for read in (lib.tcsync_log_record_message, lib.tcsync_log_record_text)
        )
        return lib.tcsync_log_record_level(record), message, fields, text

    def open(self, function: Callable[..., int], options: Mapping[str, bytes], environment: bool) -> None:
        """Makes the C call that opens the object."""
        global _process
        error = ctypes.POINTER(c.tcsync_error)()
        with _config(options, environment, self._callback) as config, self.call():
            with _state:
                if _is_ending:
                    raise EngineError("the program is ending, so nothing is opened", code=c.TCSYNC_UNAVAILABLE)
                if _process is None:
                    threading.Thread(target=_close_all_at_the_end, name="tcsync-end", daemon=True).start()
                    atexit.register(_end)
                    _process = os.getpid()
                _open.add(self)
            try:
                check(function(config, byref(self._pointer), byref(error)), error, EngineError)
            except TcsyncError:
                with _state:
                    _state.wait_for(lambda: self._log_calls == 0)
                    _open.discard(self)
                raise

    @contextmanager
    def call(self) -> Iterator[_Pointer[T]]:
        """Keeps the object open during a call."""
        with _state:
            if self._is_closed:
                raise TcsyncError("this object was closed; make a new one")
            self._calls += 1
        try:
            yield self._pointer
        finally:
            with _state:
                self._calls -= 1
                _state.notify_all()

    @property
    def is_forgotten(self) -> bool:
        """Whether the object should have been closed and was not."""
        return not self._is_closed and os.getpid() == _process

    def close(self) -> None:
        if os.getpid() == _process:  # A forked process lacks the threads that this would wait for.
            on_server(self.close_here)

    def close_here(self) -> None:
        with _state:
            self._is_closed = True
        self.finish()

    def finish(self) -> None:
        """Frees a closed object after its last call. The stop of a listener frees the engine that it serves."""
        with _state:
            _state.wait_for(lambda: self._calls == 0)
            if self._listeners or self not in _open:
                return
            if self._is_freeing:
                _state.wait_for(lambda: self not in _open)
                return
            self._is_freeing = True
        self._free()
        with _state:
            # The library does not wait for a long call, but the callback's memory must stay until its end.
            _state.wait_for(lambda: self._log_calls == 0)
            _open.discard(self)
            _state.notify_all()


class EngineHandle(ServerHandle[c.tcsync_engine]):
    def _free(self) -> None:
        self._lib.tcsync_engine_free(self._pointer)

    def begin_serving(self) -> None:
        with _state:
            self._listeners += 1

    def end_serving(self) -> None:
        with _state:
            self._listeners -= 1
            is_closed = self._is_closed
        if is_closed:
            self.finish()


class ListenerHandle(ServerHandle[c.tcsync_listener]):
    """A listener, which keeps the engine that it serves open until it is stopped."""

    def __init__(self, pointer: _Pointer[c.tcsync_listener], log: Log | None) -> None:
        super().__init__(pointer, log)
        self._serving = threading.Lock()
        self._engine: EngineHandle | None = None

    def serve(self, engine: EngineHandle) -> None:
        def work() -> None:
            error = ctypes.POINTER(c.tcsync_error)()
            with self._serving, self.call() as pointer, engine.call() as engine_pointer:
                check(self._lib.tcsync_listener_serve(pointer, engine_pointer, byref(error)), error, EngineError)
                engine.begin_serving()
                self._engine = engine

        on_server(work)

    def stop(self) -> None:
        def work() -> None:
            try:
                with self.call():
                    self._stop()
            except TcsyncError:
                self.finish()  # It is closed, which includes its stop.

        on_server(work)

    def _stop(self) -> None:
        with self._serving:
            self._lib.tcsync_listener_stop(self._pointer)
            engine, self._engine = self._engine, None
        if engine:
            engine.end_serving()

    def _free(self) -> None:
        self._stop()
        self._lib.tcsync_listener_free(self._pointer)


def on_server(work: Callable[[], R], *, is_request: bool = False, undo: Callable[[R], None] | None = None) -> R:
    """Runs work that uses an engine or a listener, where that is possible. `undo` gets the result of work whose caller
    was interrupted."""
    if _process not in (None, os.getpid()):
        raise EngineError(
            "an engine or a listener was opened before this process was forked, and the library's threads are only in "
            'the parent process; start this one anew, as multiprocessing does with "spawn"',
            code=c.TCSYNC_FORKED,
        )
    if not is_request and getattr(_this_thread, "is_logging", False):
        raise EngineError(
            "a log function must not open, close, bind, serve or stop, because the library waits for it; do so on "
            "another thread, for which the log function does not wait",
            code=c.TCSYNC_INVALID_ARGUMENT,
        )
    return apart(work, undo=undo)


def _end() -> None:
    """At the end of the program: returns when the library has no thread left that could call into Python."""
    if os.getpid() == _process:
        while not _is_all_closed:
            # Another Ctrl-C does not change that: the interpreter would abort under those threads.
            with suppress(BaseException):
                if _end_begins.locked():
                    _end_begins.release()
                _all_closed.acquire()


def _close_all_at_the_end() -> None:
    """Runs on a thread from the first opening on, because none can be started at the end."""
    global _is_ending, _is_all_closed
    _end_begins.acquire()
    try:
        with _state:
            _is_ending = True
            handles = sorted(_open, key=lambda handle: isinstance(handle, EngineHandle))
            for handle in handles:
                handle._is_closed = True
        for handle in handles:  # The listeners first.
            handle.finish()
    finally:
        _is_all_closed = True
        _all_closed.release()


def version() -> str:
    """The library's release."""
    return ctypes.string_at(library().tcsync_version()).decode("ascii")


def generate_credentials() -> tuple[UUID, Secret]:
    lib = library()
    client_id, secret = ctypes.POINTER(c.tcsync_bytes)(), ctypes.POINTER(c.tcsync_bytes)()
    error = ctypes.POINTER(c.tcsync_error)()
    check(lib.tcsync_credentials_generate(byref(client_id), byref(secret), byref(error)), error)
    return UUID(take(client_id).decode("ascii")), Secret(take(secret).decode("ascii"))


def derive_key(client_id: UUID, secret: Secret) -> KeyHandle:
    def work() -> KeyHandle:
        lib = library()
        key = ctypes.POINTER(c.tcsync_key)()
        error = ctypes.POINTER(c.tcsync_error)()
        encoded = secret.reveal().encode("utf-8")
        code = lib.tcsync_key_derive(text(client_id), encoded, len(encoded), byref(key), byref(error))
        # A traceback that shows local variables must not show it.
        del encoded
        check(code, error)
        return Handle(key, lib.tcsync_key_free)

    # An interrupt cannot end it, and one just after it would leave a key that is never wiped.
    return apart(work, undo=Handle.close, cancel=lambda: None)


def seal(key: KeyHandle, version_id: UUID, plaintext: bytes) -> bytes:
    sealed = ctypes.POINTER(c.tcsync_bytes)()
    error = ctypes.POINTER(c.tcsync_error)()
    with key.use() as pointer:
        code = library().tcsync_seal(pointer, text(version_id), plaintext, len(plaintext), byref(sealed), byref(error))
    check(code, error)
    return take(sealed)


def unseal(key: KeyHandle, version_id: UUID, sealed: bytes) -> bytes:
    plaintext = ctypes.POINTER(c.tcsync_bytes)()
    error = ctypes.POINTER(c.tcsync_error)()
    with key.use() as pointer:
        code = library().tcsync_unseal(pointer, text(version_id), sealed, len(sealed), byref(plaintext), byref(error))
    check(code, error)
    return take(plaintext)


@cache
def option_types() -> Mapping[str, str]:
    """The types of the options, by name; tcsync.h lists them at tcsync_option."""
    lib = library()
    error = ctypes.POINTER(c.tcsync_error)()
    option = c.tcsync_option(struct_size=ctypes.sizeof(c.tcsync_option))
    types = {}
    for index in range(lib.tcsync_option_count()):
        check(lib.tcsync_option_info(index, byref(option), byref(error)), error, EngineError)
        types[option.name.decode("ascii")] = option.type.decode("ascii")
    return types


def open_engine(options: Mapping[str, bytes], environment: bool, log: Log | None) -> EngineHandle:
    """Must be called by `on_server`."""
    engine = EngineHandle(ctypes.POINTER(c.tcsync_engine)(), log)
    engine.open(library().tcsync_engine_open, options, environment)
    return engine


def bind_listener(
    options: Mapping[str, bytes], environment: bool, log: Log | None
) -> tuple[ListenerHandle, tuple[str, ...]]:
    """Returns the listener, and its addresses as URLs. Must be called by `on_server`."""
    lib = library()
    listener = ListenerHandle(ctypes.POINTER(c.tcsync_listener)(), log)
    listener.open(lib.tcsync_listener_bind, options, environment)
    with listener.call() as pointer:
        addresses = [
            lib.tcsync_listener_address(pointer, index) for index in range(lib.tcsync_listener_address_count(pointer))
        ]
        return listener, tuple(ctypes.string_at(address).decode("utf-8") for address in addresses)


def engine_option(engine: EngineHandle, name: str) -> str:
    """The effective value of the option."""

    def work() -> str:
        value = ctypes.POINTER(c.tcsync_bytes)()
        error = ctypes.POINTER(c.tcsync_error)()
        with engine.call() as pointer:
            code = library().tcsync_engine_option(pointer, name.encode("utf-8", "replace"), byref(value), byref(error))
            check(code, error, EngineError)
            return os.fsdecode(take(value))

    return on_server(work, is_request=True)


@contextmanager
def _config(options: Mapping[str, bytes], environment: bool, log: object) -> Iterator[_Pointer[c.tcsync_config]]:
    """A configuration with those options, freed at the end."""
    lib = library()
    config = ctypes.POINTER(c.tcsync_config)()
    error = ctypes.POINTER(c.tcsync_error)()
    check(lib.tcsync_config_new(byref(config), byref(error)), error, EngineError)
    try:
        if environment:
            check(lib.tcsync_config_set_from_environment(config, byref(error)), error, EngineError)
        for name, value in options.items():
            code = lib.tcsync_config_set(config, name.encode("utf-8", "replace"), value, byref(error))
            check(code, error, EngineError)
        check(lib.tcsync_config_set_log(config, log, None, byref(error)), error, EngineError)
        yield config
    finally:
        lib.tcsync_config_free(config)


def text(identifier: UUID) -> bytes:
    return str(identifier).encode("ascii")


def take(owned: _Pointer[c.tcsync_bytes]) -> bytes:
    """Returns a copy of the bytes, and frees them; empty for NULL."""
    lib = library()
    try:
        size = lib.tcsync_bytes_size(owned)
        return ctypes.string_at(lib.tcsync_bytes_data(owned), size) if size else b""
    finally:
        lib.tcsync_bytes_free(owned)


def check(
    code: int,
    error: _Pointer[c.tcsync_error],
    otherwise: type[EngineError] | type[ReplicaError] | type[TcsyncError] = TcsyncError,
) -> None:
    """Raises the exception for an error, and frees that; the class is `otherwise` unless the code determines
    another."""
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
    if code & 0xFF == c.TCSYNC_CANCELLED:
        raise CallCancelledError(message, code=code, name=name)
    if code & 0xFF == c.TCSYNC_REMOTE_FAILED:
        raise RemoteError(message, code=code, name=name)
    if code & 0xFF == c.TCSYNC_SYNC_FAILED:
        raise SyncError(message, code=code, name=name)
    if code & 0xFF == c.TCSYNC_UNSUPPORTED:
        message += (
            f", and name its file in the environment variable {LIBRARY_VARIABLE} before anything of this package is "
            "used: the library in the Python package is always built without the server"
        )
    raise otherwise(message, code=code, name=name)
