"""When to sync: decisions alone, from the times of events. Times are seconds of one clock that never steps."""

from __future__ import annotations

import random
from collections.abc import Callable

#: A person's commands often come in a row, and a command changes the database more than once.
QUIET_S = 0.5
#: But somebody who never pauses has to be synced as well.
QUIET_S_MAX = 5.0
#: Another computer's next change usually follows soon.
NEWS_QUIET_S = 0.2
#: After a failure; the last one is repeated. A random half of each is added, so that the computers which a server has
#: failed do not return together.
PAUSES_S = (2.0, 5.0, 15.0, 60.0, 300.0, 900.0)
#: While another program works on the database or on the setup, which is soon over.
BUSY_PAUSE_S = 2.0
#: A person is told once after a day of failures, and once on each further day.
FAILING_NOTICE_S = 24 * 3600.0


class Pace:
    """Collects events, and has the time of the next sync. One thread."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self._first_change: float | None = None
        self._last_change: float | None = None
        self._news: float | None = None
        self._failures = 0
        self._not_before = 0.0

    @property
    def failures(self) -> int:
        """Syncs that have failed in a row."""
        return self._failures

    def on_change(self, now: float) -> None:
        """This computer has changes to send."""
        if self._first_change is None:
            self._first_change = now
        self._last_change = now

    def on_news(self, now: float) -> None:
        """The server has changes that this computer lacks."""
        if self._news is None:
            self._news = now

    def on_connection(self, now: float) -> None:
        """The network may have come back: the computer has woken up, or the server answers again."""
        self._not_before = min(self._not_before, now)

    def on_begin(self) -> None:
        """A sync begins. Events from here on are for the next one."""
        self._first_change = self._last_change = self._news = None

    def on_success(self) -> None:
        self._failures = 0
        self._not_before = 0.0

    def on_failure(self, now: float) -> None:
        """The sync has failed, so what it was for remains."""
        pause = PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1
        self._remain(now, pause * (1 + self._jitter() / 2))

    def on_busy(self, now: float) -> None:
        """Another program is at work, so the sync was not tried."""
        self._remain(now, BUSY_PAUSE_S)

    def _remain(self, now: float, pause: float) -> None:
        self.on_news(now)
        self._not_before = now + pause

    def due(self) -> float | None:
        """The time of the next sync, which may have passed; None while there is no reason for one."""
        wanted = []
        if self._first_change is not None and self._last_change is not None:
            wanted.append(min(self._last_change + QUIET_S, self._first_change + QUIET_S_MAX))
        if self._news is not None:
            wanted.append(self._news + NEWS_QUIET_S)
        return max(min(wanted), self._not_before) if wanted else None
