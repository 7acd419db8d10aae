"""A version that stops every computer of a user: the messages, the operator's way out, and each computer's."""

import json
import os
from uuid import UUID

import admin
import pytest
import wire
from support import run_bounded

from tcsync import Credentials, Gone, RemoteServer, Secret, UpToDate, VersionAdded


@pytest.fixture
def user(paired, server):
    """The credentials of the computer that is set up."""
    return Credentials(server.url, UUID(paired.json("show")["client_id"]), Secret(paired.secret()))


@pytest.fixture
def joined(server, paired, second):
    """The other computer, in sync."""
    done = second.tcsync("setup", "--pairing-code-file", "-", "--merge", "--yes", given=paired.pair())
    assert done.returncode == 0, done.stdout + done.stderr
    paired.task("sync")
    assert second.tasks() == paired.tasks()
    return second


def try_to_sync(computer):
    """The exit status of `task sync`, negative for a process that was aborted."""
    done = run_bounded(["task", "rc.confirmation=off", "sync"], env=computer.environment, timeout_s=60)
    return done.returncode


def latest_of(server, client_id):
    return admin.as_json(server.data_dir, "clients", "show", str(client_id))["latest_version_id"]


def rewind(server, client_id, version, file):
    return admin.as_json(
        server.data_dir, "clients", "rewind", str(client_id), "--to", version, "--output", file, "--yes"
    )


# Each adds a version after the latest one and returns its ID.
def sealed_malformed_json(remote, _server, _user, latest):
    added = remote.add_version(UUID(latest), b'{"operations":[{"Create":')
    assert isinstance(added, VersionAdded)
    return str(added.version_id)


def sealed_unknown_operation(remote, _server, _user, latest):
    added = remote.add_version(UUID(latest), b'{"operations":[{"Explode":{"uuid":"x"}}]}')
    return str(added.version_id)


def unsealable_bytes(_remote, server, user, latest):
    return wire.add_version(server.url, str(user.client_id), latest, os.urandom(200)).headers["X-Version-Id"]


@pytest.mark.parametrize("poison", [sealed_malformed_json, sealed_unknown_operation, unsealable_bytes])
def test_a_rewind_repairs_a_poisoned_history(server, paired, joined, user, tmp_path, poison):
    """If this fails, one bad version ends sync for a user for ever, or the way out costs tasks."""
    good_version = latest_of(server, user.client_id)
    with RemoteServer(user) as remote:
        poisoned = poison(remote, server, user, good_version)
        joined.add("Written while nothing syncs")
        for computer in (paired, joined, paired):
            assert try_to_sync(computer) != 0
        assert set(paired.tasks()) == {"Buy milk", "Call Ada"}, "the poison reached the tasks"

        # The operator sees a version, from when on nothing works, and takes it out.
        (last,) = admin.as_lines(server.data_dir, "clients", "versions", str(user.client_id), "--last", "1")
        assert (last["version_id"], last["parent_version_id"]) == (poisoned, good_version)
        file = tmp_path / "removed.jsonl"
        assert rewind(server, user.client_id, good_version, file)["versions_removed"] == 1
        assert poisoned in file.read_text(encoding="utf-8")

        # Computers that never got past it sync as before.
        joined.task("sync")
        paired.task("sync")
        assert set(paired.tasks()) == {"Buy milk", "Call Ada", "Written while nothing syncs"}
        assert paired.tasks() == joined.tasks()
        # A computer that was at the poison learns that it is gone, and does not put it back.
        assert isinstance(remote.get_child_version(UUID(poisoned)), Gone)
        assert isinstance(remote.get_child_version(UUID(latest_of(server, user.client_id))), UpToDate)
    assert admin.as_json(server.data_dir, "verify")["problems"] == []


def test_a_computer_past_the_rewind_can_join_again(server, paired, joined, user, tmp_path):
    """If this fails, a computer whose versions were removed cannot come back with its tasks."""
    good_version = latest_of(server, user.client_id)
    paired.add("Synced, and then rewound")
    paired.task("sync")
    rewind(server, user.client_id, good_version, tmp_path / "removed.jsonl")

    assert try_to_sync(paired) != 0
    assert "reason=replica-ahead" in server.log
    joined.add("From the other one")
    joined.task("sync")
    done = paired.tcsync("doctor", "--repair", "--sync")
    assert done.returncode == 0, done.stdout + done.stderr
    joined.task("sync")
    assert set(joined.tasks()) == {"Buy milk", "Call Ada", "Synced, and then rewound", "From the other one"}
    assert paired.tasks() == joined.tasks()


def test_a_computer_past_the_rewind_can_be_accepted(server, paired, joined, user, tmp_path):
    """If this fails, a rewind that went too far cannot be mended from the computer that has everything."""
    good_version = latest_of(server, user.client_id)
    paired.add("Synced, and then rewound")
    paired.task("sync")
    joined.task("sync")
    rewind(server, user.client_id, good_version, tmp_path / "removed.jsonl")
    assert try_to_sync(paired) != 0
    allowed = admin.as_json(server.data_dir, "clients", "accept-diverged", "--all-with-one-replica-ahead", "--yes")
    assert allowed["accepted"] == [str(user.client_id)]
    paired.add("And more")
    paired.task("sync")
    joined.task("sync")
    assert set(joined.tasks()) == {"Buy milk", "Call Ada", "Synced, and then rewound", "And more"}
    assert paired.tasks() == joined.tasks()
    assert admin.as_json(server.data_dir, "verify")["problems"] == []


def test_one_client_can_be_restored_from_a_backup(server, paired, joined, user, tmp_path):
    """If this fails, one user's accident needs a restore of all users."""
    admin.succeed(server.data_dir, "backup", tmp_path / "backups")
    with RemoteServer(user) as remote:
        sealed_malformed_json(remote, server, user, latest_of(server, user.client_id))
    assert try_to_sync(joined) != 0
    file = tmp_path / "present.jsonl"
    admin.succeed(
        server.data_dir, "clients", "restore", str(user.client_id), "--from", tmp_path / "backups",
        "--output", file, "--yes",
    )  # fmt: skip
    joined.add("Afterwards")
    joined.task("sync")
    paired.task("sync")
    assert paired.tasks() == joined.tasks() and "Afterwards" in paired.tasks()
    assert json.loads(file.read_text(encoding="utf-8").splitlines()[0])["client_id"] == str(user.client_id)
