"""Everything that `tcsync setup` leaves on a computer: found here, and removed one by one.

    keyring     the copy of the credentials in the system's keyring, for each client ID in the settings and the backups
    settings    the lines with sync settings in the taskrc and in the files that it includes
    backups     .taskrc.backup-TIME, and ..taskrc.RANDOM.new of an edit that a power cut has stopped; with a secret
    kept-data   before-tcsync-TIME in the data directory: the replica as it was before it joined another history

Files are recognised by these names, as taskrc_edit and join make them, and by their kind: a symbolic link
with such a name is another person's work.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from uuid import UUID

from tcsync import Taskrc, TaskrcError, edit_taskrc, parse_client_id, read_taskrc
from tcsync.errors import ClientIdError
from tcsync.taskrc import CLIENT_ID, ENCRYPTION_SECRET, FILE_BYTES_MAX, SERVER_ORIGIN, SERVER_URL, name_on_line

from . import keyring_copy
from .auto.overview import look_at_agent, remove_agent
from .auto.service import ServiceError
from .interrupts import interrupts_deferred
from .keyring_copy import KeyringError

Kind = Literal["agent", "keyring", "settings", "backups", "kept-data"]

_SETTINGS = (SERVER_URL, SERVER_ORIGIN, CLIENT_ID, ENCRYPTION_SECRET)
_KEPT_DATA = re.compile(r"before-tcsync-\d{8}-\d{6}(-\d+)?")


class NotRemoved(Exception):
    """Something could not be looked for or removed. `str()` is the reason."""


@dataclass(frozen=True)
class Leftover:
    """One thing that can be removed by itself."""

    kind: Kind
    #: Such as "the backup /home/ada/.taskrc.backup-20261124T093000Z".
    what: str
    #: None in the keyring.
    path: Path | None
    #: Of the whole file or directory; None for lines of a file, and in the keyring.
    size_bytes: int | None
    _remove: Callable[[], None]

    def remove(self) -> None:
        """NotRemoved if that fails."""
        try:
            self._remove()
        except (KeyringError, ServiceError, TaskrcError) as reason:
            raise NotRemoved(str(reason).rstrip(". ")) from None
        except OSError as reason:
            where = f"{reason.filename}: " if reason.filename else ""
            raise NotRemoved(f"{where}{reason.strerror or reason}") from None


@dataclass(frozen=True)
class Unknown:
    """A place that could not be looked at, so there may be something in it."""

    kind: Kind
    what: str
    reason: str


def find_leftovers(taskrc: Taskrc) -> Iterator[Leftover | Unknown]:
    """Everything, in the order in which it can be removed: without the settings and the backups, nothing tells the
    client IDs of the keyring's copies."""
    backups, unknown = _backups(taskrc)
    client_ids = _client_ids([taskrc.content, *map(_content, backups)])
    configured = taskrc.get(CLIENT_ID)
    yield from _agent(taskrc)
    yield from _keyring_copies(client_ids | _parsed(configured or ""))
    yield from _settings(taskrc)
    yield from unknown
    for path in backups:
        yield Leftover("backups", f"the backup {path}", path, path.lstat().st_size, path.unlink)
    yield from _kept_data(taskrc.data_location)


def _agent(taskrc: Taskrc) -> Iterator[Leftover]:
    agent = look_at_agent(taskrc)
    if agent.is_on or agent.service.state_directory.exists():
        file = agent.service.installed
        what = f"the agent that syncs by itself{f', started by {file}' if file else ''}"
        yield Leftover("agent", what, file, None, partial(remove_agent, taskrc))


def _keyring_copies(client_ids: set[UUID]) -> Iterator[Leftover | Unknown]:
    for client_id in sorted(client_ids):
        what = f"the keyring's copy of the credentials of {client_id}"
        try:
            if keyring_copy.exists(client_id):
                yield Leftover("keyring", what, None, None, partial(keyring_copy.remove, client_id))
        except KeyringError as reason:
            yield Unknown("keyring", what, str(reason))


def _settings(taskrc: Taskrc) -> Iterator[Leftover]:
    # An included file comes first, so that the settings of the including one are not overridden by it when they go.
    for path in reversed(list(dict.fromkeys(taskrc.files))):
        lines = _setting_lines(_content(path))
        if lines:
            names = ", ".join(dict.fromkeys(name for _, name, _ in lines))
            what = f"{len(lines)} {'line' if len(lines) == 1 else 'lines'} of {path}: {names}"
            yield Leftover("settings", what, path, None, partial(_remove_settings, path))


def _remove_settings(path: Path) -> None:
    """Removes the settings from that file alone, and leaves no backup with the secret."""
    with interrupts_deferred():
        edit = edit_taskrc(read_taskrc(path), dict.fromkeys(_SETTINGS))
        for file in edit.files:
            if file.backup is not None:
                file.backup.unlink()
    left = _setting_lines(_content(path))
    if left:
        numbers = ", ".join(str(number) for number, _, _ in left)
        raise NotRemoved(f"later lines have made line {numbers} of {path} ineffective, so it is left to you")


def _backups(taskrc: Taskrc) -> tuple[list[Path], list[Unknown]]:
    backups: list[Path] = []
    unknown: list[Unknown] = []
    targets = [Path(os.path.realpath(path)) for path in taskrc.files]
    # The backup of a taskrc in a git repository is in the directory of the included file that has the secret.
    names = "|".join(re.escape(name) for name in sorted({target.name for target in targets}))
    pattern = re.compile(rf"({names})\.backup-\d{{8}}T\d{{6}}Z(-\d+)?|\.({names})\.[a-z0-9_]{{8}}\.new")
    for directory in dict.fromkeys(target.parent for target in targets):
        try:
            found = sorted(path for path in directory.iterdir() if pattern.fullmatch(path.name))
        except FileNotFoundError:
            continue
        except OSError as reason:
            unknown.append(Unknown("backups", f"backups in {directory}", reason.strerror or str(reason)))
            continue
        backups += [path for path in found if _has_secret(path)]
    return backups, unknown


def _kept_data(data_directory: Path) -> Iterator[Leftover | Unknown]:
    try:
        found = sorted(path for path in data_directory.iterdir() if _KEPT_DATA.fullmatch(path.name))
    except FileNotFoundError:
        return
    except OSError as reason:
        yield Unknown("kept-data", f"earlier data in {data_directory}", reason.strerror or str(reason))
        return
    for path in found:
        if path.is_dir() and not path.is_symlink():
            size = _directory_bytes(path)
            yield Leftover("kept-data", f"the earlier data {path}", path, size, partial(shutil.rmtree, path))


def _directory_bytes(directory: Path) -> int:
    size = 0
    for place, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                size += Path(place, name).lstat().st_size
    return size


def _has_secret(path: Path) -> bool:
    return any(name == ENCRYPTION_SECRET and value for _, name, value in _setting_lines(_content(path)))


def _client_ids(contents: list[bytes]) -> set[UUID]:
    values = [value for content in contents for _, name, value in _setting_lines(content) if name == CLIENT_ID]
    return {client_id for value in values for client_id in _parsed(value)}


def _parsed(value: str) -> set[UUID]:
    try:
        return {parse_client_id(value)}
    except ClientIdError:
        return set()


def _setting_lines(content: bytes) -> list[tuple[int, str, str]]:
    """The lines that define a sync setting, in force or not: number, name, written value."""
    lines = enumerate(content.decode("utf-8-sig", "surrogateescape").split("\n"), 1)
    named = ((number, name_on_line(line), line) for number, line in lines)
    return [
        (number, name, line.partition("#")[0].partition("=")[2].strip())
        for number, name, line in named
        if name in _SETTINGS and name is not None
    ]


def _content(path: Path) -> bytes:
    """The content of a regular file; of anything else, and of an unreadable or very large file, nothing."""
    with suppress(OSError):
        if path.is_file():
            with open(path, "rb") as file:
                return file.read(FILE_BYTES_MAX)
    return b""
