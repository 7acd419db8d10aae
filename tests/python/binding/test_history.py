"""A client's whole data, replayed: the same tasks and counts as the real Taskwarrior has."""

import json
import shutil
import tempfile
import zlib
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskwarrior import Replica, User

from tcsync import (
    NIL_VERSION,
    Credentials,
    Gone,
    HistoryDeadlineError,
    HistoryError,
    RemoteServer,
    Secret,
    Snapshot,
    UpToDate,
    Version,
    fetch_history,
)

TASK = "123e4567-e89b-42d3-a456-426614174000"


@pytest.fixture
def replica(server, task_client):
    user = User()
    home = tempfile.mkdtemp(prefix="replica-", dir=task_client.root / "tmp")
    made = Replica(task_client, home, server.url, user)
    made.user = user
    yield made
    shutil.rmtree(home)


def fetched(server_url, user):
    with RemoteServer(Credentials(server_url, UUID(user.client_id), Secret(user.secret)), proxy="") as remote:
        return fetch_history(remote)


class TestRealTaskwarrior:
    def test_counts_equal_those_of_the_replica(self, server, replica):
        """If this fails, the wizard tells people another number of tasks than they have."""
        milk, call, old = replica.add("Buy milk"), replica.add("Call Ada"), replica.add("old")
        replica.add("water plants", "due:tomorrow", "recur:weekly")
        replica.sync()
        assert fetched(server.url, replica.user).counts.pending == 3
        replica.task(milk, "done")
        replica.task("rc.confirmation=off", old, "delete")
        replica.task(call, "modify", "project:home")
        replica.add("naïve ☃ task")
        exported = replica.export()  # Makes the recurring task's next instance, so it comes before the sync.
        replica.sync()
        history = fetched(server.url, replica.user)
        assert {str(task) for task in history.tasks} == set(exported)
        by_status = {status: 0 for status in ("pending", "completed", "deleted", "recurring")}
        for task in exported.values():
            by_status[task["status"]] += 1
        counts = history.counts
        assert by_status == {name: getattr(counts, name) for name in by_status}
        assert (counts.other, counts.all) == (0, len(exported))
        assert history.tasks[UUID(call)]["project"] == "home"
        assert {task["description"] for task in history.tasks.values()} == replica.descriptions()

    def test_an_empty_history_has_no_tasks(self, server, replica):
        """If this fails, the setup of a first computer takes an empty history for a failure."""
        history = fetched(server.url, replica.user)
        assert history.is_empty and history.counts.all == history.version_count == 0
        assert history.latest_version_id == NIL_VERSION

    def test_a_history_is_read_from_its_snapshot(self, server, replica):
        """If this fails, a history is fetched only from its beginning, which the server may have removed."""
        for number in range(3):
            replica.add(f"task {number}")
            replica.sync()
        history = fetched(server.url, replica.user)
        assert history.snapshot_version_id is not None
        assert history.counts.pending == 3 and not history.is_empty


class Scripted:
    """Takes RemoteServer's place to give answers that no real server would."""

    def __init__(self, versions=(), snapshot=None, gone_answers=()):
        self.versions = {version.parent_version_id: version for version in versions}
        self.snapshot = snapshot
        self.gone_answers = list(gone_answers)

    def get_snapshot(self):
        return self.snapshot

    def get_child_version(self, parent):
        if self.gone_answers and self.gone_answers.pop(0):
            return Gone()
        return self.versions.get(parent, UpToDate())


def version(plaintext, parent=NIL_VERSION, version_id=None):
    text = plaintext if isinstance(plaintext, bytes) else json.dumps({"operations": plaintext}).encode()
    return Version(version_id or uuid4(), parent, text)


def replayed(*operations):
    return fetch_history(Scripted([version(list(operations))]))


def update(name, value, task=TASK):
    return {"Update": {"uuid": task, "property": name, "value": value, "timestamp": "2026-01-01T00:00:00Z"}}


class TestReplay:
    def test_operations_are_replayed(self):
        """If this fails, the wizard compares a computer with tasks that no replica has."""
        create, delete = {"Create": {"uuid": TASK}}, {"Delete": {"uuid": TASK}}
        assert replayed(create, update("a", "1"), update("a", None), update("b", "2")).tasks == {UUID(TASK): {"b": "2"}}
        assert replayed(create, update("a", "1"), delete).tasks == {}
        assert replayed(delete, update("a", "1")).tasks == {}
        assert replayed(create, update("a", "1"), create).tasks == {UUID(TASK): {"a": "1"}}
        assert replayed().version_count == 1

    @given(st.dictionaries(st.uuids(), st.sampled_from(["pending", "completed", "deleted", "recurring", "odd", None])))
    def test_each_task_is_counted_once(self, statuses):
        """If this fails, some task is counted twice, or not at all."""
        operations = []
        for task, status in statuses.items():
            operations.append({"Create": {"uuid": str(task)}})
            if status:
                operations.append(update("status", status, str(task)))
        counts = replayed(*operations).counts
        values = list(statuses.values())
        assert counts.all == len(values)
        assert counts.pending == values.count("pending") + values.count(None)
        assert (counts.completed, counts.deleted) == (values.count("completed"), values.count("deleted"))
        assert (counts.recurring, counts.other) == (values.count("recurring"), values.count("odd"))

    def test_restarts_when_the_server_removed_versions(self):
        """If this fails, a snapshot that another computer uploads meanwhile makes the setup fail."""
        at = uuid4()
        snapshot = Snapshot(at, zlib.compress(json.dumps({TASK: {"status": "pending"}}).encode()))
        history = fetch_history(Scripted([version([], at)], snapshot, gone_answers=[True, False, False]))
        assert (history.counts.all, history.version_count, history.snapshot_version_id) == (1, 1, at)


class TestBadData:
    @pytest.mark.parametrize(
        "plaintext",
        [b"", b"not json", b"[]", b"{}", b'{"operations":{}}', b'{"operations":[1]}', b'{"operations":[{}]}',
         b'{"operations":[{"Create":{}}]}', b'{"operations":[{"Create":{"uuid":"x"}}]}', b"\xff\xfe{}",
         b'{"operations":[{"Invent":{"uuid":"123e4567-e89b-42d3-a456-426614174000"}}]}',
         b'{"operations":[{"Create":{"uuid":"%s"},"Delete":{"uuid":"%s"}}]}' % (TASK.encode(), TASK.encode()),
         json.dumps({"operations": [update("a", 1)]}).encode(), json.dumps({"operations": [update(1, "a")]}).encode(),
         b"[" * 100_000, b"9" * 5000],
    )  # fmt: skip
    def test_malformed_versions_are_refused(self, remote, plaintext):
        """If this fails, data of an unknown kind ends in a traceback, or in wrong numbers."""
        if plaintext:
            added = remote.add_version(NIL_VERSION, plaintext)
            with pytest.raises(HistoryError, match=f"the version {added.version_id} opens with the secret, but"):
                fetch_history(remote)
        with pytest.raises(HistoryError):
            fetch_history(Scripted([version(plaintext)]))

    @pytest.mark.parametrize(
        "plaintext",
        [b"", b"not zlib", zlib.compress(b"[]"), zlib.compress(b"{}")[:-1], zlib.compress(b"{}") + b"x",
         zlib.compress(b'{"x":{}}'), zlib.compress(b'{"%s":1}' % TASK.encode()),
         zlib.compress(b'{"%s":{"a":1}}' % TASK.encode())],
    )  # fmt: skip
    def test_malformed_snapshots_are_refused(self, plaintext):
        """If this fails, a malformed snapshot crashes the wizard, or counts as no tasks."""
        with pytest.raises(HistoryError, match="the snapshot of version"):
            fetch_history(Scripted(snapshot=Snapshot(uuid4(), plaintext)))

    def test_a_decompression_bomb_is_refused(self):
        """If this fails, a few kilobytes of a hostile snapshot fill the memory."""
        bomb = zlib.compress(bytes(50_000_000), 9)
        with pytest.raises(HistoryError, match="larger than 1000000 bytes"):
            fetch_history(Scripted(snapshot=Snapshot(uuid4(), bomb)), plaintext_bytes_max=1_000_000)

    def test_an_endless_history_is_refused(self):
        """If this fails, a hostile server keeps the wizard reading for ever, or fills its memory."""
        one, two = uuid4(), uuid4()
        circle = [version([], NIL_VERSION, one), version([], one, two), version([], two, one)]
        with pytest.raises(HistoryError, match="comes twice"):
            fetch_history(Scripted(circle))
        large = [version([update("a", "x" * 600)], NIL_VERSION, one), version([update("a", "x" * 600)], one, two)]
        with pytest.raises(HistoryError, match="larger than"):
            fetch_history(Scripted(large), plaintext_bytes_max=1000)

    def test_reading_ends_at_the_deadline(self):
        """If this fails, a slow server keeps a person waiting without an end."""
        with pytest.raises(HistoryDeadlineError, match="0 versions"):
            fetch_history(Scripted([version([])]), deadline_s=-1)

    def test_a_history_with_a_gap_is_refused(self):
        """If this fails, a history that lost its beginning passes for a whole one."""
        with pytest.raises(HistoryError, match="has a gap"):
            fetch_history(Scripted(gone_answers=[True, True]))
