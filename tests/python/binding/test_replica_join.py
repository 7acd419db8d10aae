"""Replicas that join another history through the binding, copies of replicas, and syncs that only receive."""

import random
import threading
import time
from datetime import datetime, timedelta, timezone
from uuid import uuid4

import pytest
from unending import PROMPTLY_S, interrupted, nothing_left

from tcsync import (
    NIL_VERSION,
    Create,
    Delete,
    JoinReport,
    Replica,
    ReplicaError,
    ReplicaFault,
    TcsyncError,
    Update,
)

SHARED, HERE, THERE = uuid4(), uuid4(), uuid4()
THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
DATABASE = "taskchampion.sqlite3"


def at(seconds):
    return THEN + timedelta(seconds=seconds)


def task_of(task_id, description, seconds=1):
    return [Create(task_id), Update(task_id, "description", description, at(seconds))]


@pytest.fixture
def there(remote):
    """A replica of another computer, with the history of the server."""
    with Replica.in_memory() as opened:
        opened.commit(task_of(THERE, "only there"))
        opened.sync(remote)  # With the snapshot that the server wants, which brings no operations to others.
        opened.commit([*task_of(SHARED, "changed there", 5), Update(SHARED, "priority", "H", at(3))])
        opened.sync(remote)
        yield opened


@pytest.fixture
def here(tmp_path):
    """The replica of this computer, without that history."""
    with Replica(tmp_path / "data") as opened:
        opened.commit([*task_of(SHARED, "changed here", 4), Update(SHARED, "priority", "L", at(6))])
        opened.commit(task_of(HERE, "only here"))
        yield opened


@pytest.fixture
def history(there, remote):
    """A replica that has just received the history."""
    with Replica.in_memory() as received:
        received.sync(remote, receive_only=True)
        yield received


def fault(call, *arguments, **options):
    with pytest.raises(ReplicaError) as raised:
        call(*arguments, **options)
    return raised.value.fault


class TestJoin:
    def test_both_computers_end_with_the_later_changes(self, here, there, history, remote):
        """If this fails, a computer that joins loses its tasks, or an older change wins."""
        report = here.join(history)
        assert report == JoinReport(1, 1, 1, 1, 0, 0, [])
        assert here.state().base_version_id == history.state().base_version_id
        here.sync(remote)
        there.sync(remote)
        assert here.tasks() == there.tasks()
        assert here.task(SHARED) == {"description": "changed there", "priority": "L"}
        assert here.tasks().keys() == {SHARED, HERE, THERE}

    def test_doubtful_decisions_are_given(self, here, there, remote):
        """If this fails, a person does not learn that one of two changes was dropped without a reason."""
        there.commit([Update(SHARED, "project", "there", at(9)), Delete(THERE)])
        there.sync(remote)
        here.commit([Update(SHARED, "project", "here", at(9)), *task_of(THERE, "edited later", 20)])
        with Replica.in_memory() as received:
            received.sync(remote, receive_only=True)
            # A snapshot leaves out what was deleted before it, so the deletion came after it.
            doubtful = here.join(received).doubtful
        assert doubtful == [Update(SHARED, "project", "there", at(9), "here"), Create(THERE)]
        assert here.task(SHARED)["project"] == "there" and here.task(THERE) == {"description": "edited later"}

    def test_a_deletion_for_ever_stays(self, here, there, remote):
        """If this fails, tasks that were purged return from a computer that was away."""
        there.commit([Update(SHARED, "status", "deleted", at(30)), Delete(SHARED)])
        there.sync(remote)
        with Replica.in_memory() as received:
            received.sync(remote, receive_only=True)
            report = here.join(received)
        assert (report.removed_tasks, report.doubtful) == (1, [])
        assert here.tasks().keys() == {HERE, THERE}

    def test_a_second_join_adds_nothing(self, here, history):
        """If this fails, a join that is repeated after a Ctrl-C doubles the changes."""
        here.join(history)
        tasks, pending = here.tasks(), here.pending_operations()
        assert here.join(history).doubtful == []
        assert (here.tasks(), here.pending_operations()) == (tasks, pending)

    def test_the_copy_is_the_replica_as_it_was(self, here, history, tmp_path):
        """If this fails, a person who regrets a join cannot go back."""
        tasks, pending = here.tasks(), here.pending_operations()
        here.join(history, copy_directory=tmp_path / "not" / "yet")
        with Replica(tmp_path / "not" / "yet", create=False) as copy:
            assert (copy.tasks(), copy.pending_operations()) == (tasks, pending)
        assert fault(here.join, history, copy_directory=str(tmp_path / "data")) is ReplicaFault.INVALID_ARGUMENT
        assert fault(here.join, history, copy_directory="a\0b") is ReplicaFault.INVALID_ARGUMENT
        assert fault(here.join, history, copy_directory="") is ReplicaFault.INVALID_ARGUMENT

    def test_synced_operations_can_be_left_out(self, here, history):
        """If this fails, Taskwarrior 3.1 sends the whole history again, over later changes."""
        assert history.operations_of(SHARED)
        here.join(history, drop_synced_operations=True)
        assert [each.property for each in here.operations_of(SHARED)] == ["priority"]

    def test_a_wrong_history_is_refused(self, here, there, history):
        """If this fails, changes that were never sent are taken for sent ones, or the program hangs."""
        tasks = here.tasks()
        with pytest.raises(ReplicaError, match="join itself") as raised:
            here.join(here)
        assert raised.value.fault is ReplicaFault.INVALID_ARGUMENT
        there.commit([Update(THERE, "project", "unsent")])
        assert fault(here.join, there) is ReplicaFault.INVALID_ARGUMENT
        history.close()
        with pytest.raises(TcsyncError, match="closed"):
            here.join(history)
        assert here.tasks() == tasks

    def test_a_log_shows_no_tasks(self, here, there, remote):
        """If this fails, a program's log tells a person's tasks."""
        here.commit([Update(SHARED, "project", "private", at(9))])
        there.commit([Update(SHARED, "project", "secret", at(9))])
        there.sync(remote)
        with Replica.in_memory() as received:
            received.sync(remote, receive_only=True)
            shown = repr(here.join(received))
        assert "private" not in shown and "secret" not in shown and "added_tasks=1" in shown

    def test_another_programs_change_is_waited_for(self, here, history, tmp_path):
        """If this fails, a `task add` during a join is lost."""
        with Replica(tmp_path / "data") as beside:
            beside.commit([Update(HERE, "project", "beside", at(9))])
            here.join(history)
            beside.commit([Update(THERE, "project", "after", at(9))])
        assert here.task(HERE)["project"] == "beside" and here.task(THERE)["project"] == "after"


class TestThreads:
    def test_joins_crosswise_do_not_wait_for_each_other(self):
        """If this fails, two threads of a program wait for ever."""
        with Replica.in_memory() as one, Replica.in_memory() as two:
            failures = []

            def work(replica, history):
                try:
                    for _ in range(50):
                        replica.join(history)
                except BaseException as failure:
                    failures.append(failure)

            threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in ((one, two), (two, one))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PROMPTLY_S)
            assert not failures and not any(thread.is_alive() for thread in threads)

    def test_an_exception_arrives_on_its_thread(self, here, history):
        """If this fails, a program's worker takes a refused join for a finished one."""
        history.commit([Update(THERE, "project", "unsent")])
        faults = []
        thread = threading.Thread(target=lambda: faults.append(fault(here.join, history)))
        thread.start()
        thread.join(PROMPTLY_S)
        assert faults == [ReplicaFault.INVALID_ARGUMENT]

    def test_a_progress_function_cannot_join_the_replica_of_its_sync(self, here, history, remote):
        """If this fails, such a join waits for ever for the sync that waits for it."""
        failures = []

        def progress(_progress):
            with Replica.in_memory() as other:
                for replica, joined in ((here, other), (other, here)):
                    with pytest.raises(TcsyncError, match="progress function must not"):
                        replica.join(joined)
                    failures.append(joined)

        here.sync(remote, progress=progress)
        assert len(failures) >= 2


class TestCtrlC:
    def test_at_any_moment_it_joins_or_does_not(self, here, history):
        """If this fails, a Ctrl-C at the wrong moment loses a task, or leaves memory or a thread behind."""
        tasks = here.tasks()
        merged = {**history.tasks(), **tasks, SHARED: {"description": "changed there", "priority": "L"}}

        def join_for_ever():
            while True:
                here.join(history)

        with nothing_left():
            for _ in range(20):
                interrupted(join_for_ever, after_s=random.random() / 30)
                assert here.tasks() in (tasks, merged)
        here.join(history)
        assert here.tasks() == merged

    def test_an_interrupted_join_that_waits_for_the_history_is_left_undone(self, here, remote_of, slow):
        """If this fails, a join that a person has broken off happens minutes later."""
        with Replica.in_memory() as received, remote_of(slow.url) as silent:

            def sync():
                with pytest.raises(TcsyncError):
                    received.sync(silent)

            # Until the cancel, the sync of another thread has the replica.
            thread = threading.Thread(target=sync)
            thread.start()
            slow.asked.acquire()
            tasks = here.tasks()
            started = time.monotonic()
            interrupted(lambda: here.join(received), after_s=0.05)
            assert time.monotonic() - started < PROMPTLY_S and thread.is_alive()
            silent.cancel()
            thread.join(PROMPTLY_S)
            assert received.state().tasks == 0
            assert here.tasks() == tasks and len(here.pending_operations()) == 5


class TestFork:
    def test_a_child_is_refused_the_replicas_of_its_parent(self, here, history, tmp_path, fork):
        """If this fails, two processes join one database connection."""

        def work():
            assert fault(here.join, history) is ReplicaFault.FORKED
            with Replica.in_memory() as own:
                assert fault(own.join, history) is ReplicaFault.FORKED
            assert fault(Replica.copy_of, tmp_path / "data") is ReplicaFault.FORKED

        fork(work)()
        here.join(history)


class TestCopies:
    def test_a_copy_changes_nothing(self, here, tmp_path):
        """If this fails, a look at a replica changes the tasks of Taskwarrior."""
        with Replica.copy_of(tmp_path / "data") as copy:
            assert copy.tasks() == here.tasks() and copy.pending_operations() == here.pending_operations()
            copy.commit([Delete(HERE)])
            here.commit([Update(SHARED, "project", "later")])
            assert "project" not in copy.task(SHARED)
        assert here.task(HERE)

    def test_a_copy_joins_to_see_the_result(self, here, history, tmp_path):
        """If this fails, a program cannot show what a join would do before it does it."""
        with Replica.copy_of(str(tmp_path / "data")) as copy:
            expected = copy.join(history)
            assert copy.state().base_version_id == history.state().base_version_id
        assert here.state().base_version_id == NIL_VERSION
        assert here.join(history) == expected

    def test_a_copy_needs_a_database(self, tmp_path):
        """If this fails, a look at an empty computer creates a database."""
        assert fault(Replica.copy_of, tmp_path / "missing") is ReplicaFault.REPLICA_MISSING
        assert not (tmp_path / "missing").exists()
        with pytest.raises(TcsyncError, match="busy_timeout_s"):
            Replica.copy_of(tmp_path, busy_timeout_s=0)
        (tmp_path / DATABASE).write_bytes(b"not a database" * 1000)
        assert fault(Replica.copy_of, tmp_path) is ReplicaFault.WRONG_FORMAT
        assert (tmp_path / DATABASE).read_bytes() == b"not a database" * 1000


class TestReceiveOnly:
    def test_nothing_is_sent(self, here, there, remote):
        """If this fails, a program changes a history that it only wanted to compare."""
        pending = here.state().pending_operations
        report = here.sync(remote, receive_only=True)
        assert (report.received_versions, report.sent_versions, report.has_sent_snapshot) == (2, 0, False)
        assert here.state().pending_operations <= pending and here.task(THERE)
        assert there.sync(remote).received_versions == 0

    def test_it_ends_at_a_version(self, here, there, remote):
        """If this fails, a computer cannot catch up to the version at which a new history begins."""
        version_id = there.state().base_version_id
        there.commit([Update(THERE, "project", "later")])
        there.sync(remote)
        here.sync(remote, last_version_id=version_id)
        assert here.state().base_version_id == version_id and "project" not in here.task(THERE)
        here.sync(remote, last_version_id=uuid4())
        assert here.state().base_version_id == there.state().base_version_id
        assert here.task(HERE) and here.pending_operations()

    @pytest.mark.parametrize("version_id", [NIL_VERSION, "latest", ""])
    def test_no_version_is_refused(self, here, remote, version_id):
        """If this fails, a program's mistake receives everything, and says nothing."""
        with pytest.raises(ReplicaError, match="last_version_id") as raised:
            here.sync(remote, last_version_id=version_id)
        assert raised.value.name == "TCSYNC_INVALID_UUID" and raised.value.sync_report.received_versions == 0
