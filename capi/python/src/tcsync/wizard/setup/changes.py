"""The part of a setup that changes things: taskrc, replica, first sync. All of it, or nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tcsync import Credentials, Edit, undo_edit

from ..computer import ThisComputer
from ..findings import Stop, find
from ..fresh_replica import Exchange
from ..interrupts import deferred
from ..replica import Replica


@dataclass
class Commit:
    """Changes of one setup. Within `with`, an exception puts everything back, unless the first sync took effect."""

    computer: ThisComputer
    _undo: ExitStack = field(default_factory=ExitStack)
    _before_sync: Replica | None = None

    def __enter__(self) -> Commit:
        self._undo.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if kind is None:
            self._undo.pop_all()
            return
        with deferred():
            if not self._sync_took_effect():
                self._undo.close()
                return
            self._undo.pop_all()
        if isinstance(error, KeyboardInterrupt):
            raise Stop(find("interrupted-while-syncing")) from None
        if isinstance(error, Stop):
            raise Stop(find("sync-half-done", detail=error.finding.text)) from None

    def configure(self, credentials: Credentials) -> Edit:
        with deferred():
            edit = self.computer.configure(credentials)
            if edit.changed:
                self._undo.callback(undo_edit, edit)
        return edit

    def exchange_replica(self) -> Path:
        """Carries the tasks over into a fresh replica; returns where the old one is."""
        exchange = Exchange(self.computer.taskwarrior, self.computer.taskrc.data_location)
        self._undo.callback(exchange.undo)
        exchange.run()
        return exchange.kept_aside

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """Within it the first sync runs; from then on its effect decides whether there is a way back."""
        if self._before_sync is None:
            self._before_sync = self.computer.replica()
        yield

    def _sync_took_effect(self) -> bool:
        """Whether the replica has moved on since a sync began; then going back would tear it from its history."""
        if self._before_sync is None:
            return False
        try:
            return self.computer.replica().base_version != self._before_sync.base_version
        except Stop:
            return True
