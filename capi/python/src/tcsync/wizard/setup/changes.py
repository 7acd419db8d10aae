"""The part of a setup that changes taskrc and replica, and runs the first sync: as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tcsync import Credentials, TaskrcEdit, undo_edit

from ..computer import ThisComputer
from ..findings import CommandStopped, Problem
from ..fresh_replica import FreshReplica
from ..interrupts import interrupts_deferred
from ..replica import Replica


@dataclass
class SetupChanges:
    """Changes of one setup. Within `with`, an exception reverts everything, unless the first sync took effect."""

    computer: ThisComputer
    _undo: ExitStack = field(default_factory=ExitStack)
    _before_sync: Replica | None = None

    def __enter__(self) -> SetupChanges:
        self._undo.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if kind is None:
            self._undo.pop_all()
            return
        with interrupts_deferred():
            if not self._sync_took_effect():
                self._undo.close()
                return
            self._undo.pop_all()
        if isinstance(error, KeyboardInterrupt):
            raise Problem.INTERRUPTED_WHILE_SYNCING.stop() from None
        if isinstance(error, CommandStopped):
            raise Problem.SYNC_HALF_DONE.stop(detail=error.finding.text) from None

    def configure(self, credentials: Credentials) -> TaskrcEdit:
        with interrupts_deferred():
            edit = self.computer.configure(credentials)
            if edit.changed:
                self._undo.callback(undo_edit, edit)
        return edit

    def make_fresh_replica(self) -> Path:
        """Carries the tasks over into a fresh replica; returns the place of the old one."""
        fresh_replica = FreshReplica(self.computer.taskwarrior, self.computer.taskrc.data_location)
        self._undo.callback(fresh_replica.undo)
        fresh_replica.run()
        return fresh_replica.kept_aside

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """For the time of the first sync. From then on its effect decides whether the changes can be reverted."""
        if self._before_sync is None:
            self._before_sync = self.computer.replica()
        yield

    def _sync_took_effect(self) -> bool:
        """Whether the replica has moved on since a sync began; reverting would then separate it from its history."""
        if self._before_sync is None:
            return False
        try:
            return self.computer.replica().base_version != self._before_sync.base_version
        except CommandStopped:
            return True
