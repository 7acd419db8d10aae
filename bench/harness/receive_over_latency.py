"""Measures the first sync of a replica over a link with latency, with many versions in one answer
and with one (docs/protocol.md, "Many versions in one answer").

The link is a relay of this program that keeps every byte back for half a round trip in each
direction. It delays as a distant server does, but it is no distant network: it loses nothing, and
each of its two connections is on loopback, where TCP needs no time to open its window. Where the
kernel has netem, `tc qdisc add dev lo root netem delay 25ms` in a network namespace is closer.

Without the extension means that the relay drops the field Accept from the requests, as a server
that does not know it would. Both syncs are with one server and one history, one after the other.

    bench/receive-over-latency.sh [--versions N] [--round-trip-ms N] [--build-dir DIR]

Needs a build with TCSYNC_BENCH=ON. Exit status 1 when a replica has the wrong tasks.
"""

import argparse
import asyncio
import contextlib
import json
import pathlib
import re
import sys
import tempfile
import threading
import time

import replicas

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
ACCEPT = re.compile(rb"\r\nAccept:[^\r]*", re.IGNORECASE)


class DelayingRelay:
    """Relays connections to a server of this computer; every byte arrives `delay` seconds late."""

    def __init__(self, port, delay, drops_accept):
        self._server_port, self._delay, self._drops_accept = port, delay, drops_accept
        self.requests = 0
        self._loop = asyncio.new_event_loop()
        listening = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), daemon=True)
        self._thread.start()
        listening.wait()

    def _run(self, listening):
        asyncio.set_event_loop(self._loop)
        self._listener = self._loop.run_until_complete(asyncio.start_server(self._connect, "127.0.0.1", 0))
        self.port = self._listener.sockets[0].getsockname()[1]
        listening.set()
        self._loop.run_forever()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _connect(self, client_reader, client_writer):
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        await asyncio.gather(
            self._pass(client_reader, server_writer, self._request),
            self._pass(server_reader, client_writer, lambda data: data),
        )

    # A replica writes each of its requests for a version as a whole.
    def _request(self, data):
        self.requests += data.count(b"get-child-version")
        return ACCEPT.sub(b"", data) if self._drops_accept else data

    async def _pass(self, reader, writer, change):
        under_way = asyncio.Queue()

        async def arrive():
            while (item := await under_way.get()) is not None:
                data, due = item
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                writer.write(data)
                await writer.drain()
            with contextlib.suppress(OSError):
                writer.close()

        arrival = asyncio.create_task(arrive())
        with contextlib.suppress(OSError):
            while data := await reader.read(64 * 1024):
                under_way.put_nowait((change(data), time.monotonic() + self._delay))
        under_way.put_nowait(None)
        with contextlib.suppress(OSError):
            await arrival


def receive(program, user, wanted, directory, relay):
    """The seconds of a first sync through the relay, and its requests for versions."""
    try:
        through = {**user, "url": f"http://127.0.0.1:{relay.port}"}
        took = program.receive(replicas.empty_directory(directory), through)
        replicas.check_tasks(program.name, directory, wanted)
        return took["seconds"], relay.requests
    finally:
        relay.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--versions", type=int, default=10_000, help="versions in the history (default 10000)")
    parser.add_argument("--round-trip-ms", type=float, default=50, help="of the link (default 50)")
    parser.add_argument("--build-dir", type=pathlib.Path, default=REPOSITORY / "build", help="the build's directory")
    options = parser.parse_args()
    bin_dir = options.build_dir.resolve() / "bin"
    program = replicas.tcsync(bin_dir)
    delay = options.round_trip_ms / 2000
    seconds, requests = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        tasks_file = pathlib.Path(scratch) / "tasks.json"
        with replicas.server(bin_dir, options.versions, 2 * options.versions, tasks_file) as user:
            wanted = json.loads(tasks_file.read_text(encoding="utf-8"))
            server_port = int(user["url"].rpartition(":")[2])
            for name, drops_accept in (("many", False), ("one", True)):
                relay = DelayingRelay(server_port, delay, drops_accept)
                directory = pathlib.Path(scratch) / name
                seconds[name], requests[name] = receive(program, user, wanted, directory, relay)
                print(f"{name}: {seconds[name]:.1f} s, {requests[name]} requests for versions", flush=True)
    print(
        f"{options.versions} versions over a relay with {options.round_trip_ms:g} ms for a round trip: many in "
        f"one answer took {seconds['many'] / seconds['one']:.4f} of the time of one (1 to "
        f"{seconds['one'] / seconds['many']:.0f})"
    )


if __name__ == "__main__":
    try:
        main()
    except replicas.WrongTasks as problem:
        sys.exit(f"receive-over-latency: {problem}")
