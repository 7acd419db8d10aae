"""A real server whose data directory is damaged or taken away: its messages, and that the command they name helps."""

import json
import re
import resource
import shutil

import admin
import server as server_module
import wire
from server import ANY_PORT
from support import run_bounded, wait_until

CLIENT_ID = "0d2a71a1-9d0d-4b6c-8f0e-3f2b5d1c7a10"
NOTICE_TIMEOUT_S = 30


def contents_of(directory):
    """Every file below a directory with its bytes."""
    return {path: path.read_bytes() if path.is_file() else None for path in directory.rglob("*")}


def refused_start(data_dir):
    """A start that must fail without changing anything, naming no command that is not there; returns its last line."""
    before = contents_of(data_dir)
    done = run_bounded(
        [str(server_module.BINARY), "--data-dir", str(data_dir), "--listen", ANY_PORT],
        env=server_module.environment(),
        timeout_s=60,
    )
    assert done.returncode == 1, done.stderr
    assert contents_of(data_dir) == before, "it was changed"
    line = done.stderr.splitlines()[-1]
    commands = run_bounded([str(server_module.BINARY), "--help"], timeout_s=60).stdout
    for command in re.findall(r"'tcsync-server ([a-z-]+)", line):
        assert re.search(rf"^  {command}\b", commands, re.MULTILINE), line
    return line


def version_ids(server):
    return [version.version_id for version in wire.history(server.url, CLIENT_ID)]


def health(server):
    answer = wire.request(server.url, "GET", "/health")
    return answer.status, json.loads(answer.body)


def test_an_incomplete_directory_is_refused_until_it_is_complete(start_server, tmp_path):
    """If this fails, a server deletes the rest of its users' data and looks healthy."""
    server = start_server(data_dir=tmp_path / "data")
    expected = admin.add_chain(server.url, CLIENT_ID, 5)
    server.stop()
    shutil.copytree(server.data_dir, tmp_path / "copy")
    (server.data_dir / "rocksdb" / "CURRENT").unlink()
    for _ in range(2):
        line = refused_start(server.data_dir)
        assert f"data directory {server.data_dir} is not whole: rocksdb/CURRENT is missing" in line
        assert "tcsync-server restore" in line
    assert "rocksdb/CURRENT is missing" in admin.refusal(server.data_dir, "verify")
    shutil.copy(tmp_path / "copy" / "rocksdb" / "CURRENT", server.data_dir / "rocksdb")
    server.start()
    assert version_ids(server) == expected


def test_a_damaged_log_is_refused_until_the_loss_is_accepted(start_server, tmp_path):
    """If this fails, acknowledged versions go without a word, or the cure that the message names does not help."""
    server = start_server("--metrics-listen", ANY_PORT, data_dir=tmp_path / "data")
    expected = admin.add_chain(server.url, CLIENT_ID, 20)
    server.stop()
    log = max((server.data_dir / "rocksdb").glob("*.log"))
    text = bytearray(log.read_bytes())
    text[len(text) // 2] ^= 1
    log.write_bytes(text)

    line = refused_start(server.data_dir)
    loss = re.search(r"this loses (\d+) bytes with up to (\d+) versions that were acknowledged", line)
    assert loss, line
    lost = int(loss[2])
    assert 1 < lost < 20
    assert "'tcsync-server repair-log'" in line

    assert f"{lost} versions would be lost" in admin.succeed(server.data_dir, "repair-log", "--dry-run")
    assert "--yes" in admin.refusal(server.data_dir, "repair-log", status=2)
    assert refused_start(server.data_dir) == line
    repaired = json.loads(admin.succeed(server.data_dir, "repair-log", "--yes", "--json"))
    assert repaired["loss"]["versions_max"] == lost
    assert (server.data_dir / repaired["loss"]["kept_in"] / log.name).read_bytes() == text
    assert "nothing to repair" in admin.succeed(server.data_dir, "repair-log")

    server.start()
    kept = version_ids(server)
    assert kept == expected[: len(kept)]
    # "Up to": one more, where the damage hides how many versions a write was.
    assert len(kept) in (20 - lost, 21 - lost)
    assert "note: a damaged log was accepted" in admin.succeed(server.data_dir, "verify")
    status, body = health(server)
    assert (status, body["status"]) == (200, "ok")
    assert list(body["notes"]) == ["log"]
    scrape = wire.request(server.metrics_url, "GET", "/metrics").body.decode()
    assert "\ntcsync_log_losses 1\n" in scrape
    assert f"\ntcsync_log_loss_versions {lost}\n" in scrape

    admin.succeed(server.data_dir, "repair-log", "--acknowledge")
    assert "note:" not in admin.succeed(server.data_dir, "verify")
    wait_until(lambda: "notes" not in health(server)[1], NOTICE_TIMEOUT_S, "the note is gone from /health")


def test_writes_stop_while_the_directory_is_moved_away(start_server, tmp_path):
    """If this fails, a server acknowledges versions that it does not keep, and looks healthy."""
    server = start_server(data_dir=tmp_path / "data")
    expected = admin.add_chain(server.url, CLIENT_ID, 3)

    def append():
        answer = wire.add_version(server.url, CLIENT_ID, expected[-1])
        if answer.status == 200:
            expected.append(answer.headers["X-Version-Id"])
        return answer.status

    server.data_dir.rename(tmp_path / "away")
    wait_until(lambda: append() == 503, NOTICE_TIMEOUT_S, "writes are refused")
    _, body = wait_until(lambda: health(server)[0] == 503 and health(server), NOTICE_TIMEOUT_S, "/health says so")
    assert body["checks"]["storage"] == "the data directory is not in its place; nothing is stored"
    assert server.log.count(f"{server.data_dir} was moved away or removed") >= 1
    assert version_ids(server) == expected
    assert not server.data_dir.exists()

    (tmp_path / "away").rename(server.data_dir)
    wait_until(lambda: append() == 200, NOTICE_TIMEOUT_S, "writes are taken again")
    wait_until(lambda: health(server)[0] == 200, NOTICE_TIMEOUT_S, "/health says so")
    server.restart()
    assert version_ids(server) == expected


def test_a_file_size_limit_acts_like_a_full_disk(start_server, tmp_path):
    """If this fails, a service with LimitFSIZE ends without a word in the middle of its work."""
    server = start_server(data_dir=tmp_path / "data")
    expected = admin.add_chain(server.url, CLIENT_ID, 1)
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1 << 20, hard))

    def append():
        answer = wire.add_version(server.url, CLIENT_ID, expected[-1], b"s" * 200_000)
        if answer.status == 200:
            expected.append(answer.headers["X-Version-Id"])
        return answer.status

    assert wait_until(lambda: (status := append()) != 200 and status, 60, "the limit is met") == 507
    assert version_ids(server) == expected
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
    wait_until(lambda: append() == 200, 60, "writes are taken again")
    server.restart()
    assert version_ids(server) == expected
