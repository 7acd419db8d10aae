"""The hooks that `task sync` runs: found as Taskwarrior finds them, and never run here."""

from __future__ import annotations

import os

from ..computer import ThisComputer

_EVENTS = ("on-launch", "on-exit")
_NO = ("0", "n", "no", "off", "false")


def describe_hooks(computer: ThisComputer) -> str:
    if (computer.taskrc.get("hooks") or "on").lower() in _NO:
        return "switched off in the taskrc"
    names = _sync_hooks(computer)
    if not names:
        return "none that `task sync` runs"
    return f"`task sync` runs {', '.join(names)}; nothing was run here"


def _sync_hooks(computer: ThisComputer) -> list[str]:
    named = computer.taskrc.get("hooks.location")
    directory = os.path.expanduser(named) if named else computer.taskrc.data_location / "hooks"
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [name for name in names if name.startswith(_EVENTS) and os.access(os.path.join(directory, name), os.X_OK)]
