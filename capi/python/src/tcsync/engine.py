"""A sync server in this process: the C library's engine keeps the data, and its listener serves the engine.

The library has to be one with the server in it. The one in the Python package is not, so a program names a full one in
the environment variable TCSYNC_LIBRARY: a path, or "libtcsync.so.0" for the system's.

Options have the names and values of docs/options.md, such as "data-dir" and "memory-budget". Only what is given here
counts; the server's environment variables do not.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from . import _declarations as c
from . import _library
from .errors import EngineError


class LogLevel(Enum):
    """How much a message matters."""

    DEBUG = c.TCSYNC_LOG_DEBUG
    INFO = c.TCSYNC_LOG_INFO
    WARNING = c.TCSYNC_LOG_WARNING
    ERROR = c.TCSYNC_LOG_ERROR


#: Receives messages of one line each; tcsync.h has their form, above tcsync_log_function. The library calls it from its
#: own threads, from several at once. It must return soon and must not use an engine or a listener. What it raises goes
#: to sys.unraisablehook, and the server goes on. The option "log-level" sets the least level.
LogFunction = Callable[[LogLevel, str], None]

#: A number in the option's unit, a truth value, a path, or text; several texts for an option that is a list.
OptionValue = str | int | os.PathLike[str] | Sequence[str]
Options = Mapping[str, OptionValue]


@dataclass(frozen=True)
class Response:
    """An HTTP answer. Content-Length, Date and Connection are not among the headers: they are the sender's."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


class Engine(_library.Closing):
    """The data of many clients in one data directory, and the answers to their requests. A context manager.

    Any thread may call anything. One that is not closed is closed when it is collected, or when the program ends.
    """

    def __init__(self, handle: _library.EngineHandle) -> None:
        """Use `open`."""
        self._handle = handle
        # While the interpreter still runs: the library's threads call `log`, and closing waits for them.
        weakref.finalize(self, handle.close)

    @classmethod
    def open(cls, options: Options, *, log: LogFunction | None = None) -> Engine:
        """Opens the data directory of the option "data-dir", and creates it, for its owner only, when it is not there.

        EngineError: IN_USE when another engine has it, WRONG_FORMAT, SYSTEM, DATA_LOSS, UNKNOWN_OPTION,
        INVALID_OPTION_VALUE, INVALID_ARGUMENT, UNSUPPORTED for a library without the server. An existing directory is
        then as it was. A signal such as Ctrl-C takes effect only after the call.
        """
        return cls(_library.open_engine(_encoded(options), _with_levels(log)))

    def handle(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        peer_address: str | None = None,
    ) -> Response:
        """Answers one request of the sync protocol: for programs that have an HTTP server of their own.

        `target` is the path as in the request line, `body` as it was received, of at most 100 MiB. `peer_address` is
        the IP address that the request came from, without a port; without it, limits by address do not apply. The call
        waits until the answer is decided, and what is stored is durable. Any HTTP answer is a Response, also a 4xx or
        5xx. EngineError: INVALID_ARGUMENT, OUT_OF_MEMORY.
        """
        return self._answer(method, target, headers, body, peer_address, is_administration=False)

    def administer(
        self, method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Response:
        """Answers one request of docs/administration.md about this engine's data, as `handle` does. It asks nobody who
        they are, so no stranger's request may reach it."""
        return self._answer(method, target, headers, body, None, is_administration=True)

    def _answer(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        peer_address: str | None,
        *,
        is_administration: bool,
    ) -> Response:
        status, fields, content = _library.engine_answer(
            self._handle,
            _of_http(method),
            _of_http(target),
            [(_of_http(name), _of_http(value)) for name, value in headers],
            bytes(body),
            None if peer_address is None else _of_http(peer_address),
            is_administration=is_administration,
        )
        return Response(status, fields, content)

    def close(self) -> None:
        """Waits for the requests that were begun, and closes the data directory. While a listener serves the engine, or
        another thread has a call on it, that happens when the listener stops or the call ends. Again, it does nothing.
        """
        self._handle.close()


class Listener(_library.Closing):
    """Serves an engine to the network, on threads of the library. A context manager.

    Any thread may call anything. One that is not closed is closed when it is collected, or when the program ends.
    """

    def __init__(self, handle: _library.ListenerHandle, addresses: tuple[str, ...]) -> None:
        """Use `bind`."""
        self._handle = handle
        #: The URL of each bound address, with the port that was picked for port 0: those of the option "listen" first,
        #: then those of "metrics-listen".
        self.addresses = addresses
        weakref.finalize(self, handle.close)

    @classmethod
    def bind(cls, options: Options, *, log: LogFunction | None = None) -> Listener:
        """Binds every address of the options "listen" and "metrics-listen". Connections wait until `serve`.

        EngineError: INVALID_ADDRESS, IN_USE, SYSTEM (also for a certificate or key that cannot be used),
        UNKNOWN_OPTION, INVALID_OPTION_VALUE, UNSUPPORTED. Nothing is bound then.
        """
        return cls(*_library.bind_listener(_encoded(options), _with_levels(log)))

    def serve(self, engine: Engine) -> None:
        """Starts to serve and returns. The listener keeps the engine open until it is stopped.

        EngineError: INVALID_ARGUMENT for the second call and after `stop`, UNAVAILABLE when no thread can be started.
        """
        self._handle.serve(engine._handle)

    def stop(self) -> None:
        """Accepts nothing more, lets the requests in flight finish for up to the option "shutdown-timeout", closes what
        is left, and returns. Again, it does nothing."""
        self._handle.stop()

    def close(self) -> None:
        """Stops, and removes the Unix sockets that were made. Again, it does nothing."""
        self._handle.close()


def _with_levels(log: LogFunction | None) -> Callable[[int, str], None] | None:
    return None if log is None else lambda level, message: log(LogLevel(level), message)


def _encoded(options: Options) -> dict[str, bytes]:
    """Each value as the library takes it."""
    return {name: _encoded_value(name, value) for name, value in options.items()}


def _encoded_value(name: str, value: OptionValue) -> bytes:
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, (str, int)):
        text = str(value)
    elif isinstance(value, os.PathLike):
        text = os.fspath(value)
    else:
        text = ",".join(value)
    encoded = os.fsencode(text)
    if b"\0" in encoded or "\0" in name:
        # The library would read it up to there.
        raise EngineError(f"the option {name!r} has a zero byte in it; remove it", code=c.TCSYNC_INVALID_OPTION_VALUE)
    return encoded


def _of_http(text: str) -> bytes:
    """As Python's HTTP servers give it: one character for each byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise EngineError(
            "a request has a character that HTTP cannot carry; encode the path with %XX", code=c.TCSYNC_INVALID_ARGUMENT
        ) from None
