"""The journal on the disk, and a person's notice of a day of failures."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from ..findings import Finding, Problem
from .journal import SETTINGS, Journal, SyncRecord, read_journal
from .notice import tell_person
from .pace import FAILING_NOTICE_S
from .place import JOURNAL

#: What a computer without a network meets. Nobody needs to be told of it.
OFFLINE = {
    problem.identifier
    for problem in (
        Problem.REMOTE_NAME_NOT_RESOLVED,
        Problem.REMOTE_CONNECTION_REFUSED,
        Problem.REMOTE_NETWORK_FAILED,
        Problem.REMOTE_TIMED_OUT,
        Problem.SYNC_UNREACHABLE,
    )
}


class Notes:
    """Those of one agent's directory. One thread."""

    def __init__(self, state_directory: Path) -> None:
        self._path = state_directory / JOURNAL
        self._journal = read_journal(self._path) or Journal()

    def add(self, record: SyncRecord) -> None:
        """One sync that has ended."""
        journal = self._journal
        journal.add(record)
        since, now = journal.failing_since, record.began_at
        is_due = since is not None and now - since >= FAILING_NOTICE_S
        if is_due and record.problem not in OFFLINE and now - (journal.told_at or 0) >= FAILING_NOTICE_S:
            journal.told_at = now
            tell_person("Taskwarrior has not synced for a day", f"{record.text} `tcsync doctor` says what to do.")
        self._write()

    def add_unusable_settings(self, finding: Finding) -> None:
        """A look at settings with which no sync can be tried."""
        self.add(SyncRecord(time.time(), 0.0, SETTINGS, finding.problem.identifier, finding.text))

    def set_server_waits(self, waits: bool | None) -> None:
        """Whether the server lets requests wait; None before its first answer."""
        if waits != self._journal.server_waits:
            self._journal.server_waits = waits
            self._write()

    def _write(self) -> None:
        with suppress(OSError):  # It is for people, who have other ways to see that a disk is full.
            self._journal.write(self._path)
