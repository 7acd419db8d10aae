"""The sync of replicas through the binding, against the real server: conflicts, faults, progress, and its end."""

import random
import threading
import time
from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from unending import PROMPTLY_S, interrupted, nothing_left

from tcsync import (
    NIL_VERSION,
    CallCancelledError,
    Create,
    Credentials,
    Delete,
    RemoteError,
    RemoteFault,
    RemoteServer,
    Replica,
    ReplicaError,
    ReplicaFault,
    Secret,
    SyncError,
    SyncFault,
    SyncReport,
    TcsyncError,
    UndoPoint,
    UnsealError,
    UnsealFault,
    Update,
    Version,
)
from tcsync._history_server import HistoryServer

TASK, OTHER = uuid4(), uuid4()
THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def task_of(description, task_id=TASK):
    return [Create(task_id), Update(task_id, "status", "pending"), Update(task_id, "description", description, THEN)]


@pytest.fixture
def replica():
    with Replica.in_memory() as opened:
        yield opened


@pytest.fixture
def other():
    with Replica.in_memory() as opened:
        yield opened


def received(remote):
    """The tasks that a new computer receives, and their version."""
    with Replica.in_memory() as opened:
        opened.sync(remote, receive_only=True)
        return opened.tasks(), opened.state().base_version_id


class TestTwoComputers:
    def test_tasks_reach_the_other_computer(self, replica, other, remote):
        """If this fails, a task is on one computer only."""
        replica.commit([UndoPoint(), *task_of("x")])
        sent = replica.sync(remote)
        assert (sent.sent_versions, sent.sent_operations, sent.received_versions) == (1, 3, 0)
        got = other.sync(remote)
        tasks, version_id = received(remote)
        assert other.tasks() == replica.tasks() == tasks
        assert other.working_set() == {1: TASK}
        assert got.received_versions == 1 or got.has_applied_snapshot
        state = other.state()
        assert state.base_version_id == replica.state().base_version_id == version_id
        assert state.pending_operations == 0 and replica.undoable_operations() == []
        assert replica.sync(remote) == SyncReport(0, 0, 0, 0, False, False)

    def test_the_later_change_wins(self, replica, other, remote):
        """If this fails, two computers show different tasks for ever, or an older change wins."""
        replica.commit(task_of("x"))
        replica.sync(remote)
        other.sync(remote)
        replica.commit([Update(TASK, "description", "earlier", THEN + timedelta(hours=1)), Update(TASK, "a", "1")])
        other.commit([Update(TASK, "description", "later", THEN + timedelta(hours=2)), Update(TASK, "b", "1")])
        for each in (other, replica, other):
            each.sync(remote)
        assert replica.tasks() == other.tasks()
        assert replica.task(TASK) == {"status": "pending", "description": "later", "a": "1", "b": "1"}

    def test_nanoseconds_decide(self, replica, other, remote):
        """If this fails, of two changes within a microsecond each computer keeps its own."""
        replica.commit(task_of("x"))
        replica.sync(remote)
        other.sync(remote)
        later = THEN + timedelta(days=1)
        replica.commit([Update(TASK, "description", "later", later, nanosecond=2)])
        other.commit([Update(TASK, "description", "earlier", later, nanosecond=1)])
        for each in (replica, other, replica):
            each.sync(remote)
        assert [each.task(TASK)["description"] for each in (replica, other)] == ["later", "later"]
        assert other.operations_of(TASK)[-1].nanosecond == 2 or replica.operations_of(TASK)[-1].nanosecond == 2

    def test_an_empty_replica_begins_with_the_snapshot(self, replica, other, remote):
        """If this fails, a new computer fetches years of changes, some of which the server has removed."""
        replica.commit(task_of("x"))
        assert replica.sync(remote).has_sent_snapshot and remote.get_snapshot()
        report = other.sync(remote)
        assert report.has_applied_snapshot and other.tasks() == replica.tasks()

    def test_a_sent_change_is_not_undone(self, replica, remote):
        """If this fails, an undo removes tasks on this computer that all others keep."""
        replica.commit([UndoPoint(), *task_of("x")])
        shown = replica.undoable_operations()
        replica.sync(remote)
        assert not replica.undo(shown) and not replica.undo()
        assert replica.task(TASK)

    def test_operations_of_a_deleted_task_are_forgotten(self, replica, remote):
        """If this fails, the text of a task that a person has purged stays on the computer."""
        replica.commit(task_of("private"))
        replica.sync(remote)
        replica.commit([Delete(TASK)])
        replica.sync(remote)
        assert replica.operations_of(TASK) == []


class TestFaults:
    def test_a_circle_of_versions_ends(self, replica, client_and_key):
        """If this fails, a broken server keeps a sync running until the memory is full."""
        credentials, key = client_and_key
        first, second = uuid4(), uuid4()
        segment = b'{"operations":[]}'
        versions = {
            NIL_VERSION: (first, key.seal(NIL_VERSION, segment)),
            first: (second, key.seal(first, segment)),
            second: (first, key.seal(second, segment)),
        }
        with HistoryServer(credentials.client_id, versions, None) as server:
            here = Credentials(server.url, credentials.client_id, credentials.secret)
            with (
                RemoteServer(here, key=key, proxy="") as remote,
                pytest.raises(SyncError, match="comes twice") as caught,
            ):
                replica.sync(remote)
        assert caught.value.fault is SyncFault.INVALID_VERSION
        assert caught.value.sync_report.version_id == first
        assert replica.state().base_version_id == second

    def test_a_replaced_history_is_reported(self, replica, remote, server):
        """If this fails, a replica mixes its tasks into another person's history."""
        replica.commit(task_of("x"))
        replica.sync(remote)
        replica.commit([Update(TASK, "description", "y")])
        with RemoteServer(Credentials.generate(server.url), proxy="") as strange:
            strange.add_version(NIL_VERSION, b'{"operations":[]}')
            with pytest.raises(SyncError) as raised:
                replica.sync(strange)
        assert raised.value.fault is SyncFault.HISTORY_GONE and raised.value.name == "TCSYNC_SYNC_HISTORY_GONE"
        assert raised.value.sync_report.version_id == replica.state().base_version_id
        assert replica.task(TASK)["description"] == "y"

    def test_an_invalid_version_is_named(self, replica, remote):
        """If this fails, the person who looks for the broken program does not learn which version it wrote."""
        good = remote.add_version(NIL_VERSION, b'{"operations":[{"Create":{"uuid":"%s"}}]}' % str(TASK).encode())
        bad = remote.add_version(good.version_id, b"not JSON")
        with pytest.raises(SyncError) as raised:
            replica.sync(remote)
        assert (raised.value.fault, raised.value.sync_report.version_id) == (SyncFault.INVALID_VERSION, bad.version_id)
        # The report has what stays.
        versions = [NIL_VERSION, good.version_id]
        assert replica.state().base_version_id == versions[raised.value.sync_report.received_versions]
        assert len(replica.tasks()) == raised.value.sync_report.received_versions

    def test_an_invalid_snapshot_is_named(self, replica, remote):
        """If this fails, a new computer shows no tasks and says nothing."""
        version_id = remote.add_version(NIL_VERSION, b'{"operations":[]}').version_id
        remote.add_snapshot(version_id, b"no snapshot")
        with pytest.raises(SyncError) as raised:
            replica.sync(remote)
        assert (raised.value.fault, raised.value.sync_report.version_id) == (SyncFault.INVALID_SNAPSHOT, version_id)

    def test_a_wrong_secret_is_reported(self, replica, remote, credentials):
        """If this fails, a wrong secret is taken for a broken history."""
        added = remote.add_version(NIL_VERSION, b'{"operations":[]}')
        wrong = Credentials(credentials.url, credentials.client_id, Secret("wrong"))
        with RemoteServer(wrong, proxy="") as strange, pytest.raises(UnsealError) as raised:
            replica.sync(strange)
        assert raised.value.fault is UnsealFault.WRONG_KEY
        assert raised.value.sync_report == SyncReport(0, 0, 0, 0, False, False, added.version_id)

    def test_an_unreachable_server_is_reported(self, replica, remote_of):
        """If this fails, a person does not learn that the server is not running."""
        replica.commit(task_of("x"))
        with remote_of("http://127.0.0.1:1") as remote, pytest.raises(RemoteError) as raised:
            replica.sync(remote)
        assert raised.value.fault is RemoteFault.CONNECTION_REFUSED
        assert replica.state().pending_operations == 3, "nothing is lost"

    def test_a_closed_object_is_refused(self, replica, remote):
        """If this fails, a late sync runs into freed memory."""
        remote.close()
        with pytest.raises(TcsyncError, match="closed"):
            replica.sync(remote)
        replica.close()
        with pytest.raises(TcsyncError, match="closed"):
            replica.sync(remote)

    def test_a_forked_process_is_refused(self, replica, remote, fork):
        """If this fails, two processes sync one database connection."""

        def work():
            with pytest.raises(ReplicaError) as raised:
                replica.sync(remote)
            assert raised.value.fault is ReplicaFault.FORKED

        fork(work)()
        replica.sync(remote)


class TestProgress:
    def test_progress_is_counted(self, replica, other, remote):
        """If this fails, a progress bar stands still."""
        replica.commit(task_of("x"))
        steps = []
        replica.sync(remote, progress=steps.append)
        assert steps and (steps[-1].sent_versions, steps[-1].sent_operations, steps[-1].operations_to_send) == (1, 3, 0)
        numbers = [step.sent_operations for step in steps]
        assert numbers == sorted(numbers)
        replica.commit([Update(TASK, "a", "1")])
        replica.sync(remote)
        steps.clear()
        other.sync(remote, progress=steps.append)
        assert steps and steps[-1].received_versions >= 1

    def test_an_exception_ends_the_sync_and_arrives(self, replica, remote):
        """If this fails, a mistake in a progress bar is swallowed, or ends the program."""

        class Stop(BaseException):
            pass

        replica.commit(task_of("x"))

        def stop(_progress):
            raise Stop

        for _ in range(2):
            calls = []
            with pytest.raises(Stop):
                replica.sync(remote, progress=lambda progress, calls=calls: (calls.append(progress), stop(progress)))
            assert len(calls) == 1
            replica.commit([Update(TASK, "a", "1")])
        replica.sync(remote)
        assert received(remote)[0] == replica.tasks()

    def test_a_cancel_within_it_ends_the_sync(self, replica, remote):
        """If this fails, a cancel button of a progress bar has no effect."""
        remote.add_version(NIL_VERSION, b'{"operations":[]}')
        replica.commit(task_of("x"))
        with pytest.raises(CallCancelledError) as raised:
            replica.sync(remote, progress=lambda _: remote.cancel())
        assert raised.value.sync_report == SyncReport(1, 0, 0, 0, False, False)
        replica.sync(remote)
        assert received(remote)[0] == replica.tasks()

    @pytest.mark.parametrize("on_main_thread", [True, False])
    def test_calls_of_its_own_objects_are_refused(self, replica, remote, on_main_thread):
        """If this fails, such a call waits for ever for the sync that waits for it."""
        replica.commit(task_of("x"))
        failures = []

        def progress(_progress):
            for call in (replica.tasks, replica.undo, lambda: replica.sync(remote), remote.get_snapshot):
                with pytest.raises(TcsyncError, match="progress function must not"):
                    call()
                failures.append(call)

        def sync():
            replica.sync(remote, progress=progress)

        if on_main_thread:
            sync()
        else:
            thread = threading.Thread(target=sync)
            thread.start()
            thread.join(60)
        assert len(failures) >= 4 and len(failures) % 4 == 0

    def test_the_database_is_free_meanwhile(self, tmp_path, remote):
        """If this fails, a person's `task` waits until a long sync ends."""
        with Replica(tmp_path) as replica, Replica(tmp_path, busy_timeout_s=1) as taskwarrior:
            replica.commit(task_of("x"))
            added = []

            def progress(_progress):
                if not added:
                    taskwarrior.commit(task_of("meanwhile", OTHER))
                    added.append(OTHER)

            replica.sync(remote, progress=progress)
            replica.sync(remote)
            assert set(received(remote)[0]) == {TASK, OTHER}


class TestCancel:
    def test_ctrl_c_ends_a_sync(self, replica, remote_of, slow):
        """If this fails, Ctrl-C during a sync waits for a server, or leaves a thread and a connection behind."""
        replica.commit(task_of("x"))
        with nothing_left():
            remote = remote_of(slow.url)
            started = time.monotonic()
            interrupted(lambda: replica.sync(remote), slow.asked.acquire)
            assert time.monotonic() - started < PROMPTLY_S
            # It is over: nothing uses the two any more.
            assert remote.handle._users == replica._handle._users == 0
            remote.close()
        assert replica.task(TASK) and replica.state().pending_operations == 3

    def test_interrupts_at_any_moment_lose_nothing(self, tmp_path, remote):
        """If this fails, a Ctrl-C at the wrong moment hangs the program, or loses or doubles a change."""
        with Replica(tmp_path) as replica:
            replica.commit(task_of("x"))

            def sync_for_ever():
                while True:
                    replica.commit([Update(TASK, "n", str(random.random()))])
                    replica.sync(remote)

            for _ in range(30):
                interrupted(sync_for_ever, after_s=random.random() / 30)
            replica.sync(remote)
            assert received(remote)[0] == replica.tasks()
            assert replica.state().pending_operations == 0

    def test_another_thread_can_cancel_it(self, replica, remote_of, slow):
        """If this fails, a program cannot stop the sync in its worker."""
        with remote_of(slow.url) as remote:

            def cancel():
                slow.asked.acquire()
                remote.cancel()

            thread = threading.Thread(target=cancel)
            thread.start()
            with pytest.raises(CallCancelledError):
                replica.sync(remote)
            thread.join()

    def test_an_interrupted_call_that_waits_for_a_sync_is_left_undone(self, replica, remote_of, slow):
        """If this fails, a change that a person has broken off is applied minutes later."""
        with remote_of(slow.url) as remote:
            failures = []

            def sync():
                try:
                    replica.sync(remote)
                except TcsyncError as failure:
                    failures.append(type(failure))

            thread = threading.Thread(target=sync)
            thread.start()
            slow.asked.acquire()
            started = time.monotonic()
            interrupted(lambda: replica.commit(task_of("x")), after_s=0.05)
            assert time.monotonic() - started < PROMPTLY_S and thread.is_alive()
            # The same for a sync.
            interrupted(lambda: replica.sync(remote), after_s=0.05)
            assert thread.is_alive()
            remote.cancel()
            thread.join(PROMPTLY_S)
            assert failures == [CallCancelledError]
            assert replica.tasks() == {}


def test_versions_are_those_of_taskchampion(replica, remote):
    """If this fails, Taskwarrior cannot read what this replica sends."""
    replica.commit([UndoPoint(), Create(TASK), Update(TASK, "description", "x", THEN, nanosecond=5), Delete(TASK)])
    replica.sync(remote)
    version = remote.get_child_version(NIL_VERSION)
    assert isinstance(version, Version) and isinstance(version.version_id, UUID)
    assert b"UndoPoint" not in version.plaintext and b"2026-01-02T03:04:05.000000005Z" in version.plaintext
