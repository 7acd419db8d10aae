"""The doctor's list of checks, shown line by line while it grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from ..console import Console
from ..exit_codes import ExitCode
from ..findings import CommandStopped, Finding

T = TypeVar("T")

Status = Literal["ok", "failed", "skipped"]

#: The links of the way to the server, in their order.
SERVER_LINKS = ("name", "connection", "tls", "server")
#: The names of all checks in their order, here and in JSON.
CHECKS = (
    *("task", "taskrc", "permissions", "replica", "unfinished", "recurrence", "hooks", "agent", "proxy"),
    *SERVER_LINKS,
    *("clock", "credentials", "data", "position", "trust", "rehearsal", "sync", "tasks"),
)
# These do not keep a sync from being right.
_HARMLESS = ("permissions", "unfinished", "recurrence", "agent", "clock")

_EARLIER_FAILED = "not checked, because an earlier link failed"


@dataclass(frozen=True)
class Check:
    """One link: the result of its check and, after a failure, the fault and the remedy."""

    name: str
    status: Status
    text: str
    finding: Finding | None = None

    def as_json(self) -> dict[str, str]:
        told = self.finding.as_json() if self.finding else {"text": self.text}
        return {"check": self.name, "status": self.status, **told}


class Report:
    """The checks so far. After `finish` it has every one of CHECKS, including those that could not be made."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.checks: list[Check] = []

    @property
    def exit_code(self) -> ExitCode:
        failed = any(check.status == "failed" for check in self.checks)
        return ExitCode.CHECK_FAILED if failed else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        return {"exit_code": int(self.exit_code), "checks": [check.as_json() for check in self.checks]}

    def run(self, name: str, check: Callable[[], T], say: Callable[[T], str] | None = None) -> T | None:
        """Makes one check and returns its result, or None after a failure. Without `say` only a failure is reported."""
        try:
            found = check()
        except CommandStopped as stop:
            self.failed(name, stop.finding)
            return None
        if say is not None:
            self.ok(name, say(found))
        return found

    def ok(self, name: str, text: str) -> None:
        self.checks.append(Check(name, "ok", text))
        self._console.done(f"{name}: {text}")

    def noted(self, name: str, text: str, finding: Finding) -> None:
        """A check that passed, with a finding that matters elsewhere: for an older Taskwarrior, for example."""
        self.checks.append(Check(name, "ok", text, finding))
        self._console.done(f"{name}: {text}")
        self._console.note(f"{finding.text} {finding.remedy} [{finding.problem.identifier}]")

    def failed(self, name: str, finding: Finding) -> None:
        self.checks.append(Check(name, "failed", finding.text, finding))
        self._console.finding(finding, link=name)

    def skipped(self, name: str, text: str) -> None:
        self.checks.append(Check(name, "skipped", text))
        self._console.note(f"{name}: {text}")

    def has(self, name: str) -> bool:
        return any(check.name == name for check in self.checks)

    def has_failed(self, name: str) -> bool:
        return any(check.name == name and check.status == "failed" for check in self.checks)

    def has_passed(self, name: str) -> bool:
        return any(check.name == name and check.status == "ok" for check in self.checks)

    def allows_sync(self) -> bool:
        """Whether no check has failed so far whose failure could make a sync do harm."""
        return all(check.name in _HARMLESS for check in self.checks if check.status == "failed")

    def finish(self) -> None:
        """Adds the checks that an earlier failure made impossible, and sorts all."""
        skipped = [name for name in CHECKS if not self.has(name)]
        self.checks += [Check(name, "skipped", _EARLIER_FAILED) for name in skipped]
        self.checks.sort(key=lambda check: CHECKS.index(check.name))
        if skipped:
            self._console.line(f"Not checked, because an earlier link failed: {', '.join(skipped)}.")
