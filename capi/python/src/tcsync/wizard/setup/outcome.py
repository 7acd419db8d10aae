"""The outcome of a setup: for the exit status, for --json, and for programs with the setup as one of their steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from tcsync import Create, Credentials, JoinReport, Operation, UndoPoint, Update, encode_pairing_code

from ..exit_codes import ExitCode
from ..findings import Finding
from ..words import plural
from .answers import Computer

Result = Literal["done", "kept", "mended", "skipped", "unverified", "dry-run", "failed", "declined", "interrupted"]


def count_tasks(tasks: Iterable[Mapping[str, str]]) -> dict[str, int]:
    """The number of tasks, in total and of each status."""
    statuses = Counter(task.get("status", "pending") for task in tasks)
    return {"all": statuses.total(), **dict(sorted(statuses.items()))}


def describe_counts(counts: Mapping[str, int]) -> str:
    """Such as "3 tasks (2 pending, 1 completed)"."""
    total = counts["all"]
    parts = ", ".join(f"{number} {status}" for status, number in counts.items() if status != "all")
    return plural(total, "task") + (f" ({parts})" if parts else "")


def describe_tasks(tasks: Mapping[UUID, Mapping[str, str]]) -> str:
    """The same for tasks by their UUIDs."""
    return describe_counts(count_tasks(tasks.values()))


def join_as_json(report: JoinReport) -> dict[str, Any]:
    """The numbers of a join, and its doubtful decisions, for --json."""
    numbers = {name: value for name, value in vars(report).items() if isinstance(value, int)}
    return {**numbers, "doubtful": [_doubt_as_json(doubt) for doubt in report.doubtful]}


def _doubt_as_json(doubt: Operation) -> dict[str, str | None]:
    if isinstance(doubt, Update):
        return {"task": str(doubt.task_id), "property": doubt.property, "kept": doubt.value, "other": doubt.old_value}
    kept = "here" if isinstance(doubt, Create) else "there"
    return {"task": "" if isinstance(doubt, UndoPoint) else str(doubt.task_id), "property": None, "kept": kept}


@dataclass
class Outcome:
    """Filled in as the setup goes on."""

    result: Result = "failed"
    exit_code: ExitCode = ExitCode.DONE
    computer: Computer | None = None
    credentials: Credentials | None = None
    taskrc: Path | None = None
    changed: bool = False
    backup: Path | None = None
    kept_aside: Path | None = None
    join: JoinReport | None = None
    sent_operations: int | None = None
    received_tasks: int | None = None
    tasks: dict[str, int] | None = None
    findings: list[Finding] = field(default_factory=list)

    def as_json(self, *, reveal: bool) -> dict[str, Any]:
        """For --json. Contains the secret and the pairing code only on request."""
        shown: dict[str, Any] = {}
        if self.credentials is not None:
            shown = {"server_url": self.credentials.taskrc_url, "client_id": str(self.credentials.client_id)}
            if reveal:
                shown["secret"] = self.credentials.secret.reveal()
                shown["pairing_code"] = encode_pairing_code(self.credentials).reveal()
        return {
            "result": self.result,
            "exit_code": int(self.exit_code),
            "computer": self.computer,
            **shown,
            "taskrc": self.taskrc and str(self.taskrc),
            "changed": self.changed,
            "backup": self.backup and str(self.backup),
            "kept_aside": self.kept_aside and str(self.kept_aside),
            "join": self.join and join_as_json(self.join),
            "sent_operations": self.sent_operations,
            "received_tasks": self.received_tasks,
            "tasks": self.tasks,
            "messages": [finding.as_json() for finding in self.findings],
        }
