"""Replicas through the binding: real databases, a real server, and other programs at the same database."""

import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from support import wait_until
from unending import PROMPTLY_S, interrupted, nothing_left

from tcsync import (
    NIL_VERSION,
    Create,
    Delete,
    Replica,
    ReplicaError,
    ReplicaFault,
    ReplicaState,
    TcsyncError,
    UndoPoint,
    Update,
)

TASK, OTHER = uuid4(), uuid4()
THEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
DATABASE = "taskchampion.sqlite3"


def task_of(description, task_id=TASK):
    return [Create(task_id), Update(task_id, "status", "pending"), Update(task_id, "description", description)]


@pytest.fixture
def replica(tmp_path):
    with Replica(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def holder(tmp_path):
    """Another program that holds the database of `replica`. Gives a function that ends it."""
    program = (
        "import sqlite3, sys\n"
        "held = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "held.execute('BEGIN EXCLUSIVE')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    processes = []

    def hold(replica):
        assert replica.state().tasks >= 0, "the database exists"
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "data" / DATABASE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout.readline() == b"held\n"

        def end():
            process.communicate(timeout=60)

        return end

    yield hold
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def fault(call, *arguments, **options):
    with pytest.raises(ReplicaError) as raised:
        call(*arguments, **options)
    assert raised.value.name == f"TCSYNC_{raised.value.fault.name}"
    return raised.value.fault


def wait_until_running(replica):
    wait_until(lambda: replica._handle._running, PROMPTLY_S, "a call runs")


class TestTasks:
    def test_tasks_are_kept(self, replica, tmp_path):
        """If this fails, tasks are lost when the program ends, or come back changed."""
        values = {"description": "naïve ☃", "empty": "", "zero": "a\0b", "ключ": "line\nline", "long": "x" * 100_000}
        replica.commit([Create(TASK), *(Update(TASK, name, value) for name, value in values.items())])
        replica.commit(task_of("second", OTHER))
        replica.close()
        with Replica(tmp_path / "data", create=False) as again:
            assert again.task(TASK) == values
            assert again.tasks() == {TASK: values, OTHER: {"status": "pending", "description": "second"}}
            assert list(again.tasks()) == [TASK, OTHER], "in the order of their arrival"
            assert again.task(uuid4()) is None
        assert (tmp_path / "data" / DATABASE).is_file()

    def test_a_property_can_be_removed(self, replica):
        """If this fails, a person cannot remove a due date."""
        replica.commit([*task_of("x"), Update(TASK, "due", "1")])
        replica.commit([Update(TASK, "due", None)])
        assert replica.task(TASK) == {"status": "pending", "description": "x"}
        replica.commit([Delete(TASK)])
        assert replica.tasks() == {} and replica.task(TASK) is None

    def test_operations_are_applied_together_or_not_at_all(self, replica):
        """If this fails, a mistake of a program leaves half of a change behind."""
        with pytest.raises(ReplicaError, match="1") as raised:
            replica.commit([Create(TASK), Update(OTHER, "description", "x")])
        assert raised.value.fault is ReplicaFault.INVALID_OPERATION and raised.value.name == "TCSYNC_INVALID_OPERATION"
        assert replica.tasks() == {} and replica.pending_operations() == []

    @pytest.mark.parametrize(
        "operation",
        [
            None,
            "Create",
            Create(str(TASK)),
            Update(TASK, 5, "x"),
            Update(TASK, "x", 5),
            Update(TASK, "x", "\ud800"),
            Update(TASK, "x", "x", datetime(2026, 1, 1)),
            Update(TASK, "x", "x", "2026-01-01"),
            Update(TASK, "x", "x", THEN, None, 1000),
            Update(TASK, "x", "x", THEN, None, -1),
        ],
    )
    def test_wrong_types_are_named(self, replica, operation):
        """If this fails, a mistake of a program ends in a traceback from ctypes, or in wrong data."""
        with pytest.raises(ReplicaError, match="operation 1 ") as raised:
            replica.commit([Create(TASK), operation])
        assert raised.value.fault is ReplicaFault.INVALID_ARGUMENT
        assert replica.tasks() == {}

    def test_the_working_set_numbers_tasks(self, replica):
        """If this fails, a person's `task 2 done` completes another task."""
        third = uuid4()
        for number, task in enumerate((TASK, OTHER, third)):
            replica.commit(task_of(f"task {number}", task))
        assert replica.working_set() == {1: TASK, 2: OTHER, 3: third}
        replica.commit([Update(OTHER, "status", "completed")])
        replica.rebuild_working_set()
        assert replica.working_set() == {1: TASK, 3: third}
        replica.rebuild_working_set(renumber=True)
        assert replica.working_set() == {1: TASK, 2: third}

    def test_the_state_counts(self, replica):
        """If this fails, a program cannot tell that a sync is due."""
        assert replica.state() == ReplicaState(NIL_VERSION, 0, 0, 0)
        replica.commit([UndoPoint(), *task_of("x")])
        assert replica.state() == ReplicaState(NIL_VERSION, 1, 3, 1)

    def test_a_log_shows_no_tasks(self, replica):
        """If this fails, a program's log tells a person's tasks."""
        replica.commit([*task_of("private"), Update(TASK, "description", "secret"), Delete(TASK)])
        shown = repr(replica.pending_operations())
        assert "private" not in shown and "secret" not in shown and str(TASK) in shown


class TestOperations:
    def test_times_keep_their_nanoseconds(self, replica):
        """If this fails, a change that was read and written again loses against one that it had won against."""
        given = [
            Update(TASK, "a", "1", THEN, None, 234),
            Update(TASK, "b", "1", datetime(1, 1, 1, tzinfo=timezone.utc), None, 1),
            Update(TASK, "c", "1", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc), None, 999),
            Update(TASK, "d", "1", datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc), None, 999),
        ]
        replica.commit([Create(TASK), *given])
        assert replica.pending_operations() == [Create(TASK), *given]

    def test_other_time_zones_are_converted(self, replica):
        """If this fails, changes from computers in different time zones win and lose wrongly."""
        local = THEN.astimezone(timezone(timedelta(hours=-7)))
        replica.commit([Create(TASK), Update(TASK, "a", "1", local)])
        read = replica.pending_operations()[1].timestamp
        assert read == THEN and read.utcoffset() == timedelta(0)

    def test_an_update_without_a_time_has_that_of_the_commit(self, replica):
        """If this fails, a change loses against an older one."""
        before = datetime.now(timezone.utc)
        replica.commit(task_of("x"))
        after = datetime.now(timezone.utc)
        assert all(before <= each.timestamp <= after for each in replica.pending_operations()[1:])

    def test_operations_tell_what_they_replaced(self, replica):
        """If this fails, a program cannot show what an undo brings back."""
        replica.commit(task_of("one"))
        replica.commit([Update(TASK, "description", "two", THEN, "ignored"), Update(TASK, "empty", "", THEN)])
        replica.commit([Update(TASK, "empty", None, THEN), Delete(TASK, {"ignored": "yes"})])
        *_, two, empty, removed, deleted = replica.operations_of(TASK)
        assert two == Update(TASK, "description", "two", THEN, "one")
        assert (empty.old_value, removed.old_value, removed.value) == (None, "", None)
        assert deleted == Delete(TASK, {"status": "pending", "description": "two"})
        assert len({two, deleted, two}) == 2, "operations can be members of a set"

    def test_the_operations_of_a_task_are_its_own(self, replica):
        """If this fails, a task's history shows another task's changes."""
        replica.commit([UndoPoint(), *task_of("one"), *task_of("two", OTHER)])
        assert [each.task_id for each in replica.operations_of(OTHER)] == [OTHER] * 3
        assert replica.operations_of(uuid4()) == []


class TestUndo:
    def test_reverts_to_the_last_undo_point(self, replica):
        """If this fails, an undo reverts too much, or not all."""
        replica.commit([UndoPoint(), *task_of("one")])
        before = replica.tasks()
        replica.commit([UndoPoint(), Update(TASK, "description", "two"), *task_of("new", OTHER)])
        undoable = replica.undoable_operations()
        assert undoable[0] == UndoPoint() and len(undoable) == 5
        assert replica.undo(undoable)
        assert replica.tasks() == before
        assert replica.undo() and replica.tasks() == {}
        assert not replica.undo(), "nothing is left"

    def test_leaves_the_changes_of_another_program(self, replica, tmp_path):
        """If this fails, an undo reverts a change that the person has not seen."""
        replica.commit([UndoPoint(), *task_of("one")])
        shown = replica.undoable_operations()
        with Replica(tmp_path / "data") as other:
            other.commit([UndoPoint(), Update(TASK, "description", "theirs")])
        assert not replica.undo(shown)
        assert replica.task(TASK)["description"] == "theirs"
        assert replica.undo() and replica.task(TASK)["description"] == "one"
        assert replica.undo(shown) and replica.tasks() == {}


class TestOpening:
    def test_a_missing_database_is_created_only_if_wanted(self, tmp_path):
        """If this fails, a mistyped directory becomes an empty replica."""
        assert fault(Replica, tmp_path / "a", create=False) is ReplicaFault.REPLICA_MISSING
        assert not (tmp_path / "a").exists()
        with Replica(str(tmp_path / "a" / "b")):
            assert (tmp_path / "a" / "b" / DATABASE).is_file()

    def test_a_file_that_is_no_replica_is_left_alone(self, tmp_path):
        """If this fails, a file of another program is overwritten."""
        (tmp_path / "text").mkdir()
        (tmp_path / "text" / DATABASE).write_bytes(b"not a database" * 1000)
        assert fault(Replica, tmp_path / "text") is ReplicaFault.WRONG_FORMAT
        assert (tmp_path / "text" / DATABASE).read_bytes() == b"not a database" * 1000
        (tmp_path / "foreign").mkdir()
        with closing(sqlite3.connect(tmp_path / "foreign" / DATABASE)) as database:
            database.execute("CREATE TABLE songs (title TEXT)")
            assert fault(Replica, tmp_path / "foreign") is ReplicaFault.WRONG_FORMAT
            assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]

    def test_a_later_major_version_is_refused(self, replica, tmp_path):
        """If this fails, an old program damages the database of a newer one."""
        replica.close()
        with closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as database, database:
            database.execute("UPDATE version SET major = 99")
        assert fault(Replica, tmp_path / "data") is ReplicaFault.WRONG_FORMAT

    def test_a_directory_that_cannot_be_made_is_named(self, tmp_path):
        """If this fails, a person does not learn which directory is wrong."""
        (tmp_path / "file").write_text("x")
        with pytest.raises(ReplicaError, match="file") as raised:
            Replica(tmp_path / "file" / "data")
        assert raised.value.fault is ReplicaFault.SYSTEM

    @pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), 1e9])
    def test_a_wrong_timeout_is_refused(self, tmp_path, timeout_s):
        """If this fails, a mistake in a program's options waits for ever."""
        with pytest.raises(TcsyncError, match="busy_timeout_s"):
            Replica(tmp_path, busy_timeout_s=timeout_s)

    def test_a_name_with_a_zero_byte_is_refused(self):
        """If this fails, another directory is opened than the one that was named."""
        assert fault(Replica, "a\0b") is ReplicaFault.INVALID_ARGUMENT

    def test_replicas_in_memory_are_apart(self):
        """If this fails, two tests of a program see each other's tasks."""
        with Replica.in_memory() as one, Replica.in_memory() as two:
            one.commit(task_of("x"))
            assert one.working_set() == {1: TASK} and two.tasks() == {}

    def test_use_after_closing_is_refused(self, tmp_path):
        """If this fails, a second close or a late call runs into freed memory."""
        replica = Replica(tmp_path)
        replica.close()
        replica.close()
        for call in (replica.tasks, replica.undo, replica.state, lambda: replica.commit([])):
            with pytest.raises(TcsyncError, match="closed"):
                call()


class TestOtherPrograms:
    def test_changes_of_another_program_are_seen(self, replica, tmp_path):
        """If this fails, a program shows tasks that Taskwarrior has changed meanwhile."""
        program = (
            "import sys, uuid, tcsync\n"
            "with tcsync.Replica(sys.argv[1], create=False) as replica:\n"
            "    replica.commit(tcsync.task_model.add(uuid.UUID(sys.argv[2]), 'theirs'))\n"
        )
        replica.commit(task_of("mine"))
        subprocess.run([sys.executable, "-c", program, str(tmp_path / "data"), str(OTHER)], check=True, timeout=60)
        assert replica.task(OTHER)["description"] == "theirs"
        assert replica.working_set() == {1: TASK, 2: OTHER}

    def test_a_held_database_is_waited_for(self, replica, holder):
        """If this fails, a change is lost because Taskwarrior was running at that moment."""
        end = holder(replica)
        done = threading.Event()

        def commit():
            replica.commit(task_of("x"))
            done.set()

        thread = threading.Thread(target=commit)
        thread.start()
        assert not done.wait(0.2)
        end()
        thread.join(60)
        assert done.is_set() and replica.task(TASK)

    def test_the_wait_has_an_end(self, tmp_path, holder):
        """If this fails, a program hangs while another one holds the database."""
        with Replica(tmp_path / "data", busy_timeout_s=0.05) as replica:
            end = holder(replica)
            assert fault(replica.commit, task_of("x")) is ReplicaFault.IN_USE
            end()
            replica.commit(task_of("x"))

    def test_a_damaged_record_is_reported(self, replica, tmp_path):
        """If this fails, a damaged database reads as one without tasks."""
        replica.commit(task_of("x"))
        with closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as database, database:
            database.execute("UPDATE tasks SET data = '{'")
        assert fault(replica.tasks) is ReplicaFault.DATA_LOSS


class TestThreads:
    def test_many_threads_can_use_one_replica(self, replica):
        """If this fails, two threads with one object get errors, or corrupt each other's changes."""
        failures = []

        def work():
            try:
                for _ in range(20):
                    task = uuid4()
                    replica.commit(task_of("x", task))
                    assert replica.task(task)
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not failures and replica.state().tasks == 100


class TestCtrlC:
    def test_ends_the_wait_for_another_program(self, tmp_path, holder):
        """If this fails, Ctrl-C does not work while Taskwarrior syncs."""
        with Replica(tmp_path / "data", busy_timeout_s=600) as replica:
            end = holder(replica)
            started = time.monotonic()
            interrupted(lambda: replica.commit(task_of("x")), lambda: wait_until_running(replica))
            assert time.monotonic() - started < PROMPTLY_S
            end()
            # It had begun, so it went on, and the next call waits for it.
            assert replica.task(TASK)

    def test_interrupts_of_openings_leave_nothing(self, tmp_path):
        """If this fails, a Ctrl-C at the wrong moment leaves a database open."""

        def open_for_ever():
            while True:
                Replica(tmp_path).close()

        Replica(tmp_path).close()
        with nothing_left():
            for _ in range(50):
                interrupted(open_for_ever, after_s=random.random() / 50)


class TestFork:
    def test_a_child_is_refused_a_replica_beside_its_parents(self, replica, tmp_path, fork):
        """If this fails, a forked process loses its changes, or damages the database of its parent."""
        replica.commit(task_of("parent"))

        def work():
            for call in (replica.tasks, replica.state, replica.undo, lambda: replica.commit(task_of("x", OTHER))):
                assert fault(call) is ReplicaFault.FORKED
            replica.close()
            for directory in (tmp_path / "data", tmp_path / "other"):
                assert fault(lambda directory=directory: Replica(directory)) is ReplicaFault.FORKED
            with Replica.in_memory() as own:
                own.commit(task_of("child", OTHER))

        fork(work)()
        assert replica.task(OTHER) is None
        replica.commit([Update(TASK, "description", "still works")])

    def test_a_child_opens_a_replica_that_its_parent_has_closed(self, replica, tmp_path, fork):
        """If this fails, a server that forks cannot keep replicas at all."""
        replica.commit(task_of("parent"))
        replica.close()

        def work():
            with Replica(tmp_path / "data", create=False) as own:
                own.commit(task_of("child", OTHER))

        fork(work)()
        with Replica(tmp_path / "data", create=False) as again:
            assert again.task(OTHER)["description"] == "child"

    def test_a_child_does_not_wait_for_a_call_of_the_parents_thread(self, replica, holder, fork):
        """If this fails, a forked process waits for ever for a thread that it lacks."""
        end = holder(replica)
        thread = threading.Thread(target=replica.commit, args=(task_of("x"),))
        thread.start()
        wait_until_running(replica)

        def work():
            assert fault(replica.tasks) is ReplicaFault.FORKED
            replica.close()

        fork(work)()
        end()
        thread.join(60)
        assert replica.task(TASK)


def test_identifiers_are_uuids(replica):
    """If this fails, a program's lookup by UUID finds nothing."""
    replica.commit(task_of("x"))
    assert replica.task(UUID(str(TASK).upper())) and all(isinstance(task, UUID) for task in replica.tasks())
