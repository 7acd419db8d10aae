"""This computer's replica at one moment, read without changing it: Taskwarrior's database stays as it is, whatever
release has made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from tcsync import NIL_VERSION, Create, Delete, Replica, ReplicaError, ReplicaFault, UndoPoint, Update

from .findings import Problem

#: The problem of each fault; of any other fault it is REPLICA_UNREADABLE.
PROBLEM_OF_FAULT = {
    ReplicaFault.WRONG_FORMAT: Problem.REPLICA_UNKNOWN,
    ReplicaFault.DATA_LOSS: Problem.REPLICA_DAMAGED,
}


@dataclass(frozen=True)
class LocalReplica:
    """The state of a replica at one moment. A computer on which Taskwarrior never ran has an empty one."""

    base_version: UUID = NIL_VERSION
    #: The operations that no sync has sent, in their order, without undo points.
    pending: tuple[Create | Update | Delete, ...] = field(default=(), repr=False)
    tasks: Mapping[UUID, Mapping[str, str]] = field(default_factory=dict, repr=False)

    @property
    def unsent_operations(self) -> int:
        return len(self.pending)

    @property
    def unsent_tasks(self) -> frozenset[UUID]:
        """The tasks that the pending operations change."""
        return frozenset(operation.task_id for operation in self.pending)

    @property
    def has_synced(self) -> bool:
        return self.base_version != NIL_VERSION


def read_replica(data_directory: Path) -> LocalReplica:
    """The replica in a data directory; an empty one if there is none. CommandStopped for one that cannot be read."""
    try:
        with Replica.copy_of(data_directory) as copy:
            return LocalReplica(
                copy.state().base_version_id,
                tuple(operation for operation in copy.pending_operations() if not isinstance(operation, UndoPoint)),
                copy.tasks(),
            )
    except ReplicaError as error:
        if error.fault is ReplicaFault.REPLICA_MISSING:
            return LocalReplica()
        problem = PROBLEM_OF_FAULT.get(error.fault, Problem.REPLICA_UNREADABLE)
        raise problem.stop(detail=str(error).rstrip(". ")) from None
