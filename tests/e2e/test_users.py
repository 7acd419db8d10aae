"""The separation of users and the blindness of the server: client IDs, secrets, and admission."""

import pytest
import wire
from taskwarrior import User

MARKER = "PlaintextMarkerKiwiLantern"


def test_second_user_sees_nothing(server, user, new_replica):
    """If this fails, one user of a server reads or changes another's tasks."""
    stranger = User()
    own, strangers = new_replica(server.url, user), new_replica(server.url, stranger)
    own_task = own.add("Buy milk")
    own.sync()
    history = wire.history(server.url, user.client_id)

    strangers.sync()
    assert strangers.export() == {}
    strangers_task = strangers.add("Something else")
    strangers.sync()
    own.sync()

    assert set(own.export()) == {own_task}
    assert set(strangers.export()) == {strangers_task}
    assert wire.history(server.url, user.client_id) == history
    second_of_stranger = new_replica(server.url, stranger)
    second_of_stranger.sync()
    assert second_of_stranger.export() == strangers.export()


@pytest.mark.parametrize("has_own_task", [False, True], ids=["empty", "with-own-task"])
def test_wrong_secret_fails_and_changes_nothing(server, user, new_replica, has_own_task):
    """If this fails, a mistyped secret passes unnoticed, or damages the user's tasks.

    An empty replica stops at the snapshot, one with tasks at the first version.
    """
    right = new_replica(server.url, user)
    right.add("Buy milk")
    right.sync()
    wrong = new_replica(server.url, User(user.client_id))
    if has_own_task:
        wrong.add("Typed before the first sync")

    def state():
        snapshot = wire.get_snapshot(server.url, user.client_id)
        stored = wire.history(server.url, user.client_id), snapshot.headers["X-Version-Id"], snapshot.body
        return stored, right.export(), wrong.export()

    before = state()
    failed = wrong.sync(check=False)
    assert failed.returncode != 0
    assert failed.stderr.strip()
    assert state() == before
    right.sync()
    assert state() == before


def test_only_allowed_clients_sync(start_server, user, new_replica):
    """If this fails, --allow-client-id lets strangers in, or keeps out the users that it names."""
    other = User()
    server = start_server("--allow-client-id", user.client_id, "--allow-client-id", other.client_id)
    for allowed in (user, other):
        replica = new_replica(server.url, allowed)
        replica.add("Buy milk")
        replica.sync()

    stranger = User()
    refused = new_replica(server.url, stranger)
    refused.add("Let me in")
    assert refused.sync(check=False).returncode != 0
    assert wire.get_child_version(server.url, stranger.client_id, wire.NIL_VERSION).status == 403


def test_no_create_clients_keeps_known_users_and_refuses_new_ones(start_server, user, new_replica):
    """If this fails, a closed server still takes new users, or no longer serves those that it has."""
    open_server = start_server()
    known = new_replica(open_server.url, user)
    known.add("Before the door was closed")
    known.sync()
    open_server.stop()

    closed_server = start_server("--no-create-clients", data_dir=open_server.data_dir)
    known.use_server(closed_server.url, user)
    known.add("After the door was closed")
    known.sync()
    newcomer = new_replica(closed_server.url, User())
    newcomer.add("Let me in")
    assert newcomer.sync(check=False).returncode != 0
    second = new_replica(closed_server.url, user)
    second.sync()
    assert second.export() == known.export()


def test_data_directory_and_log_never_hold_plaintext(server, user, two_computers):
    """If this fails, a reader of the server's disk or its log reads the user's tasks or secret."""
    first, second = two_computers
    task = first.add(MARKER, f"project:{MARKER}", f"+{MARKER}")
    first.task(task, "annotate", MARKER)
    first.sync()
    second.sync()
    second.task(task, "modify", f"{MARKER} again")
    second.sync()
    segment = wire.history(server.url, user.client_id)[0].segment
    assert wire.get_snapshot(server.url, user.client_id).status == 200
    server.stop()

    stored = b"\0".join(path.read_bytes() for path in server.data_dir.rglob("*") if path.is_file())
    assert segment[:32] in stored, "the search does not look where the data is"
    for name, content in (("data directory", stored), ("log", server.log.encode())):
        assert MARKER.encode() not in content, f"a description is in the {name}"
        assert user.secret.encode() not in content, f"the secret is in the {name}"
        assert bytes.fromhex(user.secret) not in content, f"the secret's bytes are in the {name}"
