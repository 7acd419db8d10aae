"""The C library's calls for requests to an engine: whole requests, and those with bodies in pieces.

Ownership: a pending request and an answer being read are Handles, which may outlive their engine. The library itself
then reports that the engine was freed.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from ctypes import byref
from enum import Enum, auto
from typing import TYPE_CHECKING, TypeVar

from . import _declarations as c
from ._library import EngineHandle, Handle, check, library, on_server, take
from .errors import EngineError

if TYPE_CHECKING:
    from ctypes import _Pointer

T = TypeVar("T", bound=ctypes.Structure)
R = TypeVar("R")

Headers = tuple[tuple[str, str], ...]


class RequestTo(Enum):
    """The parts of an engine that answer requests."""

    PROTOCOL = auto()
    ADMINISTRATION = auto()
    MONITORING = auto()


class OneAtATime(Handle[T]):
    """A handle whose calls are made one after the other, on any threads."""

    is_interrupted = False

    def renew(self) -> None:
        super().renew()
        self._turn = threading.Lock()

    def call(self, function: Callable[[_Pointer[T]], R]) -> R:
        def work() -> R:
            with self.use() as pointer, self._turn:
                return function(pointer)

        return on_server(work, is_request=True)

    def pass_bytes(self, function: Callable[[_Pointer[T]], R]) -> R:
        """A call after which the place in the body is unknown if Ctrl-C ended its wait: a further call could omit or
        repeat bytes, and so could an end."""
        self.require_place()
        try:
            return self.call(function)
        except Exception:
            raise
        except BaseException:
            self.is_interrupted = True
            raise

    def require_place(self) -> None:
        if self.is_interrupted:
            raise EngineError(
                "a call with a part of this body was interrupted, so that part may be lost; close this object",
                code=c.TCSYNC_INVALID_ARGUMENT,
            )


class PendingHandle(OneAtATime[c.tcsync_pending]):
    """A request whose body is not complete, and its answer once there is one. A request that was answered at once has a
    NULL pointer."""

    answer: ResponseHandle | None = None

    def append(self, data: bytes) -> None:
        def work(pointer: _Pointer[c.tcsync_pending]) -> None:
            if self.answer:
                raise EngineError(
                    "this request has been answered, and takes no further bytes; see its answer",
                    code=c.TCSYNC_INVALID_ARGUMENT,
                )
            response = ctypes.POINTER(c.tcsync_response)()
            error = ctypes.POINTER(c.tcsync_error)()
            code = library().tcsync_pending_append(pointer, data, len(data), byref(response), byref(error))
            check(code, error, EngineError)
            if response:
                self.answer = _response_handle(response)

        self.pass_bytes(work)

    def finish(self) -> ResponseHandle:
        def work(pointer: _Pointer[c.tcsync_pending]) -> ResponseHandle:
            if not self.answer:
                self.require_place()
                response = ctypes.POINTER(c.tcsync_response)()
                error = ctypes.POINTER(c.tcsync_error)()
                check(library().tcsync_pending_finish(pointer, byref(response), byref(error)), error, EngineError)
                self.answer = _response_handle(response)
            return self.answer

        return self.call(work)


class ResponseHandle(OneAtATime[c.tcsync_response]):
    """An answer with an unread body."""

    def head(self) -> tuple[int, Headers, int]:
        """Status, headers, and the length of the body."""
        lib = library()
        with self.use() as pointer:
            status, headers = _response_head(pointer)
            return status, headers, lib.tcsync_response_body_size(pointer)

    def read(self) -> bytes:
        """The next piece of the body; empty at its end."""

        def work(pointer: _Pointer[c.tcsync_response]) -> bytes:
            piece = ctypes.POINTER(c.tcsync_bytes)()
            error = ctypes.POINTER(c.tcsync_error)()
            check(library().tcsync_response_read(pointer, byref(piece), byref(error)), error, EngineError)
            return take(piece)

        return self.pass_bytes(work)


def begin_request(
    engine: EngineHandle, method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]], peer: bytes | None
) -> PendingHandle:
    request = _request(method, target, headers, b"", peer)

    def work() -> PendingHandle:
        pending = ctypes.POINTER(c.tcsync_pending)()
        response = ctypes.POINTER(c.tcsync_response)()
        error = ctypes.POINTER(c.tcsync_error)()
        with engine.call() as pointer:
            out = byref(pending), byref(response), byref(error)
            check(library().tcsync_engine_begin(pointer, byref(request), *out), error, EngineError)
        handle = PendingHandle(pending, library().tcsync_pending_free)
        if response:
            handle.answer = _response_handle(response)
        return handle

    return on_server(work, is_request=True)


def engine_answer(
    engine: EngineHandle,
    method: bytes,
    target: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
    peer: bytes | None,
    *,
    to: RequestTo,
) -> tuple[int, Headers, bytes]:
    """Status, headers and body of the answer to one request."""
    lib = library()
    request = _request(method, target, headers, body, peer)

    def work() -> tuple[int, Headers, bytes]:
        response = ctypes.POINTER(c.tcsync_response)()
        error = ctypes.POINTER(c.tcsync_error)()
        with engine.call() as pointer:
            out = byref(request), byref(response), byref(error)
            if to is RequestTo.ADMINISTRATION:
                code = lib.tcsync_administer(None, pointer, *out)
            elif to is RequestTo.MONITORING:
                code = lib.tcsync_monitor(pointer, *out)
            else:
                code = lib.tcsync_engine_handle(pointer, *out)
            check(code, error, EngineError)
            try:
                size = ctypes.c_size_t()
                data = lib.tcsync_response_body(response, byref(size))
                return *_response_head(response), ctypes.string_at(data, size.value)
            finally:
                lib.tcsync_response_free(response)

    return on_server(work, is_request=True)


def _request(
    method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes, peer: bytes | None
) -> c.tcsync_request:
    return c.tcsync_request(
        struct_size=ctypes.sizeof(c.tcsync_request),
        method=method,
        method_size=len(method),
        target=target,
        target_size=len(target),
        headers=(c.tcsync_header * len(headers))(
            *[c.tcsync_header(name, len(name), value, len(value)) for name, value in headers]
        ),
        header_count=len(headers),
        body=body,
        body_size=len(body),
        peer_address=peer,
        peer_address_size=len(peer or b""),
    )


def _response_handle(response: _Pointer[c.tcsync_response]) -> ResponseHandle:
    return ResponseHandle(response, library().tcsync_response_free)


def _response_head(response: _Pointer[c.tcsync_response]) -> tuple[int, Headers]:
    lib = library()
    count = lib.tcsync_response_header_count(response)
    headers = tuple(_response_header(response, index) for index in range(count))
    return lib.tcsync_response_status(response), headers


def _response_header(response: _Pointer[c.tcsync_response], index: int) -> tuple[str, str]:
    header = c.tcsync_header()
    error = ctypes.POINTER(c.tcsync_error)()
    check(library().tcsync_response_header(response, index, byref(header), byref(error)), error, EngineError)

    def text(offset: int, size: int) -> str:
        # Read as an address: a C string would be read up to a zero byte, which need not exist.
        address = ctypes.c_void_p.from_buffer(header, offset).value
        return ctypes.string_at(address, size).decode("latin-1") if address else ""

    return text(c.tcsync_header.name.offset, header.name_size), text(c.tcsync_header.value.offset, header.value_size)
