#!/usr/bin/env python3
"""embed.py - read this first if your program is in Python.

A sync server inside the program, by the Python binding of the library. docs/python.md has the rest.

The binding is the package `tcsync` (pip install ./capi/python). It has a library of its own, without the server, so the
environment variable TCSYNC_LIBRARY names a full one.

Run: TCSYNC_LIBRARY=PATH_OF_LIBTCSYNC embed.py DATA_DIR
"""

import sys

import tcsync


def main(data_dir: str) -> None:
    print("tcsync", tcsync.__version__)
    try:
        tcsync.Engine.open({"no-such-option": "1"})
    except tcsync.EngineError as error:
        print("an error:", str(error).split(";", maxsplit=1)[0])

    options = {"data-dir": data_dir, "listen": "127.0.0.1:0", "memory-budget": "32M"}
    with tcsync.Listener.bind(options) as listener, tcsync.Engine.open(options) as engine:
        listener.serve(engine)
        url = listener.addresses[0]
        print("listening on", url)
        # The replica. Never through a proxy of the environment: the server is in this process.
        with tcsync.RemoteServer(tcsync.Credentials.generate(url), proxy="") as server:
            print("add-version:", type(server.add_version(tcsync.NIL_VERSION, b"a segment")).__name__)
            print("the same again:", type(server.add_version(tcsync.NIL_VERSION, b"a segment")).__name__)
    print("stopped")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} DATA_DIR, with TCSYNC_LIBRARY set")
    try:
        main(sys.argv[1])
    except tcsync.TcsyncError as error:
        sys.exit(f"embed.py: {error}")
