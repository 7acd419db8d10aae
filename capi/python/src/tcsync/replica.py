"""One computer's copy of a client's tasks, in the database that Taskwarrior 3 uses, and its sync with a server.

A task is a mapping of properties to values, both text. Every change is an operation; those that no sync has sent yet
are pending. docs/replica.md has the rules. task_model reads and makes the properties as Taskwarrior does.

Other programs, Taskwarrior among them, may use the same database at the same time. Each call is one transaction or a
few short ones, and a sync holds none during a request.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from . import _declarations as c
from . import _library, _replica_calls
from .errors import ReplicaError, TcsyncError
from .operations import Operation
from .remote import RemoteServer


@dataclass(frozen=True)
class ReplicaState:
    """The state of a replica at one moment."""

    #: The version up to which the replica has its client's history; NIL_VERSION before the first sync.
    base_version_id: UUID
    #: The number of tasks, completed and deleted ones included.
    tasks: int
    #: The number of operations that no sync has sent, without undo points.
    pending_operations: int
    pending_undo_points: int


@dataclass(frozen=True)
class SyncProgress:
    """The progress of a sync: numbers since its beginning."""

    received_versions: int
    received_operations: int
    sent_versions: int
    sent_operations: int
    #: The pending operations that remain.
    operations_to_send: int


@dataclass(frozen=True)
class SyncReport:
    """The effects of a sync."""

    received_versions: int
    received_operations: int
    sent_versions: int
    sent_operations: int
    #: Whether the replica was empty, and began with the server's snapshot.
    has_applied_snapshot: bool
    #: Whether a snapshot was sent. The server may have declined it.
    has_sent_snapshot: bool
    #: Of a sync that failed: the version with the fault, or that of the snapshot; None if the fault is of none.
    version_id: UUID | None = None


@dataclass(frozen=True)
class JoinReport:
    """The effects of joining a history. Tasks that both had with equal properties are in no number."""

    #: Only the history had them.
    received_tasks: int
    #: Only the replica had them.
    added_tasks: int
    #: Both had them, and properties of the replica won.
    changed_tasks: int
    #: Both had them, and properties of the history won.
    overruled_tasks: int
    #: Tasks of the replica that the history had deleted for ever.
    removed_tasks: int
    #: Tasks of the history that the replica had deleted for ever.
    deleted_tasks: int
    #: The decisions that the times did not make: equal times, or one that is not known. An Update has the value that
    #: won, and the other one as its old value. A Create is a task of the replica that came back, and a Delete a task of
    #: the history that stayed.
    doubtful: list[Operation] = field(default_factory=list, repr=False, hash=False)


#: Receives the progress after each step of a sync.
ProgressFunction = Callable[[SyncProgress], None]


class Replica(_library.Closing):
    """The tasks of one computer. A context manager.

    The constructor opens `directory`/taskchampion.sqlite3. A database of an earlier release of TaskChampion is
    upgraded, and stays usable by every release with the same major version. With `create`, a missing database is
    created, with its directory. `busy_timeout_s`, above 0 and at most a day, is the time for which a call waits for
    another program that holds the database: a `task` that syncs holds it until its sync ends.

    Every call is allowed on every thread; calls on one object are made one after the other. Ctrl-C during a call on the
    main thread ends the wait at once. The call then continues to its end unseen if it has begun, so an interrupted
    `commit` may have been applied, and is not applied otherwise. A sync is cancelled. In a
    forked process, every call on its parent's object but `close` raises a ReplicaError with the fault FORKED, and so
    does the constructor while the parent had a replica in a directory open: fork before, or start a new program.

    ReplicaError, from every call: IN_USE when another program holds the database for longer than `busy_timeout_s`,
    WRONG_FORMAT for a database of a later major version or one that is not a replica's, DATA_LOSS for records that
    cannot be read, SYSTEM for a full disk or missing permissions, OUT_OF_MEMORY. From the constructor also
    REPLICA_MISSING, without `create`. TcsyncError for a `busy_timeout_s` out of range.
    """

    def __init__(self, directory: str | os.PathLike[str], *, create: bool = True, busy_timeout_s: float = 10.0) -> None:
        self._handle = _replica_calls.open_replica(directory, create, busy_timeout_s)

    @classmethod
    def copy_of(cls, directory: str | os.PathLike[str], *, busy_timeout_s: float = 10.0) -> Replica:
        """A copy in memory of the replica in `directory` as it is at this moment. The file is not written to, not even
        to upgrade it. What is changed in the copy ends with it. Errors are the constructor's."""
        replica = cls.__new__(cls)
        replica._handle = _replica_calls.open_replica(directory, False, busy_timeout_s, copy=True)
        return replica

    @classmethod
    def in_memory(cls) -> Replica:
        """A replica that ends with its object."""
        replica = cls.__new__(cls)
        replica._handle = _replica_calls.open_replica(None, True, 10.0)
        return replica

    def tasks(self) -> dict[UUID, dict[str, str]]:
        """All tasks, completed and deleted ones included, in the order of their arrival. It is a copy."""
        return self._handle.call(lambda replica: _replica_calls.read_tasks(replica, None))

    def task(self, task_id: UUID) -> dict[str, str] | None:
        """A copy of one task; None when there is none."""
        return self._handle.call(lambda replica: _replica_calls.read_tasks(replica, task_id)).get(task_id)

    def working_set(self) -> dict[int, UUID]:
        """The working set, in the order of its numbers: small numbers, from 1, for the tasks that are pending or
        recurring."""
        return self._handle.call(_replica_calls.read_working_set)

    def rebuild_working_set(self, renumber: bool = False) -> None:
        """Removes the tasks that are no longer pending or recurring from the working set, and adds those that are. With
        `renumber`, the numbers are consecutive from 1; otherwise the remaining tasks keep theirs."""
        self._handle.call(lambda replica: _replica_calls.rebuild_working_set(replica, renumber))

    def commit(self, operations: Iterable[Operation]) -> None:
        """Applies the operations in their order, all or none. A task whose status becomes "pending" or "recurring"
        joins the working set.

        ReplicaError: INVALID_OPERATION for one that cannot be applied, such as an update of a task that does not exist;
        INVALID_ARGUMENT. The message has the index, from 0.
        """
        listed = list(operations)
        self._handle.call(lambda replica: _replica_calls.commit(replica, listed))

    def pending_operations(self) -> list[Operation]:
        """The operations that no sync has sent, in their order."""
        return self._handle.call(lambda replica: _replica_calls.read_operations(replica, c.TCSYNC_OPERATIONS_PENDING))

    def operations_of(self, task_id: UUID) -> list[Operation]:
        """The operations of a task that the database has, sent, received and pending, in their order. A sync removes
        those of tasks that no longer exist."""
        return self._handle.call(
            lambda replica: _replica_calls.read_operations(replica, c.TCSYNC_OPERATIONS_OF_TASK, task_id)
        )

    def undoable_operations(self) -> list[Operation]:
        """The operations that `undo` would revert: the pending ones from the last undo point on, or all of them."""
        return self._handle.call(lambda replica: _replica_calls.read_operations(replica, c.TCSYNC_OPERATIONS_UNDOABLE))

    def undo(self, operations: Sequence[Operation] | None = None) -> bool:
        """Reverts the undoable operations, and forgets them.

        `operations` are those that a person has agreed to revert, as `undoable_operations` gave them. False, and no
        change, if they are no longer the undoable ones, because another program has changed something or a sync has
        sent them; or if there are none.
        """
        expected = None if operations is None else list(operations)
        return self._handle.call(lambda replica: _replica_calls.undo(replica, expected))

    def state(self) -> ReplicaState:
        """The base version, and the numbers of tasks and pending operations."""
        base_version_id, found = self._handle.call(_replica_calls.state)
        return ReplicaState(base_version_id, found.tasks, found.pending_operations, found.pending_undo_points)

    def join(
        self,
        history: Replica,
        *,
        drop_synced_operations: bool = False,
        copy_directory: str | os.PathLike[str] | None = None,
    ) -> JoinReport:
        """Moves the replica to another history, with its tasks.

        `history` is a replica without pending operations: an empty one, or one that has just received the history with
        `sync(receive_only=True)`, which keeps what a deletion leaves. Afterwards this replica has the history's tasks,
        operations and base version, and what it alone had, or had later, as pending operations with their own times. Of
        each property the later change wins; docs/replica.md has the rules. It is one transaction: a change that another
        program makes meanwhile waits, and is not lost.

        `copy_directory` is created, and gets a copy of the replica as it was, exactly up to the join.
        `drop_synced_operations` is for a database that TaskChampion 0.8 or earlier uses, as in Taskwarrior 3.1: it
        would send again what the history's replica has received.

        After a Ctrl-C the join has been left undone, or goes on to its end; a second one adds nothing.

        ReplicaError with INVALID_ARGUMENT for a history with pending operations, and for a copy directory that has a
        database already.
        """
        if history is self:
            raise ReplicaError(
                "a replica cannot join itself; give the one that received the history", code=c.TCSYNC_INVALID_ARGUMENT
            )
        options = _replica_calls.join_options(drop_synced_operations, copy_directory)
        report, doubtful = self._handle.call_with(
            history._handle, lambda own, theirs: _replica_calls.join(own, theirs, options)
        )
        return JoinReport(
            report.received_tasks,
            report.added_tasks,
            report.changed_tasks,
            report.overruled_tasks,
            report.removed_tasks,
            report.deleted_tasks,
            doubtful,
        )

    def sync(
        self,
        remote: RemoteServer,
        *,
        avoid_snapshots: bool = False,
        receive_only: bool = False,
        versions_first: bool = False,
        last_version_id: UUID | None = None,
        progress: ProgressFunction | None = None,
    ) -> SyncReport:
        """Receives the versions that the replica lacks, sends its pending operations, and rebuilds the working set. An
        empty replica begins with the server's snapshot.

        With `avoid_snapshots`, a snapshot is made only if the server calls it urgent: for a computer that is short of
        processor, memory or bandwidth.

        With `receive_only` nothing is sent, the working set is not rebuilt, and the operations of tasks that were
        deleted stay; the next sync without it does that. `last_version_id` receives up to that version, as with
        `receive_only`; without such a version on the way, up to the latest one. The nil version is refused.

        With `versions_first`, an empty replica begins with the first version and not with a snapshot, where the server
        has all versions, and they are few or it gives many in one answer: for a history that another replica joins,
        because that goes by the times of the changes, which a snapshot does not have.

        `progress` is called after each step, while the database is free for other programs; for a sync on the main
        thread on another thread, for which the main thread waits. It must not call the replica or the remote, but for
        the remote's `cancel`. An exception that it raises ends the sync, and is raised here.

        Whatever was received and sent before an error, a cancel or a Ctrl-C stays, and the next sync continues there.
        Ctrl-C on the main thread and the remote's `cancel` end a request at once; a wait for another program that holds
        the database comes to its end first.

        SyncError when the server's history and the replica's do not fit; RemoteError, UnsealError and
        CallCancelledError as from the remote's methods; ReplicaError. The attribute `sync_report` of each has the
        effects that stay.
        """
        receive = None if progress is None else lambda counted: progress(_progress(counted))
        options = _replica_calls.sync_options(avoid_snapshots, receive_only, versions_first, last_version_id)
        report, failure = self._handle.sync(remote.handle, options, receive)
        effects = SyncReport(
            report.received_versions,
            report.received_operations,
            report.sent_versions,
            report.sent_operations,
            bool(report.has_applied_snapshot),
            bool(report.has_sent_snapshot),
            UUID(report.version_id.text.decode("ascii")) if report.version_id.text else None,
        )
        if isinstance(failure, TcsyncError):
            failure.sync_report = effects
        if failure:
            try:
                raise failure
            finally:
                del failure  # Its traceback refers to this.
        return effects

    def close(self) -> None:
        """Closes the database, after the last call in progress. A second call does nothing."""
        self._handle.close()


def _progress(counted: c.tcsync_sync_progress) -> SyncProgress:
    return SyncProgress(
        counted.received_versions,
        counted.received_operations,
        counted.sent_versions,
        counted.sent_operations,
        counted.operations_to_send,
    )
