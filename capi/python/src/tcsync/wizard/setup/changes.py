"""The part of a setup that changes taskrc and replica, and runs the first sync: as a whole, or not at all, up to the
moment at which tasks have moved to another history. From then on nothing is taken back, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tcsync import Credentials, Replica, TaskrcEdit, undo_edit

from .. import unfinished
from ..computer import ThisComputer
from ..findings import CommandStopped, Problem
from ..interrupts import interrupts_deferred
from ..join import Joined, join_history
from ..replica import LocalReplica


@dataclass
class SetupChanges:
    """Changes of one setup. Within `with`, an exception reverts everything, unless the tasks have joined another
    history or the first sync took effect."""

    computer: ThisComputer
    _undo: ExitStack = field(default_factory=ExitStack)
    _before_sync: LocalReplica | None = None
    _joined: Joined | None = None
    _is_configured: bool = False

    def __enter__(self) -> SetupChanges:
        self._undo.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if kind is None:
            self._undo.pop_all()
            self._end_trail()
            return
        with interrupts_deferred():
            if self._joined is None and not self._sync_took_effect():
                self._undo.close()
                return
            self._undo.pop_all()
            if self._is_configured:
                self._end_trail()
        if isinstance(error, KeyboardInterrupt):
            raise Problem.INTERRUPTED_WHILE_SYNCING.stop() from None
        if isinstance(error, CommandStopped):
            if self._joined is not None and not self._is_configured:
                raise Problem.JOINED_NOT_CONFIGURED.stop(
                    detail=error.finding.text, path=self._joined.kept_aside
                ) from None
            raise Problem.SYNC_HALF_DONE.stop(detail=error.finding.text) from None

    def apply(self, credentials: Credentials, history: Replica | None) -> tuple[TaskrcEdit, Joined | None]:
        """Lets this computer's tasks join `history`, if there is one, and writes the settings: in this order, so that a
        kill in between leaves a computer whose `task sync` is refused, and none that sends only a part of its tasks."""
        self.computer.require_place()
        with interrupts_deferred():
            if history is not None:
                self._undo.callback(unfinished.end, self.computer.taskrc.data_location)
                self._joined = join_history(self.computer, history, command="setup")
            edit = self.computer.configure(credentials)
            self._is_configured = True
            if edit.changed:
                self._undo.callback(undo_edit, edit)
        return edit, self._joined

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """For the time of the first sync. From then on its effect decides whether the changes can be reverted."""
        if self._before_sync is None:
            self._before_sync = self.computer.replica()
        yield

    def _end_trail(self) -> None:
        """Also that of an earlier setup, which this one has finished."""
        unfinished.end(self.computer.taskrc.data_location)

    def _sync_took_effect(self) -> bool:
        """Whether the replica has moved on since a sync began; reverting would then separate it from its history."""
        if self._before_sync is None:
            return False
        try:
            return self.computer.replica().base_version != self._before_sync.base_version
        except CommandStopped:
            return True
