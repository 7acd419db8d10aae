"""Backups, restoring, verifying and pruning, with a server that serves meanwhile."""

import contextlib
import json
import os
import re
import threading
import time
import uuid

import admin
import pytest
import wire

DAY_S = 86400


def import_old_client(data_dir, client_id, version_count, newest_age_days, snapshot_number):
    """A client with one version a day, whose newest is of some days ago; returns the version IDs.

    Its replicas had all of them on that day.
    """
    now = int(time.time())
    lines = [{"type": "client", "client_id": client_id, "created": now - 3000 * DAY_S, "replicas_follow": True}]
    ids = [str(uuid.uuid4()) for _ in range(version_count)]
    times = [now - (newest_age_days + version_count - 1 - number) * DAY_S for number in range(version_count)]
    for number, (version_id, appended) in enumerate(zip(ids, times, strict=True)):
        parent_id = ids[number - 1] if number else wire.NIL_VERSION
        lines.append({"type": "version", "version_id": version_id, "parent_version_id": parent_id,
                      "appended": appended, "segment": "c2VhbGVk"})  # fmt: skip
    if snapshot_number:
        lines.append({"type": "snapshot", "version_id": ids[snapshot_number - 1],
                      "stored": times[snapshot_number - 1], "snapshot": "c25hcHNob3Q="})  # fmt: skip
    position = {"day": times[-1], "version_id": ids[-1]}
    lines.append({"type": "replicas", "positions": [position], "ahead": [], "accepts_diverged": False})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    done = admin.run_with_input(data_dir, text, "clients", "import")
    assert done.returncode == 0, done.stderr
    return ids


class Load:
    """Clients that append for as long as this is entered."""

    def __init__(self, url, count=4):
        self.ids = [str(uuid.uuid4()) for _ in range(count)]
        self.appended = {client_id: [] for client_id in self.ids}
        self._url = url
        self._stop = threading.Event()
        self._failures = []
        self._threads = [threading.Thread(target=self._append, args=(client_id,)) for client_id in self.ids]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self._failures, self._failures

    def wait_for_more(self):
        """Returns when every client has appended since this was called."""
        before = {client_id: len(self.appended[client_id]) for client_id in self.ids}
        deadline = time.monotonic() + 60
        while any(len(self.appended[client_id]) <= count for client_id, count in before.items()):
            assert time.monotonic() < deadline and not self._failures, self._failures
            time.sleep(0.01)

    def _append(self, client_id):
        parent_id = wire.NIL_VERSION
        while not self._stop.is_set():
            answer = wire.add_version(self._url, client_id, parent_id, os.urandom(2000))
            if answer.status != 200:
                self._failures.append(answer)
                return
            parent_id = answer.headers["X-Version-Id"]
            self.appended[client_id].append(parent_id)


class TestBackup:
    def test_a_backup_under_load_can_be_restored(self, server, start_server, tmp_path):
        """If this fails, a backup lacks acknowledged data, or making it disturbs users who sync."""
        backups, restored = tmp_path / "backups", tmp_path / "restored"
        with Load(server.url) as load:
            load.wait_for_more()
            known = {client_id: list(ids) for client_id, ids in load.appended.items()}
            first = admin.as_json(server.data_dir, "backup", backups)
            load.wait_for_more()
            second = admin.as_json(server.data_dir, "backup", backups)
        assert (first["backup"], second["backup"]) == (1, 2)
        assert [backup["backup"] for backup in admin.as_lines(server.data_dir, "backups", backups)] == [1, 2]

        line = admin.refusal(restored, "restore", backups, status=2)
        assert "--yes" in line and not restored.exists()
        assert admin.as_json(restored, "restore", backups, "--backup", "1", "--yes")["backup"] == 1
        verified = admin.as_json(restored, "verify")
        assert verified["clients"] == 4 and verified["problems"] == [] and verified["files_problem"] is None
        other = start_server(data_dir=restored)
        for client_id, ids in known.items():
            found = [version.version_id for version in wire.history(other.url, client_id)]
            # Everything that was acknowledged before, nothing that was never there, and no gap.
            assert found[: len(ids)] == ids and found == load.appended[client_id][: len(found)]

    def test_the_drill_verifies_the_backups(self, server, tmp_path):
        """If this fails, an operator learns that the backups are no good on the day that they are needed."""
        admin.add_chain(server.url, str(uuid.uuid4()), 3)
        backups, temporary = tmp_path / "backups", tmp_path / "temporary"
        temporary.mkdir()
        admin.succeed(server.data_dir, "backup", backups)
        drill = json.loads(
            admin.succeed(server.data_dir, "restore", "--drill", backups, "--json", TMPDIR=str(temporary))
        )
        assert drill["backup"]["backup"] == 1
        assert (drill["verification"]["clients"], drill["verification"]["versions"]) == (1, 3)
        assert not any(temporary.iterdir())
        # A table file that lost a bit.
        for path in sorted(backups.rglob("*.sst")):
            damaged = bytearray(path.read_bytes())
            damaged[len(damaged) // 2] ^= 1
            path.chmod(0o600)
            path.write_bytes(damaged)
        admin.refusal(server.data_dir, "restore", "--drill", backups, TMPDIR=str(temporary))
        assert not any(temporary.iterdir())

    def test_only_the_latest_backups_are_kept(self, server, tmp_path):
        """If this fails, backups fill the disk."""
        server.stop()
        for number in (1, 2, 3):
            made = admin.as_json(server.data_dir, "backup", tmp_path / "backups", "--keep", "2")
            assert made["backup"] == number
        listed = admin.as_lines(server.data_dir, "backups", tmp_path / "backups")
        assert [backup["backup"] for backup in listed] == [2, 3]

    def test_impossible_restores_are_refused(self, server, tmp_path):
        """If this fails, restoring overwrites data, or a mistake gets a riddle."""
        admin.add_chain(server.url, str(uuid.uuid4()), 1)
        backups = tmp_path / "backups"
        admin.succeed(server.data_dir, "backup", backups)
        assert str(server.data_dir) in admin.refusal(server.data_dir, "restore", backups, "--yes")
        server.stop()
        assert str(server.data_dir) in admin.refusal(server.data_dir, "restore", backups, "--yes")
        assert len(admin.as_lines(server.data_dir, "clients", "list")) == 1
        assert "7" in admin.refusal(tmp_path / "new", "restore", backups, "--backup", "7", "--yes")
        assert "nowhere" in admin.refusal(tmp_path / "new", "restore", tmp_path / "nowhere", "--yes")
        assert "nowhere" in admin.refusal(tmp_path / "new", "backups", tmp_path / "nowhere")
        assert not (tmp_path / "new").exists()


class TestJobs:
    def test_a_backup_through_the_api_is_a_job(self, server, tmp_path):
        """If this fails, a program cannot make backups through the API."""
        status, started = admin.api(server, "POST", "backups", {"directory": str(tmp_path / "backups"), "keep": 3})
        assert status == 202
        deadline = time.monotonic() + 60
        job = {}
        while job.get("state") not in ("done", "failed", "cancelled"):
            assert time.monotonic() < deadline
            status, job = admin.api(server, "GET", f"jobs/{started['job']}")
            assert status == 200
        assert (job["state"], job["kind"], job["result"]["backup"]) == ("done", "backup", 1)
        assert admin.api(server, "GET", "jobs")[1]["jobs"] == [job]

    def test_a_failed_job_reports_its_reason(self, server, tmp_path):
        """If this fails, a backup that could not be made looks like one that was."""
        (tmp_path / "file").write_text("", encoding="utf-8")
        line = admin.refusal(server.data_dir, "backup", tmp_path / "file" / "backups")
        assert str(tmp_path / "file") in line


@pytest.mark.usefixtures("each_storage")
class TestVerify:
    def test_intact_data_has_no_findings(self, server):
        """If this fails, verify says nothing about good data, or is afraid of it."""
        ids = [str(uuid.uuid4()) for _ in range(2)]
        for client_id in ids:
            admin.add_chain(server.url, client_id, 2)
        assert "intact" in admin.succeed(server.data_dir, "verify")
        assert "intact" in admin.succeed(server.data_dir, "verify", ids[0])
        assert "0f0f0f0f" in admin.refusal(server.data_dir, "verify", "0f0f0f0f-0000-4000-8000-000000000001")
        server.stop()
        assert admin.as_json(server.data_dir, "verify")["versions"] == 4

    def test_a_history_that_a_new_computer_cannot_start_from_is_reported(self, server, tmp_path):
        """If this fails, an operator does not learn of a history that a new computer cannot read from its beginning."""
        client_id = str(uuid.uuid4())
        line = {"type": "version", "version_id": str(uuid.uuid4()), "parent_version_id": str(uuid.uuid4()),
                "segment": "c2VhbGVk"}  # fmt: skip
        text = json.dumps({"type": "client", "client_id": client_id}) + "\n" + json.dumps(line) + "\n"
        assert admin.run_with_input(server.data_dir, text, "clients", "import").returncode == 0
        verified = admin.as_json(server.data_dir, "verify")
        (note,) = verified["notes"]
        assert note["client_id"] == client_id and note["new_replica_cannot_start"]
        assert verified["problems"] == []


@pytest.mark.usefixtures("each_storage")
class TestPrune:
    @pytest.fixture(params=["served", "alone"])
    def target(self, request, start_server):
        """A server that removes versions older than its snapshot by 30 days and 5 versions."""
        server = start_server("--retention-days", "30", "--retention-versions", "5", "--replica-seen-days", "20")
        if request.param == "alone":
            server.stop()
        return server

    flags = ("--retention-days", "30", "--retention-versions", "5", "--replica-seen-days", "20")

    def test_removes_old_versions(self, target):
        """If this fails, the disk fills for ever, or a replica loses versions that it needs."""
        client_id, without = str(uuid.uuid4()), str(uuid.uuid4())
        ids = import_old_client(target.data_dir, client_id, 100, newest_age_days=0, snapshot_number=90)
        import_old_client(target.data_dir, without, 100, newest_age_days=0, snapshot_number=0)
        dry = admin.as_json(target.data_dir, "prune", "--dry-run", *self.flags)
        # Number 90 was stored with the snapshot; number 60 is 30 days older to the day, so it stays.
        assert (dry["versions"], dry["idle_clients"], dry["bytes"]) == (59, 0, 59 * len(b"sealed"))
        assert [client["client_id"] for client in dry["clients"]] == [client_id]
        assert "--yes" in admin.refusal(target.data_dir, "prune", *self.flags, status=2)
        summary = admin.as_json(target.data_dir, "clients", "show", client_id)
        assert summary["first_number"] == 1
        pruned = admin.as_json(target.data_dir, "prune", "--yes", *self.flags)
        assert {**pruned, "dry_run": True} == dry
        summary = admin.as_json(target.data_dir, "clients", "show", client_id)
        assert (summary["first_number"], summary["versions"]) == (60, 41)
        assert admin.as_json(target.data_dir, "clients", "show", without)["versions"] == 100
        assert admin.as_json(target.data_dir, "verify")["problems"] == []
        assert admin.as_json(target.data_dir, "prune", "--yes", *self.flags)["versions"] == 0
        if target.pid_or_none() is None:
            target.start()
        # A new computer starts from the snapshot; an old one continues from the kept versions.
        assert wire.get_snapshot(target.url, client_id).headers["X-Version-Id"] == ids[89]
        assert len(wire.history(target.url, client_id, ids[89])) == 10
        assert len(wire.history(target.url, client_id, ids[58])) == 41

    def test_removes_idle_clients(self, target):
        """If this fails, clients that nobody uses stay for ever, or ones in use are removed."""
        idle, used = str(uuid.uuid4()), str(uuid.uuid4())
        import_old_client(target.data_dir, idle, 3, newest_age_days=400, snapshot_number=0)
        import_old_client(target.data_dir, used, 3, newest_age_days=300, snapshot_number=0)
        assert admin.as_json(target.data_dir, "prune", "--dry-run", *self.flags)["clients"] == []
        flags = (*self.flags, "--idle-client-days", "365")
        dry = admin.as_json(target.data_dir, "prune", "--dry-run", *flags)
        assert (dry["idle_clients"], dry["versions"]) == (1, 0)
        assert "idle" in admin.succeed(target.data_dir, "prune", "--yes", *flags)
        assert [client["client_id"] for client in admin.as_lines(target.data_dir, "clients", "list")] == [used]


def stderr_at_a_terminal(data_dir, *arguments):
    """The standard error of a command that succeeds, when that is a terminal."""
    shown = b""
    with admin.at_a_terminal(data_dir, *arguments) as (process, person):
        # Reading fails once no process has the terminal open.
        with contextlib.suppress(OSError):
            while more := os.read(person, 10_000):
                shown += more
        assert process.wait(admin.COMMAND_TIMEOUT_S) == 0, shown
    return shown.decode()


def test_progress_is_shown_at_a_terminal(server, tmp_path):
    """If this fails, a person waits for a long job without a sign of life, or a log is full of bars."""
    admin.add_chain(server.url, str(uuid.uuid4()), 3)
    backups, restored, exported = tmp_path / "backups", tmp_path / "restored", tmp_path / "exported"
    for name, *arguments in (
        ("backup", "backup", backups),
        ("verify", "verify"),
        ("looking", "prune", "--dry-run"),
        ("export", "clients", "export", "--all", "--output", exported),
        ("restore", "restore", "--drill", backups),
    ):
        shown = stderr_at_a_terminal(server.data_dir, *arguments)
        assert re.search(rf"\r\x1b\[K{name} (\[#* *\] +\d+ %|\.\.\.)", shown), (arguments, shown)
        assert shown.endswith("\r\x1b[K"), "the line stays there"
    for name, *arguments in (
        ("restore", "restore", backups, "--yes"),
        ("import", "clients", "import", exported, "--yes"),
    ):
        shown = stderr_at_a_terminal(restored, *arguments)
        assert re.search(rf"\r\x1b\[K{name} \[", shown), (arguments, shown)
