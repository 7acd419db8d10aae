"""A report's description of the machine, without which the numbers have no meaning."""

import os
import pathlib
import platform
import subprocess
import tempfile
import time

SYNC_BYTES = 1024


def _first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "unknown"


def _processor():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def sync_latency_us(directory, count):
    """The time to append 1 KiB to a file in `directory` and sync it."""
    sync = getattr(os, "fdatasync", os.fsync)
    times = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(count):
            start = time.perf_counter_ns()
            file.write(b"s" * SYNC_BYTES)
            sync(file.fileno())
            times.append((time.perf_counter_ns() - start) / 1000)
    times.sort()
    return {"p50_us": round(times[len(times) // 2], 1), "p99_us": round(times[len(times) * 99 // 100], 1)}


def describe(directory, sync_count):
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "system": f"{platform.system()} {platform.release()}",
        "filesystem": _first_line(["df", "--output=fstype", str(directory)]),
        "fdatasync_1k": sync_latency_us(directory, sync_count),
        "load_average_before": round(os.getloadavg()[0], 2),
    }
