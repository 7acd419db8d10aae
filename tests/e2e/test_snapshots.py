"""A long history: the server asks for snapshots, the client uploads them, and new computers start from the last one."""

import wire

VERSIONS = 300
VERSIONS_PER_SNAPSHOT = 100  # The server's default for --snapshot-versions.


def test_fresh_computer_starts_from_a_snapshot(server, user, new_replica, record):
    """If this fails, every new computer walks a user's whole history, which grows for years, or misses tasks.

    With the defaults the server asks for a snapshot at the first version, and again each 100 versions; a desktop
    client follows.
    """
    recorder = record(server.url)
    first = new_replica(recorder.url, user)
    task = first.add("Change 0")
    first.sync()
    for number in range(1, VERSIONS):
        first.task(task, "modify", f"Change {number}")
        first.sync()
    assert recorder.statuses("add-version") == [200] * VERSIONS
    asked = [exchange for exchange in recorder.of("add-version") if "X-Snapshot-Request" in exchange.headers]
    uploads = recorder.of("add-snapshot")
    assert [exchange.status for exchange in uploads] == [200] * len(asked)
    assert [exchange.argument for exchange in uploads] == [exchange.headers["X-Version-Id"] for exchange in asked]
    assert len(uploads) == VERSIONS // VERSIONS_PER_SNAPSHOT
    last_snapshot = uploads[-1].argument
    versions_after = wire.history(server.url, user.client_id, last_snapshot)

    recorder.exchanges.clear()
    fresh = new_replica(recorder.url, user)
    fresh.sync()
    assert [exchange.operation for exchange in recorder.exchanges[:2]] == ["snapshot", "get-child-version"]
    assert recorder.exchanges[0].status == 200
    assert recorder.exchanges[0].headers["X-Version-Id"] == last_snapshot
    fetched_parents = [exchange.argument for exchange in recorder.of("get-child-version") if exchange.status == 200]
    assert fetched_parents == [last_snapshot, *(version.version_id for version in versions_after[:-1])]
    assert len(fetched_parents) <= VERSIONS_PER_SNAPSHOT
    assert fresh.export()[task]["description"] == f"Change {VERSIONS - 1}"
    assert fresh.export() == first.export()
