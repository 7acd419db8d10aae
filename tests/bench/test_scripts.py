"""bench/compare.sh and bench/run.sh, as people run them."""

import json
import os
import re
import shutil

import pytest
from conftest import BIN, fake_server, run_script, tcsync_server

ROW = re.compile(r"^(\S+:\d+) +(\d+) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)$", re.MULTILINE)


def test_compare_reports_the_ratios_of_two_servers(tmp_path, server):
    """If this fails, two servers cannot be compared, or the ratios are not those of the rates."""
    (tmp_path / "other").mkdir()
    with tcsync_server(tmp_path / "other") as other:
        done = run_script(
            "compare.sh", server, other, "add-version:2", "get-child-404:4", "--rounds", "3", "--seconds", "0.3"
        )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = ROW.findall(done.stdout)
    assert [row[0] for row in rows] == ["add-version:2", "get-child-404:4"]
    for row in rows:
        rate_a, rate_b, low, middle, high = map(float, row[1:6])
        assert rate_a > 0 and rate_b > 0
        assert 0 < low <= middle <= high


@pytest.mark.parametrize("fake_first", [True, False])
def test_compare_detects_a_server_that_stores_nothing(server, fake_first):
    """If this fails, a comparison with a server that stores nothing is believed."""
    with fake_server() as fake:
        urls = (fake, server) if fake_first else (server, fake)
        done = run_script("compare.sh", *urls, "add-version:2", "--rounds", "2", "--seconds", "0.3")
    assert done.returncode == 1
    assert "a version that was added is not there" in done.stdout
    assert not ROW.search(done.stdout)


def test_compare_refuses_unknown_loads():
    """If this fails, a load that is misspelt goes unnoticed."""
    done = run_script("compare.sh", "http://127.0.0.1:9", "http://127.0.0.1:9", "add-versoin:8")
    assert done.returncode == 2
    assert "add-versoin:8" in done.stderr and "add-version" in done.stderr


def test_compare_postgres_measures_beside_pgbench_and_a_population(tmp_path):
    """If this fails, the numbers of PostgreSQL in docs/performance.md cannot be measured again."""
    if not shutil.which("psql") and os.environ.get("CI") != "true":
        pytest.skip("PostgreSQL is not installed")
    done = run_script(
        "compare-postgres.sh", "--connections", "2", "--rounds", "1", "--seconds", "1", "--population", "500",
        "--directory", tmp_path, "--build-dir", BIN.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(.+?) +(add-version:2|catch-up:8) +(\d+)  (\w+) +(\d+) +([\d.]+) +", done.stdout, re.MULTILINE)
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("tcsync", "add-version:2", "pgbench"),
        ("with 500 others", "add-version:2", "tcsync"),
        ("with 500 others", "catch-up:8", "tcsync"),
    ]
    for row in rows:
        assert float(row[5]) == pytest.approx(int(row[2]) / int(row[4]), abs=0.02)
    costs = re.findall(r"^(tcsync|pgbench|with 500 others) +2 +(\d+) +(\d+)$", done.stdout, re.MULTILINE)
    assert [cost[0] for cost in costs] == ["tcsync", "pgbench", "with 500 others"]
    for _, table_bytes, log_bytes in costs:
        assert int(table_bytes) > 1024 and int(log_bytes) > 1024, "less than the segment"


def test_run_quick_writes_a_report(tmp_path):
    """If this fails, the numbers of docs/performance.md cannot be measured again."""
    pytest.importorskip("matplotlib")
    import plots

    output = tmp_path / "report"
    done = run_script("run.sh", "--quick", "--output", output)
    assert done.returncode == 0, done.stderr
    report = json.loads((output / "report.json").read_text())
    assert report["machine"]["fdatasync_1k"]["p50_us"] > 0
    assert set(report["micro"]) == {"write-path", "read-path", "crypto", "http"}
    server = report["servers"]["tcsync"]
    assert server["closed_memory"]["peak_mib"] >= server["closed_memory"]["idle_mib"] > 1
    assert [level["population"] for level in server["populations"]] == [20, 200]
    crowd = report["crowd"][0]["loads"]
    assert [result["connection_per_request"] for result in crowd] == [True, True]
    assert all(result["answers"]["added"]["count"] > 0 for result in crowd)
    for name in plots.NAMES:
        assert (output / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (output / f"{name}.svg").read_text()
    text = (output / "summary.md").read_text()
    for words in (
        "A quick run",
        "### Whole servers",
        "### Open loop",
        "### A crowd",
        "### Clients in the directory",
        "### Resident memory",
        "### Engine without HTTP: writes",
    ):
        assert words in text
    # Every table has as many cells in each row as in its head.
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
    assert not (output / "tcsync-bench-data").exists()

    again = run_script("run.sh", "--quick", "--output", output)
    assert again.returncode == 1 and "not empty" in again.stderr
