"""bench/compare-replicas.sh, as people run it, with a tiny history."""

import json
import re
import sys

import compare_replicas
import pytest
import replicas
from conftest import BIN, run_script


def test_compare_replicas_measures_replicas_with_the_right_tasks(tmp_path):
    """If this fails, the speed of replicas cannot be measured again, or wrong tasks are measured."""
    out = tmp_path / "report.json"
    done = run_script(
        "compare-replicas.sh",
        "--without-taskchampion",
        *("--versions", 40, "--tasks", 60, "--sent-tasks", 10, "--rounds", 2),
        *("--data-dir", tmp_path, "--build-dir", BIN.parent, "--json", out),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["history"]["versions"] == 40 and report["history"]["operations"] > 60 * 7
    assert {case: found["tasks"] for case, found in report["checked"].items()} == {
        "receive": 60,
        "no news": 60,
        "snapshot": 60,
        "commit": 10,
        "send": 10,
    }
    for case, by_contender in report["rounds"].items():
        assert len(by_contender["tcsync"]) == 2, case
        assert all(one["cpu_seconds"] > 0 and one["seconds"] > 0 for one in by_contender["tcsync"]), case
        assert f"| {case} | tcsync |" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_the_snapshot_case_begins_with_a_snapshot(tmp_path):
    """If this fails, the case of the snapshot measures the whole history, or the other one a snapshot."""
    with replicas.server(BIN, 40, 60, tmp_path / "tasks.json") as about:
        reports = {}
        for client in ("client_id", "client_id_with_snapshot"):
            command = [BIN / "tcsync-bench-replica", "receive", "--directory", tmp_path / client]
            command += ["--url", about["url"], "--client-id", about[client], "--secret", about["secret"]]
            reports[client] = json.loads(replicas.run(client, command))
    assert not reports["client_id"]["has_applied_snapshot"]
    assert reports["client_id"]["received_versions"] == 40
    assert reports["client_id_with_snapshot"]["has_applied_snapshot"]
    assert reports["client_id_with_snapshot"]["received_versions"] == 20


def test_wrong_tasks_are_detected(tmp_path):
    """If this fails, a replica that loses a property is measured as if it were right."""
    wanted = tmp_path / "tasks.json"
    with replicas.server(BIN, 4, 6, wanted) as about:
        replicas.tcsync(BIN).receive(tmp_path / "replica", about)
    tasks = json.loads(wanted.read_text())
    assert replicas.check_tasks("it", tmp_path / "replica", tasks)["tasks"] == 6
    first = next(iter(tasks))
    for wrong in ({**tasks, first: {**tasks[first], "entry": "1"}}, {**tasks, "more": {}}):
        with pytest.raises(replicas.WrongTasks, match="and 1 are wrong"):
            replicas.check_tasks("it", tmp_path / "replica", wrong)
    del tasks[first]
    with pytest.raises(replicas.WrongTasks, match="and 1 are wrong"):
        replicas.check_tasks("it", tmp_path / "replica", tasks)


def test_receive_over_latency_counts_the_requests_of_both_ways():
    """If this fails, the gain over a slow link cannot be measured again, or compares a way with itself."""
    done = run_script("receive-over-latency.sh", "--versions", 200, "--round-trip-ms", 1, "--build-dir", BIN.parent)
    assert done.returncode == 0, done.stderr
    requests = {name: int(count) for name, count in re.findall(r"(\w+): [\d.]+ s, (\d+) requests", done.stdout)}
    assert requests["one"] == 201
    assert requests["many"] < 20
    assert "200 versions over a relay with 1 ms for a round trip" in done.stdout


def test_ratios_are_those_of_each_round():
    """If this fails, a replica seems faster or slower than it is."""
    times = {
        "receive": {
            "tcsync": [{"seconds": 1, "cpu_seconds": 1}, {"seconds": 3, "cpu_seconds": 1}],
            "taskchampion": [{"seconds": 4, "cpu_seconds": 2}, {"seconds": 4, "cpu_seconds": 4}],
        }
    }
    summary = compare_replicas.summarize(times, "taskchampion")
    assert summary["receive"]["tcsync"]["seconds"] == {"median": 2, "to_baseline": (0.25, 0.5, 0.75)}
    assert summary["receive"]["tcsync"]["cpu_seconds"]["to_baseline"] == (0.25, 0.375, 0.5)
    assert "| receive | tcsync | 2.000 | 0.500 (0.250 to 0.750) |" in compare_replicas.table(summary, "taskchampion")


def test_a_missing_taskchampion_is_named():
    """If this fails, a comparison without its baseline is taken for a whole one."""
    done = run_script("compare-replicas.sh", "--python", sys.executable, "--build-dir", BIN.parent)
    assert done.returncode == 2
    assert "taskchampion-py" in done.stderr and not done.stdout
