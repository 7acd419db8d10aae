"""New credentials for the same tasks, and the move to another server, with the real Taskwarrior. If one of these
fails, a lost laptop keeps on reading, or a person's other computers lose edits on the way to the new history."""

import admin
import pytest
from servers import gateway
from test_joining import all_equal, held, raw_tasks, server_tasks

from tcsync import NIL_VERSION, Gone, RemoteServer, decode_pairing_code

SETUP = ("setup", "--replace", "--pairing-code-file", "-")


def rotated(computer, *arguments):
    outcome = computer.json(*(arguments or ("rotate",)), "--yes")
    assert "client_id" in outcome, outcome
    return outcome


@pytest.fixture
def pair(paired, second):
    """Two computers of one person that are in sync."""
    assert second.json("setup", "--pairing-code-file", "-", given=paired.pair())["result"] == "done"
    return paired, second


def test_up_to_date_computers_only_change_their_settings(pair, new_computer):
    """If this fails, every other computer has to merge after a rotation, or new computers get nothing."""
    first, second = pair
    before = raw_tasks(second)
    old_code = first.pair()
    outcome = rotated(first)
    assert first.pair() != old_code
    assert outcome["tasks"] == {"all": 2, "pending": 2}
    joined = second.json(*SETUP, given=first.pair())
    assert (joined["result"], joined["join"], joined["kept_aside"]) == ("done", None, None)
    third = new_computer()
    assert third.json(*SETUP, given=first.pair())["result"] == "done"
    assert all_equal(first, second, third) == before
    third.task("add", "from the third")
    third.task("sync")
    assert len(all_equal(first, second, third)) == 3


def test_the_old_credentials_see_nothing_new(pair):
    """If this fails, a thief with the lost laptop reads what is written after the rotation."""
    first, _ = pair
    old = decode_pairing_code(first.pair())
    rotated(first)
    first.task("add", "secret plan")
    first.task("sync")
    with RemoteServer(old) as remote:
        version = remote.get_child_version(NIL_VERSION)
        while hasattr(version, "plaintext"):
            assert b"secret plan" not in version.plaintext
            version = remote.get_child_version(version.version_id)


def test_a_computer_that_was_away_catches_up(pair):
    """If this fails, a laggard reverts what the others did in the meantime, or loses its own edits."""
    first, second = pair
    second.task("add", "only here")
    second.task("Buy milk", "modify", "priority:H")
    first.task("Call Ada", "modify", "project:calls", "+removed")
    first.task("sync")
    first.task("Call Ada", "modify", "-removed")
    first.task("Buy milk", "modify", "project:shop")
    first.task("sync")
    rotated(first)
    first.task("Call Ada", "done")
    first.task("sync")
    outcome = second.json(*SETUP, "--merge", given=first.pair())
    assert (outcome["result"], outcome["join"]) == ("done", None), outcome
    tasks = {task["description"]: task for task in all_equal(first, second).values()}
    assert tasks.keys() == {"Buy milk", "Call Ada", "only here"}
    assert (tasks["Buy milk"]["project"], tasks["Buy milk"]["priority"]) == ("shop", "H")
    assert tasks["Call Ada"]["status"] == "completed"
    assert "tag_removed" not in tasks["Call Ada"]


def test_a_computer_that_was_ahead_of_the_rotation_merges(pair):
    """If this fails, what a computer sent to the old history after the rotation is lost."""
    first, second = pair
    rotated(first)
    second.task("add", "too late")
    second.task("sync")
    first.task("add", "after the rotation")
    first.task("sync")
    outcome = second.json(*SETUP, "--merge", given=first.pair())
    assert outcome["join"]["added_tasks"] == 1, outcome
    names = {task["description"] for task in all_equal(first, second).values()}
    assert names == {"Buy milk", "Call Ada", "too late", "after the rotation"}


def test_unsent_changes_go_to_the_new_history(pair):
    """If this fails, a rotation loses changes that were made while it ran."""
    first, second = pair
    real = '"$(dirname "$0")/real-task"'
    add = f'{real} rc.confirmation=off add "in between" >&2'
    first.wrap_task(f'case "$*" in *sync*) {real} "$@"; status=$?; {add}; exit $status;; esac')
    first.copy_task("real-task")
    rotated(first)
    first.unwrap_task("real-task")
    assert second.json(*SETUP, given=first.pair())["result"] == "done"
    assert "in between" in {task["description"] for task in all_equal(first, second).values()}


def test_a_move_to_another_server_takes_all_along(start_server, pair, new_computer):
    """If this fails, people cannot leave a server, or leave tasks behind."""
    first, second = pair
    old = decode_pairing_code(first.pair())
    new = start_server()
    rotated(first, "move", "--server-url", new.url)
    code = decode_pairing_code(first.pair())
    assert (code.url, code.client_id, code.secret) == (new.url, old.client_id, old.secret)
    assert second.json(*SETUP, given=first.pair())["result"] == "done"
    third = new_computer()
    assert third.json(*SETUP, given=first.pair())["result"] == "done"
    assert len(all_equal(first, second, third)) == 2
    again = first.json("move", "--server-url", new.url, "--yes")
    assert [message["id"] for message in again["messages"]] == ["already-there"]


def test_a_move_works_when_the_old_server_is_gone(start_server, new_computer):
    """If this fails, a dead server holds its users' tasks for ever."""
    old, new = start_server(), start_server()
    first, second = new_computer(), new_computer()
    first.add("Buy milk")
    assert first.json("setup", "--first-computer", "--server-url", old.url)["result"] == "done"
    assert second.json(*SETUP, given=first.pair())["result"] == "done"
    first.task("add", "never sent")
    old.stop()
    taskrc = first.taskrc.read_bytes()
    refused = first.json("move", "--server-url", new.url, "--yes")
    assert [message["id"] for message in refused["messages"]] == ["sync-unreachable"]
    terminal = first.terminal("move", "--server-url", new.url)
    terminal.answer("Move to", "y")
    terminal.answer("Go on without the old server? [y/N]: ", "")
    assert terminal.end() == 10, terminal.screen
    assert first.taskrc.read_bytes() == taskrc
    rotated(first, "move", "--server-url", new.url, "--without-old-server")
    assert second.json(*SETUP, given=first.pair())["result"] == "done"
    assert {task["description"] for task in all_equal(first, second).values()} == {"Buy milk", "never sent"}


def test_a_move_stops_when_the_last_sync_fails_here(start_server, pair):
    """If this fails, what others have sent to a server that is well is left behind, because of a lock on this
    computer."""
    first, _ = pair
    taskrc = first.taskrc.read_bytes()
    with held(first):
        outcome = first.json("move", "--server-url", start_server().url, "--yes", "--without-old-server")
    assert [message["id"] for message in outcome["messages"]] == ["sync-database-in-use"]
    assert first.taskrc.read_bytes() == taskrc


def test_a_move_that_was_interrupted_is_finished_by_the_next_one(start_server, pair):
    """If this fails, a lost connection in the middle of a move leaves a client that nobody can use or move to."""
    first, second = pair
    new = start_server()

    def lose(pass_on):
        pass_on()
        return 503, {}, b""

    taskrc = first.taskrc.read_bytes()
    for request, answer in (("add-version", lose), ("add-snapshot", lambda _: (503, {}, b""))):
        with gateway(new.url, f"POST /v1/client/{request}", answer) as url:
            failed = first.json("move", "--server-url", url, "--yes")
        assert [message["id"] for message in failed["messages"]] == ["remote-server-unavailable"], request
        assert first.taskrc.read_bytes() == taskrc
    rotated(first, "move", "--server-url", new.url)
    assert second.json(*SETUP, given=first.pair())["result"] == "done"
    assert len(all_equal(first, second)) == 2


def test_a_client_in_use_elsewhere_is_not_taken(start_server, pair):
    """If this fails, a move mixes two histories of one client."""
    first, _ = pair
    new = start_server()
    credentials = decode_pairing_code(first.pair())
    with RemoteServer(type(credentials)(new.url, credentials.client_id, credentials.secret)) as remote:
        remote.add_version(NIL_VERSION, b'{"operations":[]}')
        taskrc = first.taskrc.read_bytes()
        outcome = first.json("move", "--server-url", new.url, "--yes")
        assert [message["id"] for message in outcome["messages"]] == ["client-in-use"]
        assert first.taskrc.read_bytes() == taskrc
        assert not isinstance(remote.get_child_version(NIL_VERSION), Gone)


def test_a_snapshot_that_is_dropped_stops_the_rotation(start_server, paired):
    """If this fails, new computers cannot start after a rotation, and nobody notices until they are needed."""
    taskrc = paired.taskrc.read_bytes()
    with gateway(start_server().url, r"POST /v1/client/add-snapshot", lambda _: (200, {}, b"")) as url:
        outcome = paired.json("move", "--server-url", url, "--yes")
    assert [message["id"] for message in outcome["messages"]] == ["rotation-unreadable"]
    assert paired.taskrc.read_bytes() == taskrc


def test_a_computer_that_never_synced_has_nothing_to_rotate(server, first):
    """If this fails, a rotation before the first sync makes a history without tasks."""
    first.write_taskrc(
        f"sync.server.url={server.url}\nsync.server.client_id=6c1c8a0e-52c9-4d43-9d0e-3a2f6a3c9b1f\n"
        "sync.encryption_secret=abc\n"
    )
    outcome = first.json("rotate", "--yes")
    assert [message["id"] for message in outcome["messages"]] == ["nothing-synced"]


def test_a_rotation_with_a_new_invite(start_server, first):
    """If this fails, a person with a lost laptop is stuck on a server that creates clients only by invitation."""
    server = start_server("--invite-only")

    def invite():
        return server.url + admin.as_json(server.data_dir, "invites", "create", "--uses", "1")["path"]

    first.add("Buy milk")
    assert first.json("setup", "--first-computer", "--server-url", invite())["result"] == "done"
    taskrc = first.taskrc.read_bytes()
    refused = first.json("rotate", "--yes")
    assert [message["id"] for message in refused["messages"]] == ["remote-not-allowed"]
    assert first.taskrc.read_bytes() == taskrc
    rotated(first, "move", "--server-url", invite())
    rotated(first)
    assert len(server_tasks(first)) == 1


def test_a_rotation_is_asked_for(paired):
    """If this fails, a slip of the hand locks the other computers out."""
    taskrc = paired.taskrc.read_bytes()
    done = paired.tcsync("rotate")
    assert done.returncode == 2 and "--yes" in done.stderr
    terminal = paired.terminal("rotate")
    terminal.answer("Change the client ID and the secret?", "n")
    assert terminal.end() == 10
    assert paired.taskrc.read_bytes() == taskrc
    terminal = paired.terminal("rotate")
    terminal.answer("Change the client ID and the secret?", "y")
    assert terminal.end() == 0
    assert paired.pair() in terminal.screen
    assert len(server_tasks(paired)) == 2
