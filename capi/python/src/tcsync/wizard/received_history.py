"""A client's history as a new computer receives it: into an empty replica in memory, with progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from tcsync import NIL_VERSION, Replica, SyncError, SyncFault, SyncProgress, SyncReport

from .comparison import Tasks
from .findings import Problem

if TYPE_CHECKING:
    from .console import Console
    from .server_check import ServerCheck

#: More than any person's history. A server that never comes to an end would otherwise fill the memory.
OPERATIONS_MAX = 5_000_000
#: Seconds before the first line of progress: what is quicker needs none.
_QUIET_S = 1.0


class ReceivedHistory:
    """A context manager. `receive` can be called again, and then receives only what is new."""

    def __init__(self, server: ServerCheck, console: Console | None = None) -> None:
        self._server = server
        self._console = console
        self._tasks: Tasks | None = None
        #: It has all that was received, and nothing to send.
        self.replica = Replica.in_memory()
        self._has_snapshot = False

    def __enter__(self) -> ReceivedHistory:
        return self

    def __exit__(self, *_: object) -> None:
        self.replica.close()

    def receive(self) -> None:
        """Receives what there is. CommandStopped for a failure, and for a history that no new computer can receive."""
        self._tasks = None
        report = self._receive_into(self.replica)
        self._has_snapshot = self._has_snapshot or report.has_applied_snapshot

    @contextmanager
    def for_join(self) -> Iterator[Replica]:
        """The history for a replica that joins it, with the times of its changes if the server has them. Otherwise a
        snapshot does, from which more of what the join decides is doubtful."""
        if not self._has_snapshot:
            yield self.replica
            return
        with Replica.in_memory() as replica:
            self._receive_into(replica, versions_first=True)
            yield replica

    def _receive_into(self, replica: Replica, *, versions_first: bool = False) -> SyncReport:
        progress = ReceivingLine(self._console)
        with self._server.findings():
            try:
                return replica.sync(
                    self._server.remote, receive_only=True, versions_first=versions_first, progress=progress.show
                )
            except SyncError as error:
                if error.fault is not SyncFault.HISTORY_GONE:
                    raise
                raise Problem.HISTORY_BEGINNING_GONE.stop() from None
            finally:
                progress.end()

    @property
    def latest_version_id(self) -> UUID:
        """NIL_VERSION for a client without a history."""
        return self.replica.state().base_version_id

    @property
    def is_empty(self) -> bool:
        return self.latest_version_id == NIL_VERSION

    @property
    def tasks(self) -> Tasks:
        """Every task, completed and deleted ones included."""
        if self._tasks is None:
            self._tasks = self.replica.tasks()
        return self._tasks


class ReceivingLine:
    """Shows what a replica has received in one line of a terminal, if it takes its time."""

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._begin = time.monotonic()

    def show(self, progress: SyncProgress) -> None:
        if progress.received_operations > OPERATIONS_MAX:
            raise Problem.HISTORY_ENDLESS.stop(operations=progress.received_operations)
        if self._console is None or time.monotonic() - self._begin < _QUIET_S:
            return
        self._console.progress(f"{progress.received_versions} versions received ...")

    def end(self) -> None:
        if self._console is not None:
            self._console.end_progress()
