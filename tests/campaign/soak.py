#!/usr/bin/env python3
"""Soak: mixed load on one server that may have 256 MB of memory of its own (RLIMIT_DATA), with retention, deletions, backups and
restore drills going on. Memory, descriptors, disk and latency stay flat; everything that was acknowledged is compared at the
end.

The load is in balance: a client that has had enough versions is deleted and comes anew. So when the server has warmed
up nothing should grow any more; a run of at least five minutes fails when it does. --plot FILE.svg draws all four, also
of a run that failed; without matplotlib there is no plot.
"""

import contextlib
import importlib.util
import os
import random
import statistics
import sys
import threading
import time
from pathlib import Path

from campaign import run

import admin
import wire
from model import Broken, Client, Connection, payload
from server import Server

MEMORY_BYTES = 256 << 20
CLIENTS = 24
VERSIONS_MAX = 150  # of one client, then it is deleted
TURNS_PER_SECOND = 40  # of each worker: the load is the same on every machine that can bear it
WORKERS = 4
JUDGED_SECONDS_MIN = 300
WARM_UP_S = 100  # by then clients have been deleted several times, and caches are full
SAMPLE_S_MAX = 5
THREAD_TIMEOUT_S = 180
FLAGS = ("--memory-budget", "128M", "--disk-free-bytes-min", "0", "--client-requests-per-second", "0",
         "--address-requests-per-second", "0", "--new-clients-per-address-day", "0",
         "--retention-days", "1", "--retention-versions", "3", "--replica-seen-days", "1")  # fmt: skip


class Soak:
    def __init__(self, campaign, directory):
        self.campaign = campaign
        self.directory = directory
        self.server = Server(directory / "server.log", directory / "data", *FLAGS, memory_bytes_max=MEMORY_BYTES)
        self.over = threading.Event()
        self.failures = []
        self.lock = threading.Lock()
        self.latencies_ms = []
        self.samples = []
        self.clients = [self.new_client() for _ in range(CLIENTS)]

    @staticmethod
    def new_client():
        client = Client()
        client.latest, client.versions = wire.NIL_VERSION, 0
        return client

    def thread(self, turn):
        def body():
            try:
                while not self.over.is_set():
                    turn()
            except Exception as failure:  # told by the main thread
                self.failures.append(failure)
                self.over.set()

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        return thread

    def sync_turn(self, number):
        """A replica's sync: pull, add a version, sometimes a snapshot. Each worker has clients of its own."""
        chosen = random.Random(self.campaign.seed * 1000 + number)
        connection = Connection(self.server.url)
        mine = range(number, CLIENTS, WORKERS)
        serial = [0]

        def turn():
            began = time.monotonic()
            place = chosen.choice(mine)
            client = self.clients[place]
            if client.versions >= VERSIONS_MAX:
                client.compare(connection, self.campaign.count)
                status, answer = admin.api(self.server, "DELETE", f"clients/{client.client_id}")
                if status != 200:
                    raise Broken(f"delete was answered {status} {answer}")
                self.campaign.count("deletions")
                client = self.clients[place] = self.new_client()
            serial[0] += 1
            size = int(2 ** chosen.uniform(4, 13 if chosen.random() < 0.95 else 20))
            parent_id = client.pull(connection, client.latest)
            segment = payload(f"{number} {serial[0]}", size)
            sent = time.monotonic()
            version_id = client.append(connection, parent_id, segment)
            with self.lock:
                self.latencies_ms.append((time.monotonic() - sent) * 1000)
            if version_id is None:
                self.campaign.count("refusals")
                client.latest = parent_id
            else:
                client.latest, client.versions = version_id, client.versions + 1
                self.campaign.count("versions acknowledged")
                if client.versions % 20 == 0:
                    client.store_snapshot(connection, version_id, payload(f"{number} {serial[0]} whole", 200_000))
            self.over.wait(max(0, 1 / TURNS_PER_SECOND - (time.monotonic() - began)))

        return turn

    def operator_turn(self):
        backups = self.directory / "backups"

        def turn():
            for command in (("prune", "--yes"), ("backup", backups, "--keep", "3"), ("verify",),
                            ("restore", "--drill", backups), ("clients", "list"), ("stats",)):  # fmt: skip
                if self.over.is_set():
                    return
                done = admin.run(self.server.data_dir, *command, TMPDIR=str(self.directory))
                if done.returncode != 0:
                    raise Broken(f"{command} ended with {done.returncode}: {done.stdout[-300:]}{done.stderr}")
                self.campaign.count(command[0])
            self.over.wait(5)

        return turn

    def status(self):
        """The kernel's figures of the server's process."""
        status = Path(f"/proc/{self.server.pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if "VmRSS" not in fields:  # Its status was not yet collected, so its number is still there.
            raise Broken(f"the server has ended: {self.server.log[-2000:]}")
        return fields

    def sample(self, at):
        fields = self.status()
        disk = bytes_on_disk(self.server.data_dir)
        with self.lock:
            latencies, self.latencies_ms = sorted(self.latencies_ms), []
        self.samples.append(
            {
                "seconds": round(at, 1),
                "memory_mib": int(fields["VmRSS"].split()[0]) / 1024,
                "descriptors": len(os.listdir(f"/proc/{self.server.pid}/fd")),
                "threads": int(fields["Threads"]),
                "disk_mib": disk / (1 << 20),
                "versions": len(latencies),
                "p50_ms": latencies[len(latencies) // 2] if latencies else None,
                "p99_ms": latencies[int(len(latencies) * 0.99)] if latencies else None,
            }
        )

    def run(self):
        threads = [self.thread(self.sync_turn(number)) for number in range(WORKERS)]
        threads.append(self.thread(self.operator_turn()))
        interval = max(0.5, min(SAMPLE_S_MAX, self.campaign.seconds / 60))
        began = time.monotonic()
        while not self.over.is_set() and (at := time.monotonic() - began) < self.campaign.seconds:
            self.sample(at)
            self.over.wait(interval)
        self.over.set()
        for thread in threads:
            thread.join(THREAD_TIMEOUT_S)
        self.status()  # If it has ended, that explains the failures.
        if self.failures:
            raise self.failures[0]
        if any(thread.is_alive() for thread in threads):
            raise Broken(f"a worker or a command of the operator's has taken more than {THREAD_TIMEOUT_S} s")
        connection = Connection(self.server.url)
        for client in self.clients:
            client.compare(connection, self.campaign.count)


def bytes_on_disk(directory):
    """The size of the files below it. They come and go meanwhile."""
    total = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def early_and_last_medians(samples, key):
    """The median of a third that begins when the server has warmed up, and of the last third; None where too little was
    sampled. In a long run the first of them is early, so that it shows slow growth."""
    count = len(samples)
    warm = next((index for index, sample in enumerate(samples) if sample["seconds"] >= WARM_UP_S), count)
    begin = min(warm, count // 3)
    thirds = samples[begin : begin + count // 3], samples[count - count // 3 :]
    early, last = ([sample[key] for sample in third if sample[key] is not None] for third in thirds)
    return (statistics.median(early), statistics.median(last)) if early and last else None


def judge(samples):
    """The changes from an early third to the last one."""
    # How much more may be chance: memory and disk follow compactions and backups.
    for key, factor, more in (("memory_mib", 1.1, 8), ("descriptors", 1.1, 10), ("threads", 1, 2), ("disk_mib", 1.3, 32),
                              ("p50_ms", 2, 5), ("p99_ms", 3, 50)):  # fmt: skip
        medians = early_and_last_medians(samples, key)
        if medians is None:
            raise Broken(f"{key}: nothing was sampled in an early third, or in the last one")
        early, last = medians
        if last > early * factor + more:
            raise Broken(f"{key} grows: its median was {early:.1f} in an early third, {last:.1f} in the last one")
    early, last = early_and_last_medians(samples, "versions")
    if last < early / 3:
        raise Broken(f"fewer versions are taken: {early:.0f} a sample in an early third, {last:.0f} in the last one")


def plot(samples, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, all_axes = pyplot.subplots(4, 1, figsize=(8, 9), sharex=True)
    minutes = [sample["seconds"] / 60 for sample in samples]
    for axes, label, keys in zip(all_axes, ("resident memory, MiB", "open descriptors, threads", "disk, MiB", "add-version, ms"),
                                 (["memory_mib"], ["descriptors", "threads"], ["disk_mib"], ["p50_ms", "p99_ms"]), strict=True):  # fmt: skip
        for key in keys:
            axes.plot(minutes, [sample[key] for sample in samples], label=key.removesuffix("_ms"))
        axes.set_ylabel(label)
        if len(keys) > 1:
            axes.legend(loc="upper right")
        if keys == ["p50_ms", "p99_ms"]:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    all_axes[-1].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def add_arguments(parser):
    parser.add_argument("--plot", type=Path, help="draw the samples into this file")


def tell(campaign, samples):
    campaign.figures["memory MiB, highest"] = round(max(sample["memory_mib"] for sample in samples), 1)
    for key in ("memory_mib", "descriptors", "threads", "disk_mib", "versions", "p50_ms", "p99_ms"):
        if medians := early_and_last_medians(samples, key):
            campaign.figures[f"{key}, an early third and the last"] = [round(median, 1) for median in medians]
    campaign.figures["samples"] = samples
    if campaign.arguments.plot:
        plot(samples, campaign.arguments.plot)


def main(campaign):
    # At the end of an hour it would be late to learn that.
    if campaign.arguments.plot and importlib.util.find_spec("matplotlib") is None:
        print("soak: there is no matplotlib, and so there will be no plot", file=sys.stderr)
        campaign.arguments.plot = None
    with campaign.round() as directory:
        soak = Soak(campaign, directory)
        try:
            soak.run()
            if soak.samples[-1]["seconds"] >= JUDGED_SECONDS_MIN - SAMPLE_S_MAX:
                judge(soak.samples)
        finally:
            soak.over.set()
            soak.server.kill()
            if soak.samples:
                tell(campaign, soak.samples)


if __name__ == "__main__":
    run(__doc__, main, add_arguments)
