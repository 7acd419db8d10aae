#!/usr/bin/env python3
"""embed.py - read this first if your program is in Python.

A sync server inside the program, by plain ctypes.

The rules of the C ABI in Python: declare argtypes and restype of every function that you call
(without them ctypes cuts pointers to 32 bits), turn codes into exceptions, give every handle to a
context manager, and free what the library gives. Python 3.10 or later, no packages.

Run: embed.py DATA_DIR [LIBRARY]    LIBRARY or $TCSYNC_LIBRARY is the path of libtcsync
"""

import ctypes
import os
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int32, c_size_t, c_void_p

TCSYNC_OK = 0
NIL_VERSION = "00000000-0000-0000-0000-000000000000"
SEGMENT_TYPE = "application/vnd.taskchampion.history-segment"

# Name, result, arguments: from tcsync.h. Handles are void pointers here.
FUNCTIONS = (
    ("tcsync_version", c_char_p, ()),
    ("tcsync_error_message", c_char_p, (c_void_p,)),
    ("tcsync_error_free", None, (c_void_p,)),
    ("tcsync_bytes_data", c_void_p, (c_void_p,)),
    ("tcsync_bytes_size", c_size_t, (c_void_p,)),
    ("tcsync_bytes_free", None, (c_void_p,)),
    ("tcsync_config_new", c_int32, (POINTER(c_void_p), POINTER(c_void_p))),
    ("tcsync_config_set", c_int32, (c_void_p, c_char_p, c_char_p, POINTER(c_void_p))),
    ("tcsync_config_free", None, (c_void_p,)),
    ("tcsync_engine_open", c_int32, (c_void_p, POINTER(c_void_p), POINTER(c_void_p))),
    ("tcsync_engine_close", None, (c_void_p,)),
    ("tcsync_listener_bind", c_int32, (c_void_p, POINTER(c_void_p), POINTER(c_void_p))),
    ("tcsync_listener_address", c_char_p, (c_void_p, c_size_t)),
    ("tcsync_listener_serve", c_int32, (c_void_p, c_void_p, POINTER(c_void_p))),
    ("tcsync_listener_stop", None, (c_void_p,)),
    ("tcsync_listener_free", None, (c_void_p,)),
    (
        "tcsync_credentials_generate",
        c_int32,
        (POINTER(c_void_p), POINTER(c_void_p), POINTER(c_void_p)),
    ),
)


class TcsyncError(Exception):
    """What a call of the library reports: a sentence for people, and the code to decide by."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class Tcsync:
    """The library, with Python's manners. Methods that make a handle are context managers."""

    def __init__(self, path: str):
        self._library = ctypes.CDLL(path)
        for name, result, arguments in FUNCTIONS:
            function = getattr(self._library, name)
            function.restype = result
            function.argtypes = arguments

    def version(self) -> str:
        return self._library.tcsync_version().decode()

    @contextmanager
    def config(self, options: dict[str, str]):
        config = c_void_p()
        self._call("tcsync_config_new", byref(config))
        try:
            for name, value in options.items():
                self._call("tcsync_config_set", config, name.encode(), value.encode())
            yield config
        finally:
            self._library.tcsync_config_free(config)

    @contextmanager
    def engine(self, config: c_void_p):
        engine = c_void_p()
        self._call("tcsync_engine_open", config, byref(engine))
        try:
            yield engine
        finally:
            self._library.tcsync_engine_close(engine)

    @contextmanager
    def serving(self, config: c_void_p, engine: c_void_p):
        """Serves the engine as long as the context lasts; gives the first address as a URL."""
        listener = c_void_p()
        self._call("tcsync_listener_bind", config, byref(listener))
        try:
            self._call("tcsync_listener_serve", listener, engine)
            yield self._library.tcsync_listener_address(listener, 0).decode()
        finally:
            self._library.tcsync_listener_stop(listener)
            self._library.tcsync_listener_free(listener)

    def generate_credentials(self) -> tuple[str, str]:
        """A new user's client ID and secret."""
        client_id, secret = c_void_p(), c_void_p()
        self._call("tcsync_credentials_generate", byref(client_id), byref(secret))
        return self._take_text(client_id), self._take_text(secret)

    def _take_text(self, owned: c_void_p) -> str:
        try:
            data = self._library.tcsync_bytes_data(owned)
            return ctypes.string_at(data, self._library.tcsync_bytes_size(owned)).decode()
        finally:
            self._library.tcsync_bytes_free(owned)

    def _call(self, name: str, *arguments):
        error = c_void_p()
        code = getattr(self._library, name)(*arguments, byref(error))
        if code == TCSYNC_OK:
            return
        try:
            message = self._library.tcsync_error_message(error).decode()
        finally:
            self._library.tcsync_error_free(error)
        raise TcsyncError(code, message)


def add_version(url: str, client_id: str, parent: str, segment: bytes) -> int:
    """What a replica asks of the server; the HTTP status of the answer."""
    request = urllib.request.Request(
        f"{url}/v1/client/add-version/{parent}",
        data=segment,
        headers={"X-Client-Id": client_id, "Content-Type": SEGMENT_TYPE},
    )
    # Never through a proxy of the environment: the server is in this process.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code


def main(data_dir: str, library: str) -> None:
    tcsync = Tcsync(library)
    print("tcsync", tcsync.version())
    try:
        with tcsync.config({"listen": "nonsense", "no-such-option": "1"}):
            pass
    except TcsyncError as error:
        print("an error:", str(error).split(";", maxsplit=1)[0])

    options = {"data-dir": data_dir, "listen": "127.0.0.1:0", "memory-budget": "32M"}
    with (
        tcsync.config(options) as config,
        tcsync.engine(config) as engine,
        tcsync.serving(config, engine) as url,
    ):
        print("listening on", url)
        client_id, _ = tcsync.generate_credentials()
        print("add-version:", add_version(url, client_id, NIL_VERSION, b"sealed bytes"))
        print("the same again:", add_version(url, client_id, NIL_VERSION, b"sealed bytes"))
    print("stopped")


if __name__ == "__main__":
    library_path = sys.argv[2] if len(sys.argv) == 3 else os.environ.get("TCSYNC_LIBRARY")
    if len(sys.argv) not in (2, 3) or not library_path:
        sys.exit(f"usage: {sys.argv[0]} DATA_DIR [LIBRARY], or with TCSYNC_LIBRARY set")
    try:
        main(sys.argv[1], library_path)
    except (TcsyncError, OSError) as error:
        sys.exit(f"embed.py: {error}")
