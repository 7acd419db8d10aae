"""`tcsync off`: names everything that tcsync has left on this computer, and removes what the user agrees to remove.

Each thing is asked for and removed by itself, so an interrupt leaves the rest as it was, and a failure does not keep
the others. Tasks are never touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from . import unfinished
from .computer import ThisComputer
from .console import Console
from .exit_codes import ExitCode
from .findings import CommandStopped, Finding, Problem
from .leftovers import Kind, Leftover, NotRemoved, Unknown, find_leftovers
from .recurrence import makes_repetitions
from .setup.ask import Asker
from .status import describe_pending

#: --yes removes copies of the settings. Earlier data may have tasks that are nowhere else.
_DEFAULTS: dict[Kind, bool] = {"agent": True, "keyring": True, "settings": True, "backups": True, "kept-data": False}

_NOTHING = "tcsync has left nothing on this computer."
_FOUND = "tcsync has left this on the computer:"
_NOT_SENT = (
    "{pending} were never sent: they stay in Taskwarrior here, and no other computer has them. `task sync` sends them."
)
_NOT_READ = "Whether all changes were sent is not known: {reason}"
_LAST_COPY = (
    "Without the secret, nobody can open the history on the server again.\n"
    "If this is your only computer and you may come back, keep the pairing code first: `tcsync pair`."
)
_TASKS_STAY = "Your tasks are in {path} as before; Taskwarrior works without sync."
_RECURRENCE = (
    "The setting recurrence=off stays, with which this computer makes no repetitions of recurring tasks: "
    "`task config recurrence on` changes that."
)
_SERVER = (
    "The server still has the encrypted history of the client ID {client_id}: ask its operator to erase it.\n"
    "Before that, remove the settings on your other computers, because a sync would create the history again."
)
_DISK = "The disk may keep traces of removed files until their space is used again."

Result = Literal["found", "removed", "kept", "failed"]


@dataclass
class Item:
    """One thing, and what became of it."""

    leftover: Leftover | Unknown
    result: Result = "found"

    def as_json(self) -> dict[str, Any]:
        path, size = None, None
        if isinstance(self.leftover, Leftover):
            path, size = self.leftover.path, self.leftover.size_bytes
        return {
            "kind": self.leftover.kind,
            "what": self.leftover.what,
            "path": path and str(path),
            "size_bytes": size,
            "result": self.result,
        }


class Off:
    """One run. `kinds` are those that flags have named: they are removed, others not, and nothing is asked."""

    def __init__(self, computer: ThisComputer, console: Console, asker: Asker, kinds: frozenset[Kind]) -> None:
        self._computer = computer
        self._console = console
        self._asker = asker
        self._kinds = kinds
        self._client_id: str | None = computer.taskrc.get("sync.server.client_id")
        self.pending_changes: int | None = None
        self.findings: list[Finding] = []
        self.items = [Item(found) for found in find_leftovers(computer.taskrc)]

    @property
    def exit_code(self) -> ExitCode:
        return self.findings[0].exit_code if self.findings else ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        return {
            "exit_code": int(self.exit_code),
            "pending_changes": self.pending_changes,
            "items": [item.as_json() for item in self.items],
            "messages": [finding.as_json() for finding in self.findings],
        }

    def run(self, *, dry_run: bool) -> None:
        with self._computer.alone():
            self._run(dry_run=dry_run)

    def _run(self, *, dry_run: bool) -> None:
        self._warn_of_pending()
        if not self.items:
            self._console.line(_NOTHING)
            return
        self._console.line(_FOUND)
        for item in self.items:
            self._console.exact(f"- {_described(item.leftover)}")
        if dry_run:
            return
        if any(item.leftover.kind == "settings" for item in self.items):
            self._console.line(_LAST_COPY)
        for item in self.items:
            self._settle(item)
        self._show_rest()

    def _warn_of_pending(self) -> None:
        if not self._computer.own_settings():
            return
        try:
            replica = self._computer.replica()
        except CommandStopped as stop:
            self._console.note(_NOT_READ.format(reason=stop.finding.text))
            return
        self.pending_changes = replica.unsent_operations
        if replica.pending:
            pending = describe_pending(replica.unsent_operations, len(replica.unsent_tasks))
            self._console.note(_NOT_SENT.format(pending=pending))

    def _settle(self, item: Item) -> None:
        is_removing = False
        try:
            if not self._wants(item.leftover):
                item.result = "kept"
                return
            is_removing = True
            if isinstance(item.leftover, Unknown):
                raise NotRemoved(item.leftover.reason)
            item.leftover.remove()
            item.result = "removed"
            self._console.done(f"Removed {item.leftover.what}.")
        except NotRemoved as reason:
            item.result = "failed"
            what = item.leftover.what[0].upper() + item.leftover.what[1:]
            finding = Problem.NOT_REMOVED.finding(what=what, detail=reason)
            self.findings.append(finding)
            self._console.finding(finding)
        except KeyboardInterrupt:
            removed = [done.leftover.what for done in self.items if done.result == "removed"]
            if not removed and not is_removing:
                raise
            raise Problem.INTERRUPTED_WHILE_REMOVING.stop(removed="; ".join(removed) or "nothing") from None

    def _wants(self, leftover: Leftover | Unknown) -> bool:
        kind = leftover.kind
        if self._kinds:
            return kind in self._kinds
        if isinstance(leftover, Unknown):
            return True
        flag = f"--{kind}, --all or --yes"
        return self._asker.confirm(f"Remove {leftover.what}?", default=_DEFAULTS[kind], flag=flag)

    def _show_rest(self) -> None:
        removed = [item.leftover for item in self.items if item.result == "removed"]
        if any(leftover.kind == "settings" for leftover in removed):
            self._console.line(_TASKS_STAY.format(path=self._computer.taskrc.data_location))
            unfinished.end(self._computer.taskrc.data_location)
            if not makes_repetitions(self._computer.taskrc):
                self._console.line(_RECURRENCE)
            if self._client_id is not None:
                self._console.line(_SERVER.format(client_id=self._client_id))
        if any(leftover.kind not in ("agent", "keyring") for leftover in removed):
            self._console.line(_DISK)


def _described(leftover: Leftover | Unknown) -> str:
    if isinstance(leftover, Unknown):
        return f"{leftover.what}, perhaps: {leftover.reason}"
    size = leftover.size_bytes
    return leftover.what if size is None else f"{leftover.what} ({_size(size)})"


def _size(size_bytes: int) -> str:
    """Such as "532 bytes" or "1.2 MB"."""
    if size_bytes < 1000:
        return f"{size_bytes} {'byte' if size_bytes == 1 else 'bytes'}"
    return f"{size_bytes / 1000:.1f} kB" if size_bytes < 1_000_000 else f"{size_bytes / 1_000_000:.1f} MB"
