"""Moving from the reference server to tcsync with `tcsync-server import-reference`."""

import json
import shutil
import sqlite3
import subprocess
import uuid

import pytest
import reference_server
import server as server_module
import wire
from reference_server import ReferenceServer
from support import REPOSITORY, run_bounded
from taskwarrior import User

IMPORT_TIMEOUT_S = 120
PRUNED = REPOSITORY / "tests" / "testdata" / "reference" / "pruned-to-snapshot.sqlite3"


@pytest.fixture
def reference(tmp_path):
    reference = ReferenceServer(tmp_path / "reference")
    yield reference
    reference.close()


def import_reference(database, data_dir, *flags):
    command = [str(server_module.BINARY), "import-reference", str(database), "--data-dir", str(data_dir), *flags]
    return run_bounded(command, env=server_module.environment(), timeout_s=IMPORT_TIMEOUT_S)


def make_chain(reference, count, snapshot_at=None):
    """A client with that many versions, and a snapshot of one of them; returns its ID and the versions' IDs."""
    client_id, version_ids = str(uuid.uuid4()), []
    for number in range(count):
        parent = version_ids[-1] if version_ids else wire.NIL_VERSION
        answer = wire.add_version(reference.url, client_id, parent, f"segment {number}".encode())
        version_ids.append(answer.headers["X-Version-Id"])
    if snapshot_at is not None:
        wire.add_snapshot(reference.url, client_id, version_ids[snapshot_at], b"sealed state")
    return client_id, version_ids


def remove_versions(reference, version_ids):
    with reference_server.connect(reference.database.parent) as database:
        for version_id in version_ids:
            database.execute("DELETE FROM versions WHERE version_id = ?", (version_id,))


def versions_of(reference, client_id):
    with reference_server.connect(reference.database.parent) as database:
        rows = database.execute(
            "SELECT parent_version_id, version_id, history_segment FROM versions WHERE client_id = ?", (client_id,)
        )
        by_parent = {parent: (version_id, segment) for parent, version_id, segment in rows}
    chain, parent = [], wire.NIL_VERSION
    while parent in by_parent:
        version_id, segment = by_parent[parent]
        chain.append(wire.Version(version_id, parent, segment))
        parent = version_id
    return chain


@pytest.mark.parametrize("while_serving", [False, True], ids=["server-stopped", "server-running"])
def test_replicas_continue_after_the_move(reference, start_server, new_replica, while_serving):
    """If this fails, a user who moves to tcsync loses tasks, or must set up every computer again."""
    user = User()
    laptop, desktop = new_replica(reference.url, user), new_replica(reference.url, user)
    milk = laptop.add("Buy milk")
    laptop.sync()
    desktop.sync()
    bread = desktop.add("Buy bread")
    desktop.sync()  # the laptop is one version behind when the server moves
    moved = versions_of(reference, user.client_id)
    reference.close()

    server = start_server()
    if not while_serving:
        server.stop()
    done = import_reference(reference.database, server.data_dir)
    assert done.returncode == 0, done.stderr
    if not while_serving:
        server.start()
    assert wire.history(server.url, user.client_id) == moved
    for replica in (laptop, desktop):
        replica.use_server(server.url, user)

    laptop.sync()
    assert set(laptop.export()) == {milk, bread}
    laptop.task(milk, "done")
    laptop.sync()
    desktop.sync()
    assert desktop.export() == laptop.export()
    newcomer = new_replica(server.url, user)
    newcomer.sync()
    assert newcomer.export() == laptop.export()


def test_clients_that_cannot_be_moved_are_named(tmp_path, reference):
    """If this fails, a damaged history goes unnoticed in a move, or keeps all the others from moving."""
    good, without_latest = str(uuid.uuid4()), str(uuid.uuid4())
    for client_id in (good, without_latest):
        parent = wire.NIL_VERSION
        for number in range(3):
            parent = wire.add_version(reference.url, client_id, parent, f"segment {number}".encode()).headers[
                "X-Version-Id"
            ]
    lost = str(uuid.uuid4())
    with reference_server.connect(reference.database.parent) as database:
        database.execute("UPDATE clients SET latest_version_id = ? WHERE client_id = ?", (lost, without_latest))
    done = import_reference(reference.database, tmp_path / "data")
    assert done.returncode == 1
    assert without_latest in done.stderr
    assert good not in done.stderr
    shown = run_bounded(
        [str(server_module.BINARY), "clients", "list", "--json", "--data-dir", str(tmp_path / "data")],
        env=server_module.environment(),
        timeout_s=IMPORT_TIMEOUT_S,
    )
    assert [json.loads(line)["client_id"] for line in shown.stdout.splitlines()] == [good]


def test_an_import_can_be_repeated(tmp_path, reference, start_server):
    """If this fails, an import that was cut short can neither be completed nor undone."""
    client_id = str(uuid.uuid4())
    wire.add_version(reference.url, client_id, wire.NIL_VERSION, b"first")
    assert import_reference(reference.database, tmp_path / "data").returncode == 0
    first = versions_of(reference, client_id)[0].version_id
    wire.add_version(reference.url, client_id, first, b"second")
    done = import_reference(reference.database, tmp_path / "data")
    assert done.returncode == 0, done.stderr
    server = start_server(data_dir=tmp_path / "data")
    assert wire.history(server.url, client_id) == versions_of(reference, client_id)


def test_a_client_with_newer_versions_is_not_overwritten(tmp_path, reference, start_server):
    """If this fails, importing an old database destroys versions that were synced since."""
    client_id = str(uuid.uuid4())
    server = start_server()
    wire.add_version(server.url, client_id, wire.NIL_VERSION, b"here")
    before = wire.history(server.url, client_id)
    wire.add_version(reference.url, client_id, wire.NIL_VERSION, b"there")
    done = import_reference(reference.database, server.data_dir)
    assert done.returncode == 1
    assert client_id in done.stderr
    assert wire.history(server.url, client_id) == before


def test_a_large_history_with_large_segments_is_imported(tmp_path, reference, start_server):
    """If this fails, the import of a large history runs out of memory, or sends requests over the server's limit."""
    client_id = str(uuid.uuid4())
    parent = wire.NIL_VERSION
    for number in range(12):
        segment = bytes([number]) * (3 << 20)
        parent = wire.add_version(reference.url, client_id, parent, segment).headers["X-Version-Id"]
    wire.add_snapshot(reference.url, client_id, parent, b"s" * (20 << 20))
    done = import_reference(reference.database, tmp_path / "data")
    assert done.returncode == 0, done.stderr
    server = start_server(data_dir=tmp_path / "data")
    assert wire.history(server.url, client_id) == versions_of(reference, client_id)
    assert wire.get_snapshot(server.url, client_id).body == b"s" * (20 << 20)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "cannot open"), (b"", "no such table"), (b"not a database at all" * 100, "not a database")],
    ids=["missing", "empty", "something-else"],
)
def test_files_that_are_no_reference_database_are_refused(tmp_path, content, expected):
    """If this fails, a mistyped path looks like a successful move of nothing."""
    database = tmp_path / "some.sqlite3"
    if content is not None:
        database.write_bytes(content)
    done = import_reference(database, tmp_path / "data")
    assert done.returncode == 1
    assert str(database) in done.stderr and expected in done.stderr
    assert not (tmp_path / "data").exists()


class TestPrunedHistory:
    """A history whose owner removed the versions before the snapshot."""

    def test_its_snapshot_is_imported(self, tmp_path, start_server):
        """If this fails, no new computer can start after the move."""
        database = tmp_path / "pruned.sqlite3"
        shutil.copyfile(PRUNED, database)
        done = import_reference(database, tmp_path / "data")
        assert (done.returncode, "left behind" in done.stderr) == (0, False), done.stderr
        assert "2 versions added" in done.stdout and "1 snapshot stored" in done.stdout
        client_id = "11111111-2222-4333-8444-555555555555"
        server = start_server(data_dir=tmp_path / "data")
        snapshot = wire.get_snapshot(server.url, client_id)
        base = snapshot.headers["X-Version-Id"]
        with sqlite3.connect(database) as connection:
            stored = connection.execute("SELECT snapshot_version_id, snapshot FROM clients").fetchone()
        assert (base, snapshot.body) == stored
        assert len(wire.history(server.url, client_id, base)) == 2
        verified = run_bounded(
            [str(server_module.BINARY), "verify", "--data-dir", str(server.data_dir)],
            env=server_module.environment(),
            timeout_s=IMPORT_TIMEOUT_S,
        )
        assert verified.returncode == 0, verified.stdout + verified.stderr

    def test_new_and_old_computers_sync_after_the_move(self, reference, start_server, new_replica):
        """If this fails, the moved snapshot is there and of no use."""
        user = User()
        laptop = new_replica(reference.url, user)
        tasks = {laptop.add("Buy milk")}
        laptop.sync()
        base = versions_of(reference, user.client_id)[-1].version_id
        for name in ("Buy bread", "Buy tea"):
            tasks.add(laptop.add(name))
            laptop.sync()
        with reference_server.connect(reference.database.parent) as database:
            snapshot_of = database.execute("SELECT snapshot_version_id FROM clients").fetchone()[0]
        # The replica was asked for a snapshot once, at its first sync.
        assert snapshot_of == base
        remove_versions(reference, [base])
        reference.close()
        server = start_server()
        done = import_reference(reference.database, server.data_dir)
        assert done.returncode == 0, done.stderr
        newcomer = new_replica(server.url, user)
        newcomer.sync()
        assert set(newcomer.export()) == tasks
        bread = newcomer.add("Buy butter")
        newcomer.sync()
        laptop.use_server(server.url, user)
        laptop.sync()
        assert set(laptop.export()) == tasks | {bread}

    @pytest.mark.parametrize("through_a_file", [False, True])
    def test_it_can_be_exported_to_another_server(self, tmp_path, start_server, through_a_file):
        """If this fails, the snapshot is lost at the next move."""
        database = tmp_path / "pruned.sqlite3"
        shutil.copyfile(PRUNED, database)
        first, second = start_server(), start_server()
        assert import_reference(database, first.data_dir).returncode == 0
        if not through_a_file:
            first.stop(), second.stop()
        exported = run_bounded(
            [str(server_module.BINARY), "clients", "export", "--all", "--data-dir", str(first.data_dir)],
            env=server_module.environment(),
            timeout_s=IMPORT_TIMEOUT_S,
        ).stdout
        done = subprocess.run(
            [str(server_module.BINARY), "clients", "import", "--data-dir", str(second.data_dir)],
            env=server_module.environment(),
            input=exported,
            capture_output=True,
            text=True,
            timeout=IMPORT_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0 and "1 snapshot stored" in done.stdout, done.stderr

    def test_a_lone_snapshot_is_refused_and_the_advice_works(self, tmp_path, reference, start_server):
        """If this fails, a history of which only the snapshot is left is lost in the move."""
        client_id, version_ids = make_chain(reference, 3, snapshot_at=2)
        remove_versions(reference, version_ids)
        done = import_reference(reference.database, tmp_path / "data")
        assert done.returncode == 1
        assert client_id in done.stderr and "sync a change" in done.stderr and "import again" in done.stderr
        assert wire.add_version(reference.url, client_id, version_ids[-1], b"a change").status == 200
        done = import_reference(reference.database, tmp_path / "data")
        assert done.returncode == 0, done.stderr
        server = start_server(data_dir=tmp_path / "data")
        assert wire.get_snapshot(server.url, client_id).headers["X-Version-Id"] == version_ids[-1]
        assert [v.segment for v in wire.history(server.url, client_id, version_ids[-1])] == [b"a change"]


# The missing ones of five versions, the snapshot's version, the versions and the snapshot that come along, and whether
# a new computer can start from them.
MISSING_ROWS = {
    "nothing": ((), 2, 5, True, True),
    "one before the snapshot": ((1,), 2, 3, True, True),
    "the snapshot's own": ((2,), 2, 2, True, True),
    "one after the snapshot": ((3,), 2, 1, False, False),
    "the first, without a snapshot": ((0,), None, 4, False, False),
    "one, without a snapshot": ((2,), None, 2, False, False),
    "all before the snapshot": ((0, 1, 2), 2, 2, True, True),
}


@pytest.mark.parametrize("case", MISSING_ROWS.values(), ids=MISSING_ROWS.keys())
def test_a_chain_with_a_missing_row_is_imported_up_to_the_gap(tmp_path, reference, start_server, case):
    """If this fails, the usable part of a damaged history is lost, or a loss looks like success."""
    missing, snapshot_at, versions, has_snapshot, can_start = case
    client_id, version_ids = make_chain(reference, 5, snapshot_at)
    remove_versions(reference, [version_ids[index] for index in missing])
    left = 5 - len(missing)
    done = import_reference(reference.database, tmp_path / "data", "--json")
    totals = json.loads(done.stdout)
    assert (totals["versions_added"], totals["snapshots_stored"]) == (versions, int(has_snapshot))
    is_whole = versions == left and can_start
    assert totals["clients_moved_in_part"] == (0 if is_whole else 1)
    assert done.returncode == (0 if is_whole else 1), done.stderr
    assert (client_id in done.stderr) == (not is_whole)
    server = start_server(data_dir=tmp_path / "data")
    # Computers that are up to date still sync.
    answer = wire.add_version(server.url, client_id, version_ids[-1], b"more")
    assert answer.status == 200
    assert (wire.get_snapshot(server.url, client_id).status == 200) == has_snapshot
    if can_start:
        return
    # As the command says: a computer that is up to date leaves a snapshot, and from then on others can start.
    assert "leaves a snapshot" in done.stderr
    assert answer.headers["X-Snapshot-Request"] == "urgency=high"
    latest = answer.headers["X-Version-Id"]
    assert wire.add_snapshot(server.url, client_id, latest).status == 200
    assert wire.get_snapshot(server.url, client_id).headers["X-Version-Id"] == latest


def test_a_client_without_history_is_not_an_error(tmp_path, reference):
    """If this fails, a user who was set up and never synced makes every move look like a failure."""
    for latest in (None, wire.NIL_VERSION):
        with reference_server.connect(reference.database.parent) as database:
            database.execute(
                "INSERT INTO clients (client_id, latest_version_id) VALUES (?, ?)", (str(uuid.uuid4()), latest)
            )
    make_chain(reference, 2)
    done = import_reference(reference.database, tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "2 clients without history" in done.stdout and "1 client: 2 versions added" in done.stdout


def test_a_damaged_file_is_refused_and_the_advice_works(tmp_path, reference, start_server):
    """If this fails, an operator imports a damaged history in part, and notices when its owner does."""
    client_id, version_ids = make_chain(reference, 400)
    reference.close()
    database = tmp_path / "damaged.sqlite3"
    shutil.copyfile(reference.database, database)
    with sqlite3.connect(database) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'versions_by_parent'").fetchone()[0]
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    with open(database, "r+b") as file:
        file.seek((root - 1) * page_bytes + 8)
        file.write(b"\xff" * 64)
    done = import_reference(database, tmp_path / "data")
    assert done.returncode == 1
    assert str(database) in done.stderr and "damaged" in done.stderr
    assert not (tmp_path / "data").exists()
    # The command that it names.
    command = done.stderr.split("that SQLite can read: ")[1].strip()
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=IMPORT_TIMEOUT_S)
    done = import_reference(tmp_path / "recovered.sqlite3", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    server = start_server(data_dir=tmp_path / "data")
    assert [v.version_id for v in wire.history(server.url, client_id)] == version_ids


@pytest.mark.parametrize("cut_at", [0.3, 0.7])
def test_a_truncated_file_is_refused(tmp_path, reference, cut_at):
    """If this fails, a copy that did not end looks like a database."""
    make_chain(reference, 400)
    reference.close()
    content = reference.database.read_bytes()
    database = tmp_path / "cut.sqlite3"
    database.write_bytes(content[: int(len(content) * cut_at)])
    done = import_reference(database, tmp_path / "data")
    assert done.returncode == 1
    assert str(database) in done.stderr and ("damaged" in done.stderr or "malformed" in done.stderr)
    assert not (tmp_path / "data").exists()


def test_a_directory_means_the_database_in_it(tmp_path, reference):
    """If this fails, an operator who gives the reference server's DATA_DIR gets a message that does not help."""
    make_chain(reference, 2)
    done = import_reference(reference.database.parent, tmp_path / "data")
    assert done.returncode == 0, done.stderr
    (tmp_path / "empty").mkdir()
    done = import_reference(tmp_path / "empty", tmp_path / "other")
    assert done.returncode == 1
    assert str(tmp_path / "empty") in done.stderr and reference_server.FILE_NAME in done.stderr


def test_a_copy_without_its_wal_is_reported(tmp_path, reference, start_server):
    """If this fails, a copy of a running server's file moves without its last syncs, and without a word."""
    client_id, version_ids = make_chain(reference, 3)
    writer = sqlite3.connect(reference.database, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    last = str(uuid.uuid4())
    writer.execute("INSERT INTO versions VALUES (?, ?, ?, ?)", (last, client_id, version_ids[-1], b"the last"))
    writer.execute("UPDATE clients SET latest_version_id = ?", (last,))
    for name, suffixes in (("without", ("",)), ("with", ("", "-wal"))):
        (tmp_path / name).mkdir()
        for suffix in suffixes:
            shutil.copyfile(f"{reference.database}{suffix}", tmp_path / name / (reference_server.FILE_NAME + suffix))
    writer.close()
    done = import_reference(tmp_path / "without", tmp_path / "data")
    assert done.returncode == 0 and "3 versions added" in done.stdout
    assert "-wal" in done.stderr and "missing" in done.stderr
    # As it says: copy both files, and import again.
    done = import_reference(tmp_path / "with", tmp_path / "data")
    assert (done.returncode, done.stderr) == (0, "")
    server = start_server(data_dir=tmp_path / "data")
    assert wire.history(server.url, client_id)[-1].segment == b"the last"


def test_a_database_url_is_refused_without_repeating_it(tmp_path):
    """If this fails, an operator with PostgreSQL gets no advice, or finds the database's password in a log."""
    for scheme in ("postgresql", "postgres"):
        done = import_reference(f"{scheme}://tcsync:hunter2@db.example/tcsync", tmp_path / "data")
        assert done.returncode == 2 and "PostgreSQL" in done.stderr and "sync.server.url" in done.stderr
        assert "hunter2" not in done.stderr
    done = import_reference("file:///srv/x.sqlite3", tmp_path / "data")
    assert done.returncode == 2 and "path" in done.stderr
    assert not (tmp_path / "data").exists()


def test_the_advice_for_a_postgresql_url_keeps_all_tasks(reference, start_server, new_replica):
    """If this fails, the advice on a postgresql:// URL loses tasks."""
    user = User()
    laptop, desktop = new_replica(reference.url, user), new_replica(reference.url, user)
    tasks = {laptop.add("Buy milk"), laptop.add("Buy bread")}
    laptop.sync()
    desktop.sync()
    laptop.sync()
    server = start_server()
    for replica in (laptop, desktop):
        replica.use_server(server.url, user)
    tasks.add(laptop.add("Buy tea"))
    laptop.sync()
    desktop.sync()
    newcomer = new_replica(server.url, user)
    newcomer.sync()
    assert set(desktop.export()) == set(newcomer.export()) == tasks


def test_the_running_server_logs_each_imported_client(reference, start_server):
    """If this fails, an operator cannot find out afterwards which clients were imported, from where, and when."""
    client_id, _ = make_chain(reference, 3, snapshot_at=1)
    make_chain(reference, 2)
    server = start_server()
    assert import_reference(reference.database, server.data_dir).returncode == 0
    lines = [line for line in server.log.splitlines() if "imported" in line]
    assert len(lines) == 2
    assert any("imported 3 versions and a snapshot" in line for line in lines)
    assert any("imported 2 versions;" in line for line in lines)
    assert client_id not in server.log
    assert all("client-" in line for line in lines)
    # Again: nothing came.
    assert import_reference(reference.database, server.data_dir).returncode == 0
    assert len([line for line in server.log.splitlines() if "imported" in line]) == 2


def test_a_database_that_sqlite_cannot_open_for_writing_is_explained(tmp_path, reference):
    """If this fails, a copy on a read-only disk is "unable to open database file", without a reason."""
    make_chain(reference, 2)
    reference.close()
    with sqlite3.connect(reference.database) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    (tmp_path / "locked").mkdir()
    database = tmp_path / "locked" / reference_server.FILE_NAME
    shutil.copyfile(reference.database, database)
    # As root may write everywhere: where the file should be that SQLite needs, there is something else.
    (tmp_path / "locked" / f"{reference_server.FILE_NAME}-wal").mkdir()
    done = import_reference(database, tmp_path / "data")
    assert done.returncode == 1 and "import the copy" in done.stderr, done.stderr
    (tmp_path / "copy").mkdir()
    shutil.copyfile(database, tmp_path / "copy" / reference_server.FILE_NAME)
    assert import_reference(tmp_path / "copy", tmp_path / "data").returncode == 0
