"""The main job: one user's tasks are the same on all of that user's computers, with changes on each of them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import wire

RACE_TIMEOUT_S = 30


def sync_all(*replicas):
    """Syncs in the given order, then once more, so that the first also has the last one's changes."""
    for replica in (*replicas, *replicas[:-1]):
        replica.sync()


def test_second_computer_starts_with_the_same_tasks(two_computers):
    """If this fails, a user's second computer is missing tasks, or has other UUIDs or other contents."""
    first, second = two_computers
    milk = first.add("Buy milk", "project:Home", "priority:H", "+shop", "due:2031-05-06")
    umlauts = first.add("Grüße an Zoë 🎉", "+post")
    first.task(milk, "annotate", "the one with the blue cap")
    first.task(umlauts, "modify", f"depends:{milk}")
    first.sync()
    second.sync()
    assert set(second.export()) == {milk, umlauts}
    assert second.export() == first.export()


def test_edits_sync_both_ways(two_computers):
    """If this fails, changes of one computer do not arrive on the other, in one of the two directions."""
    first, second = two_computers
    task = first.add("Buy milk")
    sync_all(first, second)

    second.task(task, "modify", "Buy oat milk", "project:Home")
    sync_all(second, first)
    assert first.export()[task]["description"] == "Buy oat milk"

    first.task(task, "modify", "priority:H", "project:")
    sync_all(first, second)
    assert second.export()[task]["priority"] == "H"
    assert "project" not in second.export()[task]
    assert first.export() == second.export()


def test_completion_syncs(two_computers):
    """If this fails, a task that is done on one computer stays pending on the other."""
    first, second = two_computers
    task = first.add("Buy milk")
    sync_all(first, second)
    second.task(task, "done")
    sync_all(second, first)
    assert first.export()[task]["status"] == "completed"
    assert first.export() == second.export()


def test_deletion_syncs(two_computers):
    """If this fails, a task that is deleted on one computer lives on on the other."""
    first, second = two_computers
    deleted, kept = first.add("Buy milk"), first.add("Buy bread")
    sync_all(first, second)
    second.task(deleted, "delete")
    sync_all(second, first)
    assert first.export()[deleted]["status"] == "deleted"
    assert first.export()[kept]["status"] == "pending"
    assert first.export() == second.export()


def test_offline_edits_of_both_computers_are_kept(two_computers):
    """If this fails, working offline on two computers loses one's changes or makes the two differ."""
    first, second = two_computers
    shared = first.add("Buy milk")
    sync_all(first, second)
    first.task(shared, "modify", "project:Home")
    second.task(shared, "modify", "priority:L")
    on_first, on_second = first.add("Only on the first"), second.add("Only on the second")
    sync_all(first, second)
    assert set(first.export()) == {shared, on_first, on_second}
    assert (first.export()[shared]["project"], first.export()[shared]["priority"]) == ("Home", "L")
    assert first.export() == second.export()


def test_conflicting_push_is_refused_and_rebased(server, user, new_replica, record):
    """If this fails, two computers that sync in the same moment fork the history, or one of them reports an error.

    A replica pulls before it pushes, so the moment is made: the second's push is held until the first has pushed.
    """
    recorder = record(server.url)
    first, second = new_replica(server.url, user), new_replica(recorder.url, user)
    shared = first.add("Buy milk")
    sync_all(first, second)
    before = len(wire.history(server.url, user.client_id))

    first.task(shared, "modify", "project:Home")
    second.task(shared, "modify", "priority:L")
    on_first, on_second = first.add("Only on the first"), second.add("Only on the second")
    recorder.exchanges.clear()
    recorder.before_next("add-version", first.sync)
    second.sync()

    assert recorder.statuses("add-version") == [409, 200]
    refused, accepted = recorder.of("add-version")
    pushed_by_first = refused.headers["X-Parent-Version-Id"]
    assert accepted.argument == pushed_by_first
    chain = wire.history(server.url, user.client_id)[before:]
    assert [version.version_id for version in chain] == [pushed_by_first, accepted.headers["X-Version-Id"]]

    first.sync()
    assert set(first.export()) == {shared, on_first, on_second}
    assert (first.export()[shared]["project"], first.export()[shared]["priority"]) == ("Home", "L")
    assert first.export() == second.export()


def test_computers_that_push_at_the_same_instant_agree(server, user, new_replica, record):
    """If this fails, computers that sync by timer at the same minute get errors, lose tasks or drift apart.

    In every round both pushes are held until both have arrived, and are let go together.
    """
    rounds = 5
    recorders = [record(server.url) for _ in range(2)]
    replicas = [new_replica(recorder.url, user) for recorder in recorders]
    both_pushes_arrived = threading.Barrier(2, timeout=RACE_TIMEOUT_S)
    with ThreadPoolExecutor(2) as pool:
        for number in range(rounds):
            for replica, recorder in zip(replicas, recorders, strict=True):
                replica.add(f"Round {number}")
                recorder.exchanges.clear()
                recorder.before_next("add-version", both_pushes_arrived.wait)
            list(pool.map(lambda replica: replica.sync(), replicas))
            statuses = [status for recorder in recorders for status in recorder.statuses("add-version")]
            assert sorted(statuses) == [200, 200, 409]
    first, second = replicas
    sync_all(first, second)
    assert len(first.export()) == 2 * rounds
    assert first.export() == second.export()


@pytest.mark.parametrize("size", [900_000, 3_000_000])
def test_a_big_task_syncs(two_computers, size):
    """If this fails, one long note stops a user's sync for ever.

    A replica packs about 1,000,000 bytes of operations into a version, but never splits a single operation: the larger
    size makes a version above that.
    """
    first, second = two_computers
    description = "long " * (size // 5)
    task = first.import_task(description=description.strip(), status="pending")
    sync_all(first, second)
    assert second.export()[task]["description"] == description.strip()
    assert first.export() == second.export()
