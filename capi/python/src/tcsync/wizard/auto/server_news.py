"""Other computers' changes: a thread that waits until the server has a version that this computer lacks."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from tcsync import (
    NIL_VERSION,
    CallCancelledError,
    NewVersion,
    NoWaits,
    TcsyncError,
    UpToDate,
    VersionWatch,
)

#: The wait that passes all proxies (docs/protocol.md, "Waiting for the next version").
WAIT_S = 50
#: An answer without news that comes earlier than that is the server's wish to be left alone.
EARLY_S = 45.0
#: The pauses below are random between the two. After early answers in a row this one doubles each time.
AFTER_EARLY_S = (5.0, 15.0)
#: For servers that do not let requests wait.
POLL_S = (150.0, 300.0)
#: After failures in a row; the last one is repeated. Ten thousand computers then ask seventy times a second.
AFTER_FAILURES_S = ((5.0, 10.0), (15.0, 30.0), (60.0, 120.0), (120.0, 180.0))


class ServerNews:
    """The thread, on which the functions are called. `position` gives this computer's version. `on_news` hears of the
    one after it, or None if the server does not know it. `on_answer` hears of the first answer, and of the first one
    after a failure."""

    def __init__(
        self,
        url: str,
        client_id: UUID,
        position: Callable[[], UUID],
        on_news: Callable[[UUID | None], None],
        on_answer: Callable[[], None],
        *,
        ca_file: Path | None = None,
    ) -> None:
        self._position = position
        self._on_news = on_news
        self._on_answer = on_answer
        #: Whether the server lets requests wait; None before it has told.
        self.server_waits: bool | None = None
        self._watch = VersionWatch(url, client_id, ca_file=ca_file)
        self._wake = threading.Event()
        self._is_stopping = False
        self._is_silent = True
        self._failures = 0
        self._early = 0
        self._thread = threading.Thread(target=self._run, name="tcsync-news", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_again(self) -> None:
        """Ends a pause: a sync is over."""
        self._wake.set()

    def begin_again(self) -> None:
        """Asks over a new connection: the present one may be dead, which nobody would notice before its time limit."""
        self._wake.set()
        self._watch.cancel()

    def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()
        while self._thread.is_alive():
            self._watch.cancel()  # Again and again: a cancel does not reach a call that begins after it.
            self._thread.join(0.05)
        self._watch.close()

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            pause = self._ask()
            if pause is not None:
                self._wake.wait(pause)

    def _ask(self) -> float | None:
        """Asks once; the seconds until the next time."""
        base = self._position()
        begun = time.monotonic()
        try:
            # A server that is back has to answer at once, and not when there is news.
            answer = self._watch.await_version(base, 0 if self._is_silent else WAIT_S)
        except CallCancelledError:
            return None
        except TcsyncError:
            pause = AFTER_FAILURES_S[min(self._failures, len(AFTER_FAILURES_S) - 1)]
            self._failures += 1
            self._is_silent = True
            return random.uniform(*pause)
        self._failures = 0
        if self._is_silent:
            self._is_silent = False
            self._on_answer()
            if isinstance(answer, UpToDate):
                return None
        elif isinstance(answer, (NoWaits, UpToDate)):
            self.server_waits = isinstance(answer, UpToDate)
        if isinstance(answer, UpToDate):
            return self._pause_after_wait(time.monotonic() - begun, base)
        if isinstance(answer, NoWaits):
            return random.uniform(*POLL_S)
        version_id = answer.version_id if isinstance(answer, NewVersion) else None
        if version_id is not None and version_id == self._position():
            return 0.0  # This computer has sent it.
        self._on_news(version_id)
        # The agent ends this pause, after its sync. Where that fails, nobody needs news before it is tried again.
        return random.uniform(*POLL_S)

    def _pause_after_wait(self, seconds: float, base: UUID) -> float | None:
        """The pause after a wait of so many seconds without news."""
        if seconds >= EARLY_S:
            self._early = 0
            return None
        # A server lets nobody wait for the first version of a history, which another computer may send any moment.
        self._early += base != NIL_VERSION
        doubled: int = 1 << max(0, min(self._early - 1, 10))
        return min(random.uniform(*AFTER_EARLY_S) * doubled, random.uniform(*POLL_S))
