"""Moving from the reference server to tcsync with `tcsync-server import-reference`."""

import json
import uuid

import pytest
import reference_server
import server as server_module
import wire
from reference_server import ReferenceServer
from support import run_bounded
from taskwarrior import User

IMPORT_TIMEOUT_S = 120


@pytest.fixture
def reference(tmp_path):
    reference = ReferenceServer(tmp_path / "reference")
    yield reference
    reference.close()


def import_reference(database, data_dir, *flags):
    command = [str(server_module.BINARY), "import-reference", str(database), "--data-dir", str(data_dir), *flags]
    return run_bounded(command, env=server_module.environment(), timeout_s=IMPORT_TIMEOUT_S)


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
def test_no_replica_notices_the_move(reference, start_server, new_replica, while_serving):
    """If this fails, whoever moves to tcsync loses tasks, or must set up every computer anew."""
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


def test_what_cannot_be_moved_is_named(tmp_path, reference):
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


def test_a_client_that_went_on_here_is_not_overwritten(tmp_path, reference, start_server):
    """If this fails, importing an old database destroys what was synced since."""
    client_id = str(uuid.uuid4())
    server = start_server()
    wire.add_version(server.url, client_id, wire.NIL_VERSION, b"here")
    before = wire.history(server.url, client_id)
    wire.add_version(reference.url, client_id, wire.NIL_VERSION, b"there")
    done = import_reference(reference.database, server.data_dir)
    assert done.returncode == 1
    assert client_id in done.stderr
    assert wire.history(server.url, client_id) == before


def test_a_large_history_with_large_segments_moves(tmp_path, reference, start_server):
    """If this fails, the import holds in memory, or sends at once, what is too much."""
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
def test_what_is_no_such_database_is_refused(tmp_path, content, expected):
    """If this fails, a mistyped path looks like a successful move of nothing."""
    database = tmp_path / "some.sqlite3"
    if content is not None:
        database.write_bytes(content)
    done = import_reference(database, tmp_path / "data")
    assert done.returncode == 1
    assert str(database) in done.stderr and expected in done.stderr
    assert not (tmp_path / "data").exists()
