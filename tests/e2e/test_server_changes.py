"""The server changes under a replica: it restarts, it is another one, it lies under a path."""

import pytest
import wire


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_sync_continues_after_a_restart(server, two_computers, user, ending):
    """If this fails, a restart or a crash of the server loses acknowledged versions, or breaks the next sync."""
    first, second = two_computers
    first.add("Before the restart")
    first.sync()
    history = wire.history(server.url, user.client_id)

    getattr(server, ending)()
    assert first.sync(check=False).returncode != 0, "the server still answers"
    server.start()

    assert wire.history(server.url, user.client_id) == history
    first.add("After the restart")
    first.sync()
    second.sync()
    assert first.descriptions() == {"Before the restart", "After the restart"}
    assert second.export() == first.export()


def test_sync_works_under_a_base_path(start_server, user, new_replica):
    """If this fails, a server behind a path of a shared web site cannot be reached, or ignores the path."""
    server = start_server("--base-path", "/some/path")
    first, second = (new_replica(f"{server.url}/some/path", user) for _ in range(2))
    first.add("Buy milk")
    first.sync()
    second.sync()
    assert len(second.export()) == 1
    assert second.export() == first.export()
    beside = new_replica(server.url, user)
    beside.add("Without the path")
    assert beside.sync(check=False).returncode != 0


def test_replica_moves_to_another_server(start_server, user, new_replica, record):
    """If this fails, a user cannot move to another server without losing the tasks made before.

    The new server's first version does not start at the nil version, so no replica can walk there. The earlier
    tasks are safe because a server without a snapshot asks for one at once: the replica uploads it with its first
    change, and every further computer starts from it.
    """
    old_server, new_server = start_server(), start_server()
    moved = new_replica(old_server.url, user)
    for number in range(3):
        moved.add(f"Made on the old server {number}")
        moved.sync()
    last_on_old = wire.history(old_server.url, user.client_id)[-1].version_id

    recorder = record(new_server.url)
    moved.use_server(recorder.url, user)
    moved.add("Made on the new server")
    moved.sync()
    assert recorder.of("add-version")[0].argument == last_on_old
    assert recorder.statuses("add-version") == [200]
    assert recorder.statuses("add-snapshot") == [200]

    fresh = new_replica(recorder.url, user)
    fresh.sync()
    assert len(fresh.export()) == 4
    assert fresh.export() == moved.export()
    fresh.add("Made on the second computer")
    fresh.sync()
    moved.sync()
    assert moved.export() == fresh.export()


def test_a_replica_without_changes_sends_nothing_to_another_server(start_server, user, new_replica):
    """Not a promise of ours but of the client, which our docs explain: a replica pushes changes, never its state.

    If this fails, the client has learned to upload a snapshot by itself, and the advice to change a task after moving
    is out of date.
    """
    old_server, new_server = start_server(), start_server()
    moved = new_replica(old_server.url, user)
    moved.add("Made on the old server")
    moved.sync()
    moved.use_server(new_server.url, user)
    moved.sync()

    fresh = new_replica(new_server.url, user)
    fresh.sync()
    assert fresh.export() == {}
    assert len(moved.export()) == 1
