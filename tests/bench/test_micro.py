"""The benchmarks of single parts: each runs, reads its own data back, and reports plausible counters. Speed is no
subject here."""

import json
import os
import subprocess

import pytest
from conftest import BIN


def run(program, tmp_path, pattern):
    """The benchmarks whose names match, by name."""
    out = tmp_path / "out.json"
    subprocess.run(
        [
            BIN / f"tcsync-bench-{program}",
            f"--benchmark_filter={pattern}",
            "--benchmark_min_time=0.01",
            f"--benchmark_out={out}",
            "--benchmark_out_format=json",
        ],
        env={**os.environ, "TCSYNC_BENCH_DIR": str(tmp_path)},
        check=True,
        capture_output=True,
        timeout=60,
    )
    found = {
        benchmark["name"].removesuffix("/real_time"): benchmark
        for benchmark in json.loads(out.read_text())["benchmarks"]
    }
    assert found, "no benchmark has such a name"
    for name, benchmark in found.items():
        assert not benchmark.get("error_occurred"), f"{name}: {benchmark.get('error_message')}"
        assert benchmark["iterations"] > 0
        if "p50_us" in benchmark:
            assert 0 < benchmark["p50_us"] <= benchmark["p99_us"] <= benchmark["p999_us"], name
            assert benchmark["items_per_second"] > 0
    return found


def test_write_path_benchmarks_count_stored_versions(tmp_path):
    """If this fails, a write benchmark counts versions that storage does not have, or compares with
    other batches than the engine's."""
    found = run("write-path", tmp_path, "segment:1024/|segment:1024$")
    engine = {name: benchmark for name, benchmark in found.items() if name.startswith("engine_append")}
    assert len(engine) == 9  # 1, 8 and 64 writers, on own, the same and new clients
    for name, benchmark in engine.items():
        assert benchmark["appended"] == benchmark["read_back"] > 0, name
        assert 1 <= benchmark["batch_mean"] <= benchmark["batch_max"], name
        writers = int(name.split("writers:")[1].split("/")[0])
        assert benchmark["batch_max"] <= writers, name
        # One append at a time succeeds on one chain; all do on chains of their own.
        assert (benchmark["conflicts"] > 0) == (writers > 1 and "clients:same" in name), name
        # The log holds the segment, and little besides.
        if "clients:own" in name:
            assert 1024 < benchmark["log_bytes_per_version"] < 1024 + 512, name
            raw = found[name.replace("engine_append", "raw_rocksdb").replace("clients:own", "sync:1")]
            assert raw["batch_mean"] == pytest.approx(benchmark["batch_mean"])
    assert {"raw_append_fdatasync/segment:1024", "raw_overwrite_fdatasync/segment:1024"} <= set(found)


def test_read_path_benchmarks_get_correct_answers(tmp_path):
    """If this fails, a read benchmark gets wrong answers, or measures something else than its name
    says."""
    found = run("read-path", tmp_path, "clients:1000/|chain:10/")
    kinds = {name.split("/")[0] for name in found}
    assert kinds == {
        "head_one",
        "version_one",
        "head",
        "version",
        "head_cold",
        "version_cold",
        "catch_up",
        "chain_head",
        "chain_first",
        "chain_middle",
        "chain_append",
    }
    # Not a matter of speed: thanks to the caches a read of the head reads no file.
    assert found["head_cold/clients:1000"]["p50_us"] > found["head/clients:1000"]["p50_us"]


def test_crypto_benchmarks_seal_bytes_that_open(tmp_path):
    """If this fails, sealing is measured on bytes that do not open again."""
    found = run("crypto", tmp_path, "bytes:4096")
    assert set(found) == {f"{prefix}{kind}/bytes:4096" for prefix in ("", "sodium_") for kind in ("seal", "unseal")}
    for benchmark in found.values():
        assert benchmark["bytes_per_second"] > 0


def test_access_benchmarks_measure_admissions(tmp_path):
    """If this fails, the cost of admitting a request is measured on refusals."""
    found = run("access", tmp_path, "admit")
    assert set(found) == {
        f"admit/clients:{clients}/real_time/threads:{threads}" for clients in (1, 10000) for threads in (1, 2)
    }
    for benchmark in found.values():
        assert benchmark["items_per_second"] > 0


def test_http_benchmarks_get_successful_answers(tmp_path):
    """If this fails, HTTP is measured on answers that are refusals or errors."""
    found = run("http", tmp_path, "get_child|listener/add_version/connections:64")
    assert len(found) == 9  # the handler and 1, 8 and 64 connections, of two reads; and one write
