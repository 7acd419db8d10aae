"""Removed data gives its bytes back to the cap and to the disk, and nobody can read it there any more."""

import json
import os
import shutil
import subprocess
import threading
import time
import uuid

import admin
import pytest
import wire
from support import wait_until

MIB = 1 << 20


def bytes_with_marker(size):
    """Bytes with a text in them that is nowhere else, and the text."""
    marker = f"marker {uuid.uuid4()}".encode()
    noise = os.urandom(size)
    return marker + noise[: size - 2 * len(marker)] + marker, marker


def files_with(directory, markers):
    """The files below a directory that have one of these in them: the search of a thief of the disk."""
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            found += [f"{path}: {marker.decode()}" for marker in markers if marker in content]
    return found


def add_marked_client(url):
    """A client with everything in every size, and the markers in it."""
    client_id, parent_id, markers = str(uuid.uuid4()), wire.NIL_VERSION, []
    for size in (500, 17_000, 20_480, MIB):
        segment, marker = bytes_with_marker(size)
        answer = wire.add_version(url, client_id, parent_id, segment)
        assert answer.status == 200, answer
        parent_id = answer.headers["X-Version-Id"]
        markers.append(marker)
        snapshot, marker = bytes_with_marker(size + 1)
        assert wire.add_snapshot(url, client_id, parent_id, snapshot).status == 200
        markers.append(marker)
    return client_id, markers


def bytes_in(directory):
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # removed at this moment
    return total


def upload_until_refused(url, client_id, size, limit=1000):
    """Uploads until 507; returns how many versions were taken."""
    parent_id = wire.NIL_VERSION
    for number in range(limit):
        answer = wire.add_version(url, client_id, parent_id, os.urandom(size))
        if answer.status == 507:
            return number
        assert answer.status == 200, answer
        parent_id = answer.headers["X-Version-Id"]
    raise AssertionError(f"{limit} versions were taken")


class TestTotalCap:
    def test_deleting_a_client_frees_its_bytes_under_the_cap(self, start_server):
        """If this fails, a stranger who fills the server once has stopped it for all users and for ever."""
        server = start_server("--total-bytes-max", "5M")
        stranger, owner = str(uuid.uuid4()), str(uuid.uuid4())
        admin.add_chain(server.url, owner, 3)
        for restarts in (False, True):
            # One upload at a time: the one that passes the cap is the last.
            taken = upload_until_refused(server.url, stranger, 100_000)
            assert 45 <= taken <= 53
            latest = wire.history(server.url, owner)[-1].version_id
            assert wire.add_version(server.url, owner, latest).status == 507
            server.restart()
            assert wire.add_version(server.url, owner, latest).status == 507, "a restart makes room of nothing"
            if restarts:
                server.stop()
            admin.succeed(server.data_dir, "clients", "delete", stranger, "--yes")
            if restarts:
                server.start()
            # At once: nothing is waited for.
            assert wire.add_version(server.url, owner, latest).status == 200
            stats = admin.as_json(server.data_dir, "stats")
            assert stats["live_bytes"] < 2_000
            assert bytes_in(server.data_dir / "rocksdb") - stats["backend"]["rocksdb_log_bytes"] < MIB

    def test_only_running_uploads_may_exceed_the_cap(self, start_server):
        """If this fails, a crowd exceeds the cap by its uploads between two looks at the disk."""
        server = start_server(
            "--total-bytes-max", "2M", "--body-bytes-max", "1M", "--bodies-in-flight-bytes-max", "4M",
            "--address-requests-per-second", "0",
        )  # fmt: skip
        stop = threading.Event()

        def upload():
            client_id, parent_id = str(uuid.uuid4()), wire.NIL_VERSION
            while not stop.is_set():
                answer = wire.add_version(server.url, client_id, parent_id, os.urandom(500_000))
                if answer.status == 507:
                    return
                assert answer.status in (200, 503), answer  # too many at once
                parent_id = answer.headers.get("X-Version-Id", parent_id)

        threads = [threading.Thread(target=upload) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        stop.set()
        assert not any(thread.is_alive() for thread in threads)
        assert admin.as_json(server.data_dir, "stats")["live_bytes"] <= 6 * MIB + 10_000
        # Simultaneous ones may all be refused, for the room that they take together. One alone is refused only when
        # there is no room for all of its bytes.
        upload_until_refused(server.url, str(uuid.uuid4()), 500_000)
        assert admin.as_json(server.data_dir, "stats")["live_bytes"] >= 2 * MIB - 501_000


class TestErasure:
    def test_erases_every_byte_and_names_the_backups(self, server, tmp_path):
        """If this fails, an operator tells a user that everything is gone, and it is not."""
        first, second = tmp_path / "first", tmp_path / "second"
        client_id, markers = add_marked_client(server.url)
        other_id, other_markers = add_marked_client(server.url)
        admin.succeed(server.data_dir, "backup", first)
        admin.succeed(server.data_dir, "backup", first)
        # Made for another directory than those that are remembered: a copy.
        shutil.copytree(first, second)
        for _ in range(30):
            admin.add_chain(server.url, str(uuid.uuid4()), 20)
        assert files_with(server.data_dir, markers), "there is nothing to be erased"
        deleted = admin.as_json(server.data_dir, "clients", "delete", client_id, "--yes", "--backups", second)
        assert files_with(server.data_dir, markers) == []
        assert {(b["directory"], b["backup"]) for b in deleted["backups"]} == {
            (str(first), 1), (str(first), 2), (str(second), 1), (str(second), 2)
        }  # fmt: skip
        assert deleted["problems"] == [] and not deleted["backups_removed"]
        assert deleted["compaction"]["bytes_after"] < deleted["compaction"]["bytes_before"]

        # A later backup has nothing of it, and is none of those that must go.
        admin.succeed(server.data_dir, "backup", first)
        admin.succeed(server.data_dir, "backups", first, "--remove", "1,2", "--yes")
        assert [b["backup"] for b in admin.as_lines(server.data_dir, "backups", first)] == [3]
        assert files_with(first, markers) == []
        # The other client's are where they were, on the server and in the backup.
        assert len(wire.history(server.url, other_id)) == 4
        drill = json.loads(admin.succeed(server.data_dir, "restore", "--drill", first, "--json"))
        assert drill["verification"]["problems"] == []
        assert files_with(second, markers) and len(files_with(first, other_markers)) >= 5

    def test_the_advice_of_the_command_works(self, server, tmp_path):
        """If this fails, the cure that it names does not work."""
        client_id, markers = add_marked_client(server.url)
        backups = tmp_path / "backups"
        admin.succeed(server.data_dir, "backup", backups)
        server.stop()
        output = admin.succeed(server.data_dir, "clients", "delete", client_id, "--yes")
        assert f"{client_id} is deleted" in output and "These backups still have them" in output
        advice = next(line for line in output.splitlines() if "--remove" in line).split("tcsync-server ")[1].split()
        assert advice == ["backups", str(backups), "--remove", "1"]
        line = admin.refusal(server.data_dir, *advice, status=2)
        assert "--yes" in line and files_with(backups, markers)
        for numbers in ("7", "1,7"):
            assert "no backup 7" in admin.refusal(server.data_dir, "backups", backups, "--remove", numbers, "--yes")
        assert files_with(backups, markers), "a part was removed"
        admin.succeed(server.data_dir, *advice, "--yes")
        assert files_with(backups, markers) == []
        for nonsense in ("0", "one", "1,,2", "-1"):
            admin.refusal(server.data_dir, "backups", backups, f"--remove={nonsense}", "--yes", status=2)

    def test_removes_the_backups_on_request(self, server, tmp_path):
        """If this fails, one step of an erasure is forgotten."""
        backups = tmp_path / "backups"
        kept = str(uuid.uuid4())
        admin.add_chain(server.url, kept, 2)
        admin.succeed(server.data_dir, "backup", backups)
        clients = [add_marked_client(server.url) for _ in range(2)]
        markers = [marker for _, its_markers in clients for marker in its_markers]
        admin.succeed(server.data_dir, "backup", backups)
        ids = [client_id for client_id, _ in clients]
        deleted = admin.as_json(server.data_dir, "clients", "delete", *ids, "--yes", "--remove-backups")
        assert deleted["deleted"] == ids and deleted["backups_removed"]
        assert [b["backup"] for b in admin.as_lines(server.data_dir, "backups", backups)] == [1]
        assert files_with(server.data_dir, markers) + files_with(backups, markers) == []
        assert len(wire.history(server.url, kept)) == 2

    def test_an_erasure_is_completed_after_a_kill(self, start_server):
        """If this fails, the bytes of a client that was deleted just before a crash stay for ever."""
        server = start_server()
        client_id, markers = add_marked_client(server.url)
        status, answer = admin.api(server, "DELETE", f"clients/{client_id}")
        assert status == 200 and answer["deleted"]
        server.kill()
        # The next removal makes both go, even after the kill.
        server.start()
        other_id, other_markers = add_marked_client(server.url)
        admin.succeed(server.data_dir, "clients", "delete", other_id, "--yes")
        assert files_with(server.data_dir, markers + other_markers) == []


class TestCompact:
    @pytest.mark.parametrize("running", [True, False])
    def test_a_compaction_frees_the_bytes_of_replaced_snapshots(self, server, running):
        """If this fails, an operator whose disk fills up with dead bytes cannot free it."""
        client_id, parent_id = str(uuid.uuid4()), wire.NIL_VERSION
        for _ in range(12):
            answer = wire.add_version(server.url, client_id, parent_id, os.urandom(100))
            parent_id = answer.headers["X-Version-Id"]
            assert wire.add_snapshot(server.url, client_id, parent_id, os.urandom(MIB)).status == 200
        if not running:
            server.stop()
        compacted = admin.as_json(server.data_dir, "compact")
        # The command opens the database itself otherwise, which leaves out removed records of the log.
        assert compacted["bytes_before"] > 10 * MIB or not running
        stats = admin.as_json(server.data_dir, "stats")
        assert MIB <= stats["live_bytes"] < 2 * MIB
        files = stats["backend"]["rocksdb_table_file_bytes"] + stats["backend"]["rocksdb_blob_file_bytes"]
        assert files < 2 * MIB
        assert admin.as_json(server.data_dir, "verify")["problems"] == []

    def test_clients_are_served_during_a_compaction(self, server):
        """If this fails, making room stops the service."""
        owner = str(uuid.uuid4())
        for _ in range(3):
            add_marked_client(server.url)
        done = threading.Event()
        compaction = threading.Thread(target=lambda: (admin.succeed(server.data_dir, "compact"), done.set()))
        compaction.start()
        parent_id, versions = wire.NIL_VERSION, 0
        while not done.is_set() or versions == 0:
            answer = wire.add_version(server.url, owner, parent_id, os.urandom(1000))
            assert answer.status == 200, answer
            parent_id, versions = answer.headers["X-Version-Id"], versions + 1
        compaction.join(60)
        assert len(wire.history(server.url, owner)) == versions


class TestFigures:
    def test_the_time_of_the_last_backup_survives_a_restart(self, start_server, tmp_path):
        """If this fails, the nightly backup stops unnoticed."""
        server = start_server("--metrics-listen", "unix:" + str(tmp_path / "metrics.sock"))

        def metric(name):
            page = wire.request(f"unix:{tmp_path}/metrics.sock", "GET", "/metrics").body.decode()
            return float(next(line.split()[1] for line in page.splitlines() if line.startswith(name + " ")))

        assert metric("tcsync_last_backup_timestamp_seconds") == 0
        assert admin.as_json(server.data_dir, "stats")["last_backup"] is None
        before = int(time.time())
        admin.succeed(server.data_dir, "backup", tmp_path / "backups")
        assert before <= admin.as_json(server.data_dir, "stats")["last_backup"] <= time.time()
        wait_until(lambda: metric("tcsync_last_backup_timestamp_seconds") >= before, 30, "the metric follows")
        server.stop()
        assert admin.as_json(server.data_dir, "stats")["last_backup"] >= before, "a restart forgets it"

    def test_live_and_dead_bytes_are_reported(self, server):
        """If this fails, an operator cannot tell a server that is full from one that is untidy."""
        client_id = str(uuid.uuid4())
        admin.add_chain(server.url, client_id, 1, b"x" * 1_000_000)
        stats = admin.as_json(server.data_dir, "stats")
        assert 1_000_000 <= stats["live_bytes"] <= 1_001_000
        assert stats["dead_bytes"] == max(0, stats["bytes_on_disk"] - stats["live_bytes"])
        output = admin.succeed(server.data_dir, "stats")
        assert "data of clients" in output and "last backup" in output


class TestFullDisk:
    @pytest.fixture
    def small_disk(self, tmp_path):
        """A file system of its own, so that it can be filled to the last byte."""
        if os.geteuid() != 0:
            if os.environ.get("CI") == "true":
                pytest.fail("only root can mount a small file system", pytrace=False)
            pytest.skip("only root can mount a small file system")
        path = tmp_path / "disk"
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", path], check=True)
        yield path
        subprocess.run(["umount", "--lazy", path], check=True)

    def test_an_operator_can_free_space(self, start_server, small_disk, tmp_path):
        """If this fails, a full disk is the end: nothing that an operator can do there makes room."""
        server = start_server(
            "--disk-free-bytes-min", "0", "--client-bytes-max", "0", "--memory-budget", "16M",
            data_dir=small_disk / "data",
        )  # fmt: skip
        owner, stranger = str(uuid.uuid4()), str(uuid.uuid4())
        admin.add_chain(server.url, owner, 5)
        assert upload_until_refused(server.url, stranger, 1_000_000) > 20
        with open(small_disk / "other", "wb", buffering=0) as other:
            try:
                while True:
                    other.write(b"x" * 4096)
            except OSError:
                pass
        # Looking works, and so do the commands that save the data.
        assert len(admin.as_lines(server.data_dir, "clients", "list")) == 2
        admin.succeed(server.data_dir, "stats")
        assert admin.as_json(server.data_dir, "verify")["problems"] == []
        assert admin.succeed(server.data_dir, "clients", "export", owner)
        assert admin.as_json(server.data_dir, "backup", tmp_path / "backups")["backup"] == 1
        admin.succeed(server.data_dir, "prune", "--dry-run")
        admin.succeed(server.data_dir, "clients", "ban", stranger)
        latest = wire.history(server.url, owner)[-1].version_id
        # A compaction may have given something back meanwhile; the reserve for making room stays out of clients' reach.
        answer = wire.add_version(server.url, owner, latest)
        if answer.status == 200:
            latest = answer.headers["X-Version-Id"]
            assert os.path.getsize(small_disk / "data" / "reserve") > 0
        else:
            assert answer.status == 507, answer
        # This makes room.
        admin.succeed(server.data_dir, "clients", "delete", stranger, "--yes")
        os.unlink(small_disk / "other")
        assert wire.add_version(server.url, owner, latest).status == 200
        free = os.statvfs(small_disk)
        assert free.f_bavail * free.f_frsize > 60 * MIB
