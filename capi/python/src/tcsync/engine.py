"""A sync server in this process: the C library's engine keeps the data, and its listener serves the engine.

The library must contain the server. The one in the Python package does not, so a program names a full library in the
environment variable TCSYNC_LIBRARY: a path, or "libtcsync.so.0" for the system's.

Options have the names and values of docs/options.md, such as "data-dir" and "memory-budget". The environment variables
of that page are read only with `environment=True`, and only for options that are not given here.

Engines and listeners are closed by `close`, by the end of a `with`, and at the end of the program, which waits for
that. One that is collected before it is closed stays open until then, and gives a ResourceWarning.

Threads: every call is allowed on every thread. On the main thread, Ctrl-C ends the wait and not the call: an
interrupted `open` or `bind` closes the object that it opened, an interrupted `close` continues, and a second one waits
for it.

Processes: in a process that was forked after the first opening, every call raises an EngineError, except `close`, which
does nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, NoReturn, TypeVar
from uuid import UUID

from . import _declarations as c
from . import _engine_calls, _library
from .errors import EngineError


class LogLevel(Enum):
    """The severity of a log record."""

    DEBUG = c.TCSYNC_LOG_DEBUG
    INFO = c.TCSYNC_LOG_INFO
    WARNING = c.TCSYNC_LOG_WARNING
    ERROR = c.TCSYNC_LOG_ERROR


@dataclass(frozen=True)
class LogRecord:
    """One record of the library's log: a sentence for people and fields for programs, such as `client` and `status`.

    tcsync.h lists the fields, above tcsync_log_record_field. `str()` gives `text`.
    """

    level: LogLevel
    #: One line.
    message: str
    fields: Mapping[str, str]
    #: All of it as one line, for a log of text: the message, or "status=429 reason=client-rate ...: message".
    text: str

    def __str__(self) -> str:
        return self.text


#: Receives each record. The library calls it on a thread that does nothing else, in the order of the records and
#: slightly delayed, so that it delays no request. While it does not return, records beyond a bound are dropped, and a
#: warning gives their number. `close` waits for it. It may call an engine's `handle`; opening, binding, serving,
#: stopping and closing raise an EngineError in it. Its exceptions go to sys.unraisablehook, and the server continues.
#: The function and all objects that it refers to are kept until its engine or listener is closed. The option
#: "log-level" sets the lowest level.
LogFunction = Callable[[LogRecord], None]

#: A number in the option's unit, a truth value, a path, or text; several texts or UUIDs for an option that is a list.
OptionValue = str | int | os.PathLike[str] | UUID | Sequence[str | UUID]
Options = Mapping[str, OptionValue]

#: The headers of a request, as received.
Body = bytes | bytearray | memoryview

H = TypeVar("H", bound="_library.ServerHandle[Any]")


@dataclass(frozen=True)
class Response:
    """An HTTP answer. Its headers lack Content-Length, Date and Connection, which the sender adds."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


class _Owner(_library.Closing):
    """The one owner of a handle."""

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError(
            f"an object of the type {type(self).__name__} cannot be copied or pickled: it is the only owner"
        )


class ResponseStream(_Owner):
    """An HTTP answer whose body is read in pieces, by `read` or in a `for`. A context manager.

    It may outlive its engine; a body that is not in memory then breaks off. Collection closes it as well.
    """

    def __init__(self, handle: _engine_calls.ResponseHandle) -> None:
        self._handle = handle
        #: As those of Response. `size` is the length of the body, for the Content-Length.
        self.status, self.headers, self.size = handle.head()

    def read(self) -> bytes:
        """The next piece of the body, of at most 128 KiB; empty at the end.

        EngineError: RESPONSE_INCOMPLETE, and OUT_OF_MEMORY, when the body cannot be read to its end. The sender must
        then close the connection, or the client would wait for the rest.
        """
        return self._handle.read()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._handle.read, b"")

    def close(self) -> None:
        """Frees the answer. A second call does nothing."""
        self._handle.close()


class PendingRequest(_Owner):
    """A request whose body is given in pieces. A context manager. Made by `Engine.begin`.

    The engine stores nothing of a request that is not finished, but closed or collected, or whose engine is closed. The
    object may outlive its engine.
    """

    def __init__(self, handle: _engine_calls.PendingHandle) -> None:
        self._handle = handle
        self._answer: ResponseStream | None = None

    @property
    def answer(self) -> ResponseStream | None:
        """The answer once there is one. It may come before the end of the body; then the rest of the body is not
        wanted."""
        if self._answer is None and self._handle.answer:
            self._answer = ResponseStream(self._handle.answer)
        return self._answer

    def append(self, data: Body) -> None:
        """Passes the next bytes of the body, as they were received, and waits until the engine can take more: for the
        disk, when that is behind. Check `answer` afterwards.

        EngineError: INVALID_ARGUMENT after the answer, UNAVAILABLE when the engine was closed, OUT_OF_MEMORY.
        """
        self._handle.append(_bytes("data", data))

    def finish(self) -> ResponseStream:
        """Ends the body, executes the request, and waits for the answer, which must be closed; returns an early answer
        if there is one. Never call it for a body that broke off, because the engine would store that.

        EngineError: as for `append`. After OUT_OF_MEMORY the request may have been executed.
        """
        self._handle.finish()
        answer = self.answer
        assert answer
        return answer

    def close(self) -> None:
        """Frees the request, but not its answer. A second call does nothing."""
        self._handle.close()


class _Server(_Owner, Generic[H]):
    """The one owner of a handle that the end of the program closes as well."""

    def __init__(self, handle: H) -> None:
        self._handle = handle

    def _undo(self) -> None:
        """For an opening that was interrupted."""
        self._handle.close_here()

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)  # Absent if __init__ itself failed.
        if handle and handle.is_forgotten:
            name = type(self).__name__
            warnings.warn(f"a tcsync.{name} was not closed, and stays open", ResourceWarning, stacklevel=2, source=self)


class Engine(_Server[_library.EngineHandle]):
    """The data of many clients in one data directory, and the answers to their requests. A context manager. Made by
    `open`."""

    @classmethod
    def open(cls, options: Options, *, environment: bool = False, log: LogFunction | None = None) -> Engine:
        """Opens the data directory of the option "data-dir", and creates it, for its owner only, if it does not exist.
        With `environment`, an option that is not in `options` comes from its environment variable, if that is set.

        EngineError: IN_USE when another engine has it open, WRONG_FORMAT, SYSTEM, DATA_LOSS, UNKNOWN_OPTION,
        INVALID_OPTION_VALUE, INVALID_ARGUMENT, UNSUPPORTED for a library without the server. An existing directory is
        then unchanged.
        """
        encoded, receive = _encoded(options), _with_records(log)
        return _library.on_server(lambda: cls(_library.open_engine(encoded, environment, receive)), undo=_Server._undo)

    def handle(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]] = (),
        body: Body = b"",
        *,
        peer_address: str | None = None,
    ) -> Response:
        """Answers one request of the sync protocol, for programs with an HTTP server of their own.

        `target` is the path as in the request line, `body` as it was received, of at most 100 MiB. `peer_address` is
        the IP address of the request's source, without a port; without it, limits by address do not apply. A scope such
        as "%eth0" is cut off. The call waits until the answer is decided, and stored data is durable. Any HTTP answer
        is a Response, also a 4xx or 5xx. EngineError: INVALID_ARGUMENT, OUT_OF_MEMORY.
        """
        return self._answer(method, target, headers, body, peer_address, to=_engine_calls.RequestTo.PROTOCOL)

    def begin(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), *, peer_address: str | None = None
    ) -> PendingRequest:
        """Begins a request with its head; its body is given in pieces, and so is the answer's, so that neither is whole
        in memory. For all requests, also those without a body. The arguments are those of `handle`.

        The request may have its `answer` at once, such as a refusal. With a Content-Length and without a
        Transfer-Encoding, a POST's body of another length is answered with 400. EngineError: INVALID_ARGUMENT,
        OUT_OF_MEMORY.
        """
        return PendingRequest(
            _engine_calls.begin_request(
                self._handle,
                _of_http("method", method),
                _of_http("target", target),
                _encoded_headers(headers),
                _encoded_peer(peer_address),
            )
        )

    def administer(
        self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: Body = b""
    ) -> Response:
        """Answers one request of docs/administration.md about this engine's data, as `handle` does. It does not
        authenticate the caller, so no stranger's request may reach it."""
        return self._answer(method, target, headers, body, None, to=_engine_calls.RequestTo.ADMINISTRATION)

    def monitor(self, target: str) -> Response:
        """Answers a GET of "/metrics", "/health" or "/health/live" (docs/metrics.md), which are for the operator alone,
        as `handle` does: for programs without a Listener."""
        return self._answer("GET", target, (), b"", None, to=_engine_calls.RequestTo.MONITORING)

    def option(self, name: str) -> str:
        """The value of an option since the engine was opened, as text: the given value, the default, or the value
        derived from the memory budget. EngineError: UNKNOWN_OPTION."""
        _require("name", "a text", name, str)
        return _library.engine_option(self._handle, name)

    def _answer(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]],
        body: Body,
        peer_address: str | None,
        *,
        to: _engine_calls.RequestTo,
    ) -> Response:
        content = _bytes("body", body)
        status, fields, answer = _engine_calls.engine_answer(
            self._handle,
            _of_http("method", method),
            _of_http("target", target),
            _encoded_headers(headers),
            content,
            _encoded_peer(peer_address),
            to=to,
        )
        return Response(status, fields, answer)

    def close(self) -> None:
        """Takes no further call, waits for those in progress, and closes the data directory. While a listener serves
        the engine, that happens when the listener stops. A second call does nothing, or waits for the first one."""
        self._handle.close()


class Listener(_Server[_library.ListenerHandle]):
    """Serves an engine to the network, on threads of the library. A context manager. Made by `bind`."""

    def __init__(self, handle: _library.ListenerHandle, addresses: tuple[str, ...]) -> None:
        super().__init__(handle)
        #: The URL of each bound address, with the actual port for port 0: those of the option "listen" first, then
        #: those of "metrics-listen".
        self.addresses = addresses

    @classmethod
    def bind(cls, options: Options, *, environment: bool = False, log: LogFunction | None = None) -> Listener:
        """Binds every address of the options "listen" and "metrics-listen". Connections wait until `serve`.
        `environment` is as for `Engine.open`.

        EngineError: INVALID_ADDRESS, IN_USE, SYSTEM (also for an unusable certificate or key), UNKNOWN_OPTION,
        INVALID_OPTION_VALUE, UNSUPPORTED. Nothing is bound then.
        """
        encoded, receive = _encoded(options), _with_records(log)
        return _library.on_server(
            lambda: cls(*_library.bind_listener(encoded, environment, receive)), undo=_Server._undo
        )

    def serve(self, engine: Engine) -> None:
        """Starts to serve and returns. The listener keeps the engine open until it is stopped.

        EngineError: INVALID_ARGUMENT for a second call and after `stop`, SYSTEM when no thread can be started.
        """
        _require("engine", "an Engine", engine, Engine)
        self._handle.serve(engine._handle)

    def stop(self) -> None:
        """Accepts nothing more, lets the requests in flight finish for up to the option "shutdown-timeout", closes the
        remaining connections, releases the engine, and returns. A second call does nothing."""
        self._handle.stop()

    def close(self) -> None:
        """Stops and frees the listener. A second call does nothing, or waits for the first one."""
        self._handle.close()


def _wrong(name: str, wanted: str, value: object, code: int = c.TCSYNC_INVALID_ARGUMENT) -> EngineError:
    return EngineError(f"{name} cannot be of the type {type(value).__name__}; give {wanted}", code=code)


def _require(name: str, wanted: str, value: object, kind: type) -> None:
    """Checks a type: many programs have no type checker, and the messages from C would name another fault."""
    if not isinstance(value, kind):
        raise _wrong(name, wanted, value)


def _with_records(log: LogFunction | None) -> _library.Log | None:
    if log is None:
        return None
    if not callable(log):
        raise _wrong("log", "a function or None", log)
    return lambda level, message, fields, text: log(LogRecord(LogLevel(level), message, fields, text))


def _encoded(options: Options) -> dict[str, bytes]:
    """Each value in the library's form."""
    _require("options", "a mapping of names to values", options, Mapping)
    for name in options:
        _require("the name of an option", "a text", name, str)
    return {name: _encoded_value(name, value) for name, value in options.items()}


def _encoded_value(name: str, value: OptionValue) -> bytes:
    option = f"the option {name!r}"
    invalid = c.TCSYNC_INVALID_OPTION_VALUE
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, (str, int, UUID)):
        text = str(value)
    elif isinstance(value, os.PathLike):
        text = os.fspath(value)
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        if "list" not in _library.option_types().get(name, "list"):
            raise _wrong(option, "one value", value, invalid)
        for item in value:
            if not isinstance(item, (str, UUID)):
                raise _wrong(f"an item of {option}", "a text or a UUID", item, invalid)
            if "," in str(item):
                raise EngineError(f"an item of {option} has a comma in it; make it two items", code=invalid)
        text = ",".join(map(str, value))
    else:
        raise _wrong(option, "a text, a number, a truth value, a path, a UUID or a list", value, invalid)
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        raise EngineError(f"{option} has an invalid character in it, a lone surrogate", code=invalid) from None
    if b"\0" in encoded or "\0" in name:
        # The library would read it up to there.
        raise EngineError(f"{option} has a zero byte in it; remove it", code=invalid)
    return encoded


def _encoded_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    wanted = "pairs of a name and a value, as items() of a mapping gives them"
    if isinstance(headers, (str, bytes, Mapping)) or not isinstance(headers, Iterable):
        raise _wrong("headers", wanted, headers)
    encoded = []
    for header in headers:
        if not isinstance(header, (tuple, list)) or len(header) != 2:
            raise EngineError(f"an item of headers is not a pair; give {wanted}", code=c.TCSYNC_INVALID_ARGUMENT)
        name, value = header
        encoded.append((_of_http("a header's name", name), _of_http(f"the header {name!r}", value)))
    return encoded


def _encoded_peer(address: str | None) -> bytes | None:
    if address is None:
        return None
    _require("peer_address", "a text or None", address, str)
    return _of_http("peer_address", address.partition("%")[0])


def _bytes(name: str, data: Body) -> bytes:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise _wrong(name, "bytes", data)
    return bytes(data)


def _of_http(what: str, text: str) -> bytes:
    """A text as Python's HTTP servers give it: one character for each byte."""
    _require(what, "a text", text, str)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise EngineError(
            f"{what} has a character that HTTP cannot carry; encode a path with %XX", code=c.TCSYNC_INVALID_ARGUMENT
        ) from None
