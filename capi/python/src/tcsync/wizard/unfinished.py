"""The trail of a command that is between two of its changes: a file in the data directory, which only a crash or a kill
leaves there. `tcsync doctor` follows it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

FILE = "tcsync-unfinished.json"


@dataclass(frozen=True)
class Unfinished:
    """A command that did not come to its end."""

    command: str
    started: str
    kept_aside: str


def begin(directory: Path, command: str, kept_aside: Path) -> None:
    """Leaves the trail, durably. `kept_aside` is the place of the replica as it was."""
    found = Unfinished(command, f"{datetime.now():%Y-%m-%d %H:%M}", str(kept_aside))
    temporary = directory / f"{FILE}.new"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(found.__dict__, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / FILE)


def read(directory: Path) -> Unfinished | None:
    """The trail of a command that did not come to its end, if there is one."""
    try:
        return Unfinished(**json.loads((directory / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return Unfinished("setup", "an unknown time", "an unknown place")


def end(directory: Path) -> None:
    """Removes the trail."""
    (directory / FILE).unlink(missing_ok=True)
