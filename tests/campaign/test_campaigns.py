"""The campaigns can fail: they find a server that loses, changes or mixes up data, one that grows, one that leaves
everything to a crowd, and one that answers from an old copy; and a power cut takes writes that were not synced."""

import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import admin
import crowds
import failover
import report
import soak
import wire
from model import Broken, Client, Connection, payload
from patroni_cluster import LIMITLESS
from power import GROW, MAKE_DIRECTORY, OPEN, RENAME, SYNC, SYNC_DIRECTORY, UNLINK, WRITE, Disk


@pytest.fixture
def connection(start_server):
    connection = Connection(start_server().url)
    yield connection
    connection.close()


def client_with_history(connection, client_id=None):
    client, latest = Client(client_id), wire.NIL_VERSION
    for number in range(3):
        latest = client.append(connection, latest, payload(f"segment {number}", 100))
    client.store_snapshot(connection, latest, payload("snapshot", 100))
    return client, latest


class TestModel:
    """If one of these fails, the campaigns find no fault in any server."""

    def test_a_correct_history_passes(self, connection):
        client, latest = client_with_history(connection)
        assert client.compare(connection) == latest

    def test_a_deleted_client_is_detected(self, start_server):
        server = start_server()
        connection = Connection(server.url)
        client, _ = client_with_history(connection)
        assert admin.api(server, "DELETE", f"clients/{client.client_id}")[0] == 200
        with pytest.raises(Broken, match="3 acknowledged versions are lost"):
            client.compare(connection)

    def test_a_lost_end_is_detected(self, connection):
        client, latest = client_with_history(connection)
        client.acknowledged[latest] = ("00000000-0004-8000-8000-000000000001", "a digest")
        with pytest.raises(Broken, match="1 acknowledged versions are lost"):
            client.compare(connection)

    def test_changed_bytes_are_detected(self, connection):
        client, _ = client_with_history(connection)
        version_id, _ = client.acknowledged[wire.NIL_VERSION]
        client.acknowledged[wire.NIL_VERSION] = (version_id, "another digest")
        with pytest.raises(Broken, match="was acknowledged"):
            client.compare(connection)

    def test_another_snapshot_is_detected(self, connection):
        client, latest = client_with_history(connection)
        client.snapshots = [(latest, "another digest")]
        with pytest.raises(Broken, match="snapshot"):
            client.compare(connection)

    def test_a_version_that_was_never_sent_is_detected(self, connection):
        client, _ = client_with_history(connection)
        stranger = Client(client.client_id)
        stranger.unanswered = {wire.NIL_VERSION: {"a digest"}}
        with pytest.raises(Broken, match="was never sent"):
            stranger.compare(connection)

    def test_an_unanswered_version_may_be_stored_or_not(self, connection):
        client, latest = client_with_history(connection)
        _, hashed = client.acknowledged.pop(list(client.acknowledged)[-1])
        client.unanswered = {list(client.acknowledged.values())[-1][0]: {hashed}, latest: {"never arrived"}}
        assert client.compare(connection) == latest


class TestFailover:
    """If one of these fails, a cluster that forgets what it acknowledged passes, or one that does not is found."""

    PATIENCE_S = 30

    def load_on(self, server, monkeypatch):
        monkeypatch.setattr(failover, "PAUSE_S", 0.01)
        campaign = SimpleNamespace(seed=1, count=lambda name, by=1: None)
        return failover.Load(campaign, {"sync1": failover.Way("sync1", server.url)}, 1)

    def until(self, condition, load):
        """Whether the condition came true without a failure."""
        deadline = time.monotonic() + self.PATIENCE_S
        while time.monotonic() < deadline and not load.failures:
            if condition():
                return True
            time.sleep(0.02)
        return False

    def test_a_correct_server_passes(self, start_server, monkeypatch):
        load = self.load_on(start_server(*LIMITLESS), monkeypatch)
        with load:
            assert self.until(lambda: len(load.ways["sync1"].acknowledged_at) > 50, load)
        assert not load.failures

    def test_an_old_copy_is_detected(self, start_server, monkeypatch):
        load = self.load_on(start_server(*LIMITLESS), monkeypatch)
        with load:
            assert self.until(lambda: all(client.acknowledged for client in load.clients()), load)
            old_copy = start_server(*LIMITLESS)
            for connection in load.connections:
                connection.move(old_copy.url)
            self.until(lambda: False, load)
        with pytest.raises(Broken):
            load.raise_failure()

    def test_a_lost_answer_is_detected(self, start_server, monkeypatch):
        server = start_server(*LIMITLESS)
        load = self.load_on(server, monkeypatch)
        with load:
            assert self.until(lambda: load.ways["sync1"].acknowledged_at, load)
            server.kill()
            self.until(lambda: False, load)
        with pytest.raises(Broken, match="no answer"):
            load.raise_failure()

    def test_the_longest_gap_begins_and_ends_within_the_bounds(self):
        assert failover.longest_gap([], 10, 14) == 4
        assert failover.longest_gap([9, 11, 13.5], 10, 14) == 2.5
        assert failover.longest_gap([10.5, 11], 10, 14) == 3
        assert failover.longest_gap([7, 15], 10, 14) == 7  # of the last write before them as well


PRIVATE_NETWORK_PROGRAM = """
import socket, subprocess, sys, time
sys.path.insert(0, {here!r})
import private_network

problem = private_network.enter()
if problem:
    print(problem, flush=True)
    sys.exit(77)
private_network.add_address("10.0.0.9")
machine = private_network.Machine("one", "10.0.0.1")
subprocess.Popen([*machine.entering, {python!r}, "-m", "http.server", "--bind", "10.0.0.1", "8000"], stderr=subprocess.DEVNULL,
                 stdout=subprocess.DEVNULL)

def answers():
    try:
        socket.create_connection(("10.0.0.1", 8000), timeout=0.5).close()
    except OSError:
        return False
    return True

def wait_for(expected):
    while answers() != expected:
        time.sleep(0.05)

wait_for(True)
machine.cut()
wait_for(False)
machine.mend()
wait_for(True)
subprocess.Popen([*machine.entering, "sleep", {seconds!r}])
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has network namespaces")
class TestPrivateNetwork:
    """If one of these fails, machines are not cut off, or a killed test run leaves a cluster behind."""

    SECONDS = f"{600 + os.getpid() / 1e7:.7f}"  # by which its process is known

    def wait_for_leftovers(self, are_expected):
        deadline = time.monotonic() + 30
        while bool(self.leftovers()) != are_expected:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def leftovers(self):
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.SECONDS.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(entry.name)
            except OSError:  # it has ended
                continue
        return found

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_machines_can_be_cut_off_and_all_processes_end_with_the_first(self, number, tmp_path):
        program = tmp_path / "program.py"
        here = str(Path(report.__file__).parent)
        text = PRIVATE_NETWORK_PROGRAM.format(here=here, python=sys.executable, seconds=self.SECONDS)
        program.write_text(text, encoding="utf-8")
        with subprocess.Popen([sys.executable, "-B", program], stdout=subprocess.PIPE, text=True) as process:
            line = process.stdout.readline().strip()
            if line != "ready":
                assert process.wait(60) == 77 and os.environ.get("CI") != "true", line
                pytest.skip(line)
            try:
                # A process that has just been started has no arguments for a moment.
                self.wait_for_leftovers(True)
            finally:
                process.send_signal(number)
            process.wait(60)
        self.wait_for_leftovers(False)


class Always(random.Random):
    """Lets a power cut take all that it may, or nothing."""

    def __init__(self, outcome):
        super().__init__(0)
        self._outcome = outcome

    def choice(self, options):
        return min(options) if self._outcome == "nothing" else max(options)

    def random(self):
        return 0.9


def disk_with(*records, has_journal=False):
    disk = Disk("/disk", has_journal)
    for kind, path, data, inode, offset in records:
        disk.replay(kind, path, data, inode, offset)
    return disk


CREATED = (
    (MAKE_DIRECTORY, "/disk/data", b"", 0, 0),
    (SYNC_DIRECTORY, "/disk", b"", 1, 0),
    (OPEN, "/disk/data/log", b"", 7, 1),
)


class TestDisk:
    """If one of these fails, the images of power cuts are kinder or crueller than power cuts."""

    def files(self, disk, tmp_path, outcome):
        place = tmp_path / outcome
        disk.image(place, Always(outcome))
        return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}

    def test_synced_data_survives_a_power_cut(self, tmp_path):
        disk = disk_with(*CREATED, (SYNC_DIRECTORY, "/disk/data", b"", 2, 0), (WRITE, "", b"synced", 7, 0), (SYNC, "", b"", 7, 0),
                         (WRITE, "", b" and more", 7, 6))  # fmt: skip
        assert self.files(disk, tmp_path, "nothing") == {"data/log": b"synced"}
        assert self.files(disk, tmp_path, "everything") == {"data/log": b"synced and more"}

    def test_a_name_survives_only_once_its_directory_was_synced(self, tmp_path):
        synced = (*CREATED, (WRITE, "", b"synced", 7, 0), (SYNC, "", b"", 7, 0))
        assert self.files(disk_with(*synced), tmp_path, "nothing") == {}
        assert self.files(disk_with(*synced, has_journal=True), tmp_path / "journal", "nothing") == {
            "data/log": b"synced"
        }

    def test_an_unsynced_rename_is_complete_or_absent(self, tmp_path):
        disk = disk_with(*CREATED, (WRITE, "", b"new", 7, 0), (SYNC, "", b"", 7, 0), (OPEN, "/disk/data/CURRENT", b"", 8, 1),
                         (WRITE, "", b"old", 8, 0), (SYNC, "", b"", 8, 0), (SYNC_DIRECTORY, "/disk/data", b"", 2, 0),
                         (RENAME, "/disk/data/log", b"/disk/data/CURRENT", 0, 0))  # fmt: skip
        assert self.files(disk, tmp_path, "nothing") == {"data/log": b"new", "data/CURRENT": b"old"}
        assert self.files(disk, tmp_path, "everything") == {"data/CURRENT": b"new"}

    def test_a_reused_inode_is_not_the_removed_file(self, tmp_path):
        disk = disk_with(*CREATED, (WRITE, "", b"old", 7, 0), (SYNC, "", b"", 7, 0), (SYNC_DIRECTORY, "/disk/data", b"", 2, 0),
                         (UNLINK, "/disk/data/log", b"", 0, 0), (SYNC_DIRECTORY, "/disk/data", b"", 2, 0),
                         (OPEN, "/disk/data/next", b"", 7, 1), (GROW, "", b"", 7, 4), (SYNC, "", b"", 7, 0),
                         (SYNC_DIRECTORY, "/disk/data", b"", 2, 0))  # fmt: skip
        assert self.files(disk, tmp_path, "nothing") == {"data/next": bytes(4)}


def samples_of(seconds, **changed):
    """The soak test's samples of a server that stays as it is. `changed`: functions of the time in seconds."""
    flat = {"memory_mib": 50, "descriptors": 40, "threads": 12, "disk_mib": 60, "versions": 800, "p50_ms": 4,
            "p99_ms": 40}  # fmt: skip
    times = range(0, seconds, 5)
    return [{"seconds": at, **flat, **{key: value_at(at) for key, value_at in changed.items()}} for at in times]


class TestSoak:
    """If one of these fails, a server that leaks for hours passes, or one that does not is found."""

    def test_constant_figures_pass(self):
        soak.judge(samples_of(300))
        soak.judge(samples_of(3600, memory_mib=lambda at: min(at, 100), p99_ms=lambda at: 40 if at else None))

    @pytest.mark.parametrize("key", ["memory_mib", "descriptors", "threads", "disk_mib", "p50_ms", "p99_ms"])
    def test_growing_figures_are_detected(self, key):
        with pytest.raises(Broken, match=f"{key} grows"):
            soak.judge(samples_of(3600, **{key: lambda at: 10 + at / 5}))

    def test_a_falling_rate_of_versions_is_detected(self):
        with pytest.raises(Broken, match="p50_ms: nothing was sampled"):
            soak.judge(samples_of(3600, p50_ms=lambda at: 4 if at < 1800 else None))
        with pytest.raises(Broken, match="fewer versions"):
            soak.judge(samples_of(3600, versions=lambda at: 800 if at < 1800 else 3))


class TestReport:
    """If one of these fails, a campaign that died, or that was skipped, looks like one that found nothing."""

    def report_of(self, tmp_path, capsys, name, body):
        program = tmp_path / f"{name}.py"
        here = str(Path(report.__file__).parent)
        program.write_text(f"import os, sys\nsys.path.insert(0, {here!r})\nimport campaign\n"
                           f"def main(run):\n    {body}\ncampaign.run(None, main)\n", encoding="utf-8")  # fmt: skip
        command = [sys.executable, "-B", program, "--report", tmp_path / f"{name}.json", "--keep", tmp_path]
        environment = {key: value for key, value in os.environ.items() if key != "CI"}
        done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
        report.main(tmp_path, name)
        return done.returncode, capsys.readouterr().out.splitlines()[2:]

    def test_a_campaign_without_findings_passes(self, tmp_path, capsys):
        status, lines = self.report_of(tmp_path, capsys, "quiet", "run.count('kills', 1000)")
        assert status == 0 and len(lines) == 1
        assert "kills: 1,000 | 0 |" in lines[0] and "not ended" not in lines[0]

    def test_a_killed_campaign_is_shown_as_not_ended(self, tmp_path, capsys):
        status, lines = self.report_of(tmp_path, capsys, "killed", "os.kill(os.getpid(), 9)")
        assert status == -9 and "not ended" in lines[0]

    def test_a_campaign_without_a_report_is_shown_as_not_ended(self, tmp_path, capsys):
        report.main(tmp_path, "absent")
        assert "| absent |" in (text := capsys.readouterr().out) and "not ended" in text

    def test_a_campaign_without_its_prerequisites_is_skipped(self, tmp_path, capsys):
        status, lines = self.report_of(tmp_path, capsys, "lacking", "raise campaign.Missing('no tool')")
        assert status == 77 and "skipped: no tool" in lines[0]

    @pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="only Linux has another file system at a known place")
    def test_a_finding_is_kept_on_another_file_system_without_its_sockets(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setenv("TMPDIR", "/dev/shm")
        body = (
            "import socket\n    with run.round() as directory:\n"
            "        (directory / 'evidence').write_text('bytes')\n"
            "        socket.socket(socket.AF_UNIX).bind(str(directory / 'admin.sock'))\n"
            "        raise KeyError('a name')"
        )
        status, lines = self.report_of(tmp_path, capsys, "lost", body)
        assert status == 1 and "the campaign itself" not in lines[2]
        (evidence,) = tmp_path.rglob("evidence")
        assert [path.name for path in evidence.parent.iterdir()] == ["evidence"]

    def test_an_exception_of_a_campaign_is_a_finding(self, tmp_path, capsys):
        status, lines = self.report_of(tmp_path, capsys, "broken", "raise KeyError('a name')")
        assert status == 1 and lines[0].endswith("| 1 |") and "**broken, the campaign itself**" in lines[2]


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="only Linux has the epoll that holds the crowds' connections")
class TestCrowds:
    """If one of these fails, a server that leaves everything to a crowd passes."""

    # Heads that are never completed take all places, and each of them is held for longer than a test takes.
    PLACES = 100
    HELD = ("--header-timeout", "600000")

    def attempt(self, start_server, *flags, holder_class=crowds.Holder):
        server = start_server("--connections-max", str(self.PLACES), *self.HELD, *flags)
        holder = holder_class("heads", crowds.ONE, crowds.address_of(server.url), 2 * self.PLACES, "no client")
        campaign = SimpleNamespace(figures={}, seconds=1, count=lambda name, by=1: None)
        crowds.try_crowd(campaign, server, "heads", holder, crowds.Stranger(server.url), 0)

    def test_a_server_with_shares_passes(self, start_server):
        self.attempt(start_server)

    def test_a_server_without_shares_is_detected(self, start_server):
        """Proxies that are trusted have no shares."""
        with pytest.raises(AssertionError, match="requests failed"):
            self.attempt(start_server, "--trusted-proxy", "127.0.0.0/8")

    def test_excessive_memory_is_detected(self, start_server, monkeypatch):
        monkeypatch.setattr(crowds, "BUDGET_MB", 10)
        with pytest.raises(AssertionError, match="too much memory"):
            self.attempt(start_server)

    def test_a_missing_crowd_is_detected(self, start_server):
        class DyingHolder(crowds.Holder):
            def __enter__(self):
                super().__enter__()
                self.__exit__()
                return self

        with pytest.raises(AssertionError, match="ended by itself"):
            self.attempt(start_server, holder_class=DyingHolder)

    def test_a_dead_server_is_detected(self):
        with subprocess.Popen(["true"]) as process:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with pytest.raises(AssertionError, match="the server has ended"):
                crowds.peak_megabytes(process.pid)
