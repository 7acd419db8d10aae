"""What the agent did last, in a file that `tcsync auto status` and the doctor read."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: Syncs that the file has, the newest last.
SYNCS_MAX = 50
#: The reason of a record without a sync: settings with which none can be tried.
SETTINGS = "settings"


@dataclass(frozen=True)
class SyncRecord:
    """One sync of the agent."""

    #: Seconds since 1970.
    began_at: float
    seconds: float
    #: "change", "news", "start" or "again"; or SETTINGS.
    reason: str
    #: The identifier of the finding that it ended with (docs/troubleshooting.md), and its text; None after a success.
    problem: str | None = None
    text: str | None = None


@dataclass
class Journal:
    """The content of the file. Seconds since 1970."""

    succeeded_at: float | None = None
    #: Of the first failure since the last success.
    failing_since: float | None = None
    #: When a person was last told of it.
    told_at: float | None = None
    #: Whether the server lets requests wait, or is asked now and then; None before its first answer.
    server_waits: bool | None = None
    syncs: list[SyncRecord] = field(default_factory=list)

    def add(self, record: SyncRecord) -> None:
        before = self.syncs
        if before and before[-1].reason == record.reason == SETTINGS:
            before = before[:-1]  # One for all looks in a row.
        self.syncs = [*before, record][-SYNCS_MAX:]
        if record.problem is None:
            self.succeeded_at = record.began_at + record.seconds
            self.failing_since = self.told_at = None
        elif self.failing_since is None:
            self.failing_since = record.began_at

    def write(self, path: Path) -> None:
        """Replaces the file as a whole. OSError."""
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        os.replace(new, path)


def read_journal(path: Path) -> Journal | None:
    """None when there is none, or not a readable one: it is a record for people, and nothing depends on it."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        syncs = [SyncRecord(**_checked(record, _TEXTS)) for record in values.pop("syncs")]
        return Journal(**_checked(values, ("server_waits",)), syncs=syncs)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


_TEXTS = ("reason", "problem", "text")


def _checked(values: dict[str, Any], others: tuple[str, ...]) -> dict[str, Any]:
    """The values, of which all but the others are numbers or missing. ValueError."""
    if not all(name in others or value is None or isinstance(value, (int, float)) for name, value in values.items()):
        raise ValueError("a time that is no number")
    return values
