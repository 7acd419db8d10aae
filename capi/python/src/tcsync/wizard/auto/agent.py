"""The agent's loop: it looks at this computer's database, listens to the server, and syncs."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from uuid import UUID

from ..alone import is_alone
from ..computer import ThisComputer
from ..diagnosis import errors_as_findings
from ..findings import CommandStopped, Finding, Problem
from .directory_watch import IDLE_LOOK_S, LOOK_S, DirectoryWatch
from .journal import SyncRecord
from .local_changes import LocalChanges
from .notes import Notes
from .one_sync import sync_once
from .pace import Pace
from .routes import Routes
from .server_news import ServerNews

#: A loop that stood still for longer than that was stopped, or its computer slept.
SLEPT_S = 10.0
#: The network's routes are compared that often.
ROUTES_S = 5.0
#: The settings are read again that often.
SETTINGS_S = 10.0
#: Another program or command is at work.
BUSY = (Problem.SYNC_DATABASE_IN_USE, Problem.COMPUTER_BUSY)


class Agent:
    """One run with one set of credentials. On the main thread."""

    def __init__(self, computer: ThisComputer, state_directory: Path, *, ca_file: Path | None = None) -> None:
        self._computer = computer
        self._ca_file = ca_file
        self._settings = self._read_settings()
        self._notes = Notes(state_directory)
        self._pace = Pace()
        self._changes = LocalChanges(computer.taskrc.data_location)
        self._reason = "start"
        self._sleep = _time_asleep()
        self._routes = Routes()
        self._routes_read_at = 0.0
        # Set by the other thread.
        self._told: SimpleQueue[UUID | None] = SimpleQueue()
        self._has_answer = threading.Event()
        url, client_id, _ = self._settings
        with errors_as_findings(url=url, client_id=client_id):
            self._news = ServerNews(
                url,
                client_id,
                lambda: self._changes.base_version,
                self._on_news,
                self._on_answer,
                ca_file=ca_file,
            )
        self._watch = DirectoryWatch(self._changes.database)

    def run(self) -> None:
        """Until the settings are others, or a KeyboardInterrupt."""
        self._notes.set_server_waits(None)
        self._changes.look()
        self._pace.on_news(time.monotonic())  # Whatever happened before the start.
        self._news.start()
        try:
            self._loop()
        finally:
            self._news.stop()
            self._watch.close()

    def _loop(self) -> None:
        looked_at = read_at = time.monotonic()
        while True:
            due = self._pace.due()
            self._watch.wait(
                longest_s=LOOK_S if self._changes.is_unread else IDLE_LOOK_S,
                until=due,
            )
            now = time.monotonic()
            if now - looked_at > SLEPT_S or self._has_slept() or self._is_network_another(now):
                self._pace.on_connection(now)
                self._news.begin_again()
            looked_at = now
            if self._has_answer.is_set():
                self._has_answer.clear()
                self._pace.on_connection(now)
            self._notes.set_server_waits(self._news.server_waits)
            if self._changes.look():
                self._reason = "change"
                self._pace.on_change(now)
            if self._has_news():
                self._reason = "news"
                self._pace.on_news(now)
            if now - read_at > SETTINGS_S:
                read_at = now
                if self._have_settings_changed():
                    return
            due = self._pace.due()
            if due is not None and due <= now:
                self._sync()
                looked_at = time.monotonic()

    def _on_news(self, version_id: UUID | None) -> None:
        """On the other thread, as the next one."""
        self._told.put(version_id)
        self._watch.wake()

    def _on_answer(self) -> None:
        self._has_answer.set()
        self._watch.wake()

    def _has_news(self) -> bool:
        """Whether the server has told of another version than this computer's. That of a sync which goes on, the
        agent's or a person's, is told of before the replica has it."""
        told = [self._told.get() for _ in range(self._told.qsize())]
        if not told:
            return False
        has_news = told[-1] != self._changes.base_version
        if not has_news:
            self._news.ask_again()
        return has_news

    def _sync(self) -> None:
        # A setup must not meet a sync in its middle.
        if not is_alone(self._computer.taskrc.data_location):
            return self._pace.on_busy(time.monotonic())
        began_at, begun = time.time(), time.monotonic()
        self._pace.on_begin()
        finding = self._try_sync()
        now = time.monotonic()
        record = SyncRecord(began_at, round(now - begun, 3), self._reason)
        if finding is None:
            self._pace.on_success()
            if self._changes.look_after_sync():
                self._pace.on_change(now)
            self._notes.add(record)
        elif finding.problem in BUSY:
            self._pace.on_busy(now)
        else:
            self._pace.on_failure(now)
            self._notes.add(replace(record, problem=finding.problem.identifier, text=finding.text))
        self._reason = "again"
        self._news.ask_again()

    def _try_sync(self) -> Finding | None:
        try:
            sync_once(self._computer, self._ca_file, may_create=not self._changes.has_had_database)
        except CommandStopped as stop:
            return stop.finding
        return None

    def _read_settings(self) -> tuple[str, UUID, Path]:
        """The server, the client and the place of the data. The secret is Taskwarrior's business, and is not kept."""
        taskrc = self._computer.read_taskrc()
        credentials = self._computer.require_credentials()
        return credentials.url, credentials.client_id, taskrc.data_location

    def _have_settings_changed(self) -> bool:
        try:
            return self._read_settings() != self._settings
        except CommandStopped:
            return True

    def _is_network_another(self, now: float) -> bool:
        """Whether the routes have changed: connections may be dead, or possible again."""
        if now - self._routes_read_at < ROUTES_S:
            return False
        self._routes_read_at = now
        return self._routes.have_changed()

    def _has_slept(self) -> bool:
        before, self._sleep = self._sleep, _time_asleep()
        return self._sleep - before > 1.0


def _time_asleep() -> float:
    """Seconds that the computer has slept, where the system tells: only differences have a meaning."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(clock) - time.monotonic() if clock is not None else 0.0
