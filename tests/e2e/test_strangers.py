"""Odd requests that the protocol allows are information for the operator, and not damage.

A stranger needs no more than an unused client ID. Each case here is one odd but allowed request; none of them may turn
`verify` or the drill red, because then an operator would learn to ignore red results.
"""

import json
import os
import uuid

import admin
import wire

CANNOT_START = "a new computer cannot start"
AHEAD = "not here"


def added(url, client_id, parent_id, segment=b"sealed"):
    answer = wire.add_version(url, client_id, parent_id, segment)
    assert answer.status == 200, answer
    return answer.headers["X-Version-Id"]


def a_random_first_parent(url, client_id, _):
    added(url, client_id, str(uuid.uuid4()))


def a_first_parent_with_a_version_number(url, client_id, _):
    """Numbers are in the IDs that the server makes: such a parent claims a place in a chain."""
    latest = added(url, client_id, "00000000-0007-8000-8000-000000000001")
    added(url, client_id, latest)


def a_first_parent_of_the_highest_number(url, client_id, _):
    added(url, client_id, "ffffffff-ffff-8fff-bfff-ffffffffffff")


def no_snapshot_for_long(url, client_id, _):
    latest = wire.NIL_VERSION
    for _number in range(20):
        latest = added(url, client_id, latest)


def tiny_and_garbage_segments(url, client_id, _):
    latest = wire.NIL_VERSION
    for segment in (b"\0", b"x", os.urandom(100), b"{}", os.urandom(20_000), os.urandom(300_000)):
        latest = added(url, client_id, latest, segment)


def a_garbage_snapshot_at_each_allowed_version(url, client_id, _):
    ids = admin.add_chain(url, client_id, 6)
    for version_id in ids:
        assert wire.add_snapshot(url, client_id, version_id, b"\0").status == 200


def snapshots_of_unknown_versions(url, client_id, _):
    latest = added(url, client_id, str(uuid.uuid4()))
    for version_id in (wire.NIL_VERSION, str(uuid.uuid4())):
        assert wire.add_snapshot(url, client_id, version_id, os.urandom(50)).status == 200
    added(url, client_id, latest)


def a_snapshot_at_a_foreign_first_version(url, client_id, _):
    latest = added(url, client_id, str(uuid.uuid4()))
    assert wire.add_snapshot(url, client_id, latest, os.urandom(200_000)).status == 200


def reads_from_unknown_versions(url, client_id, _):
    added(url, client_id, wire.NIL_VERSION)
    for _number in range(12):
        assert wire.get_child_version(url, client_id, str(uuid.uuid4())).status == 410


def an_accepted_replica_without_a_snapshot(url, client_id, data_dir):
    for version_id in admin.add_chain(url, client_id, 3):
        assert wire.add_snapshot(url, client_id, version_id).status == 200
    admin.succeed(data_dir, "clients", "accept-diverged", client_id)
    added(url, client_id, str(uuid.uuid4()))


def versions_refused_in_a_race(url, client_id, _):
    ids = admin.add_chain(url, client_id, 2)
    for parent_id in (wire.NIL_VERSION, ids[0], str(uuid.uuid4())):
        assert wire.add_version(url, client_id, parent_id).status == 409


# Each request, and the words of the notes about it.
CASES = {
    a_random_first_parent: [CANNOT_START],
    a_first_parent_with_a_version_number: [CANNOT_START],
    a_first_parent_of_the_highest_number: [CANNOT_START],
    no_snapshot_for_long: [],
    tiny_and_garbage_segments: [],
    a_garbage_snapshot_at_each_allowed_version: [],
    snapshots_of_unknown_versions: [CANNOT_START],
    a_snapshot_at_a_foreign_first_version: [],
    reads_from_unknown_versions: [AHEAD],
    an_accepted_replica_without_a_snapshot: [CANNOT_START],
    versions_refused_in_a_race: [],
}


def check_notes(verification, expected):
    """`expected`: words by client."""
    assert verification["problems"] == [] and verification["files_problem"] is None
    found = {note["client_id"]: note["notes"] for note in verification["notes"]}
    assert set(found) == {client_id for client_id, words in expected.items() if words}
    for client_id, notes in found.items():
        for word in expected[client_id]:
            assert any(word in note for note in notes), (client_id, notes)


def test_permitted_requests_of_strangers_are_not_reported_as_damage(start_server, tmp_path):
    """If this fails, one request of a stranger's makes every check of the operator's fail for ever."""
    server = start_server("--new-clients-per-address-day", "0")
    expected = {}
    for case, words in CASES.items():
        client_id = str(uuid.uuid4())
        case(server.url, client_id, server.data_dir)
        expected[client_id] = words
        alone = admin.as_json(server.data_dir, "verify", client_id)
        check_notes(alone, {client_id: words})
    # The nil UUID is a client ID like any other, and shares its keys' beginning with the server's own.
    a_random_first_parent(server.url, wire.NIL_VERSION, server.data_dir)
    expected[wire.NIL_VERSION] = [CANNOT_START]

    check_notes(admin.as_json(server.data_dir, "verify"), expected)
    text = admin.succeed(server.data_dir, "verify")
    assert CANNOT_START in text and "information, not damage" in text and "problems" not in text
    admin.succeed(server.data_dir, "backup", tmp_path / "backups")
    drill = json.loads(admin.succeed(server.data_dir, "restore", "--drill", tmp_path / "backups", "--json"))
    check_notes(drill["verification"], expected)
    server.stop()
    check_notes(admin.as_json(server.data_dir, "verify"), expected)


def test_many_strangers_do_not_hide_damage(server):
    """If this fails, a stranger with many client IDs scrolls the damaged ones out of sight."""
    strangers = [str(uuid.uuid4()) for _ in range(25)]
    for client_id in strangers:
        a_random_first_parent(server.url, client_id, server.data_dir)
    lines = admin.succeed(server.data_dir, "verify").splitlines()
    assert len(lines) < len(strangers) and "5 notes more" in "\n".join(lines)
    assert len(admin.as_json(server.data_dir, "verify")["notes"]) == len(strangers)
