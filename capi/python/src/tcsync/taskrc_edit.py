"""Changes to a taskrc: the whole new file or the old one, without losing anything of the user's.

An edit writes a temporary file beside the taskrc, syncs it, renames it over the taskrc and syncs the directory. Before,
the old file is copied to a backup. Both are for the owner only. A symbolic link stays one: its target is changed. All
other lines stay as they are, byte for byte.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn

from .errors import TaskrcChangedError, TaskrcError, TaskrcIncludeError
from .secret import Secret
from .taskrc import Taskrc, encode_value, name_on_line, parse_taskrc

_OWNER_ONLY = 0o600
_DIRECTORY_OWNER_ONLY = 0o700


@dataclass(frozen=True)
class TaskrcEdit:
    """The changes that edit_taskrc made."""

    #: Whether the file's content was changed.
    changed: bool
    #: Whether the file did not exist before.
    created: bool
    #: Whether others could read the file before, and no longer can.
    restricted: bool
    #: The changed file: the target, when the taskrc is a symbolic link.
    path: Path
    #: The copy of the old file; None when there was none, or nothing was changed.
    backup: Path | None
    _before: bytes = field(repr=False)
    _after: bytes = field(repr=False)


def edit_taskrc(taskrc: Taskrc, changes: Mapping[str, str | Secret | None]) -> TaskrcEdit:
    """Sets settings, and removes those whose new value is None.

    If all are in force already, the content stays as it is, and only the permissions of others are removed. Errors,
    after which the file is unchanged: TaskrcChangedError when it has changed since `taskrc` was read;
    TaskrcIncludeError when an included file defines a setting to be removed; TaskrcError when the system refuses.
    """
    target = Path(os.path.realpath(taskrc.path))
    _require_unchanged(taskrc, target)
    wanted = {name: value.reveal() if isinstance(value, Secret) else value for name, value in changes.items()}
    for name in wanted:
        if name != name.strip() or any(character in name for character in "=#\n\r\0") or not name:
            raise TaskrcError(f"'{name}' cannot be the name of a setting", path=target)
    content = _changed_content(taskrc, wanted)
    if content == taskrc.content and (taskrc.exists or not content):
        restricted = taskrc.exists and _restrict(target)
        return TaskrcEdit(False, False, restricted, target, None, taskrc.content, content)
    try:
        target.parent.mkdir(mode=_DIRECTORY_OWNER_ONLY, parents=True, exist_ok=True)
        backup = _write_backup(target, taskrc.content) if taskrc.exists else None
    except OSError as reason:
        _refuse(target, reason)
    try:
        _replace(target, content, lambda: _require_unchanged(taskrc, target))
    except BaseException as reason:
        # Also after an interrupt between the renaming and the syncing: then the old file is restored.
        if content != taskrc.content and _current(target) == content:
            _put_back(target, taskrc.content, existed=taskrc.exists)
        if backup:
            backup.unlink(missing_ok=True)
        if isinstance(reason, OSError):
            _refuse(target, reason)
        raise
    restricted = bool(taskrc.mode & 0o077)
    return TaskrcEdit(True, not taskrc.exists, restricted, target, backup, taskrc.content, content)


def undo_edit(edit: TaskrcEdit) -> None:
    """Restores the file from before the edit, and removes the backup. TaskrcChangedError when another program has
    changed the file since; it, and the backup, are then left alone."""
    if not edit.changed:
        return
    try:
        if _current(edit.path) != edit._after:
            where = f"; the previous content is in {edit.backup}" if edit.backup else ""
            raise TaskrcChangedError(
                f"{edit.path} was changed by another program in the meantime, so it is left as it is{where}",
                path=edit.path,
            )
        _put_back(edit.path, edit._before, existed=not edit.created)
        if edit.backup:
            edit.backup.unlink(missing_ok=True)
    except OSError as reason:
        _refuse(edit.path, reason)


def _changed_content(taskrc: Taskrc, wanted: Mapping[str, str | None]) -> bytes:
    """The new content. Each change is made in the setting's place, or at the end if an include would override that. The
    effective settings are read back before anything is written."""
    different = {name: value for name, value in wanted.items() if (taskrc.get(name) or "") != (value or "")}
    content = _with_changes(taskrc.content, different, at_end=frozenset())
    overruled = _not_in_force(taskrc, content, different)
    if overruled:
        content = _with_changes(taskrc.content, different, at_end=frozenset(overruled))
    for name in _not_in_force(taskrc, content, different):
        setting = parse_taskrc(taskrc.path, content, taskrc.environment, exists=True, mode=_OWNER_ONLY).setting(name)
        where = f"{setting.file}:{setting.line}" if setting else "an included file"
        raise TaskrcIncludeError(
            f"{name} is set in {where}, which {taskrc.path} includes, so it cannot be changed in {taskrc.path}; change "
            "it there, or put a # before that line",
            path=setting.file if setting else taskrc.path,
            line=setting.line if setting else None,
        )
    return content


def _not_in_force(taskrc: Taskrc, content: bytes, wanted: Mapping[str, str | None]) -> list[str]:
    """The settings that would not have the desired values if the file had this content."""
    planned = parse_taskrc(taskrc.path, content, taskrc.environment, exists=True, mode=_OWNER_ONLY)
    return [name for name, value in wanted.items() if (planned.get(name) or "") != (value or "")]


def _with_changes(content: bytes, wanted: Mapping[str, str | None], *, at_end: frozenset[str]) -> bytes:
    """Replaces the last definition of each setting, drops earlier ones, which had no effect, and appends new ones."""
    text = content.decode("utf-8", "surrogateescape")
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.split("\n")
    open_end = lines.pop()  # The rest after the last line break.
    if open_end:
        lines.append(open_end if ending == "\n" else f"{open_end}\r")
    kept: list[str] = []
    missing = {name: value for name, value in wanted.items() if value is not None}
    for line in reversed(lines):
        name = name_on_line(line.removeprefix("\ufeff"))
        if name not in wanted:
            kept.append(line)
        elif name in missing and name not in at_end:
            kept.append(_line(name, missing.pop(name), line))
    kept.reverse()
    carriage_return = ending[:-1]
    kept.extend(
        f"{name}={encode_value(value)}{carriage_return}" for name, value in missing.items() if value is not None
    )
    changed = "".join(f"{line}\n" for line in kept)
    unchanged_end = bool(open_end) and bool(kept) and not missing and kept[-1] == lines[-1]
    if unchanged_end:
        changed = changed[: -len(ending)]
    return changed.encode("utf-8", "surrogateescape")


def _line(name: str, value: str | None, old: str) -> str:
    """The line that replaces an old one, and keeps its comment and line ending."""
    carriage_return = "\r" if old.endswith("\r") else ""
    _, hash_sign, comment = old.removesuffix("\r").partition("#")
    start = "\ufeff" if old.startswith("\ufeff") else ""
    return f"{start}{name}={encode_value(value or '')}{' #' if hash_sign else ''}{comment}{carriage_return}"


def _require_unchanged(taskrc: Taskrc, target: Path) -> None:
    try:
        current = _current(target)
    except OSError as reason:
        _refuse(target, reason)
    if (current is not None) != taskrc.exists or (current or b"") != taskrc.content:
        raise TaskrcChangedError(
            f"{taskrc.path} was changed by another program since it was read; nothing was written. Try again",
            path=taskrc.path,
        )


def _current(target: Path) -> bytes | None:
    try:
        return target.read_bytes()
    except FileNotFoundError:
        return None


def _restrict(target: Path) -> bool:
    """Removes the permissions of group and others; returns whether there were any."""
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
        if mode & 0o077:
            target.chmod(mode & ~0o077)
        return bool(mode & 0o077)
    except OSError as reason:
        _refuse(target, reason)


def _write_backup(target: Path, content: bytes) -> Path:
    """Copies the old content to a new file with the time in its name."""
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    for number in range(1, 1000):
        suffix = "" if number == 1 else f"-{number}"
        backup = target.with_name(f"{target.name}.backup-{moment}{suffix}")
        try:
            descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
        except FileExistsError:
            continue
        try:
            _write_and_close(descriptor, content, target)
        except BaseException:
            backup.unlink(missing_ok=True)
            raise
        return backup
    raise FileExistsError(17, "too many backups of this second", str(target))


def _replace(target: Path, content: bytes, check: Callable[[], None]) -> None:
    """Writes the whole new content, or leaves the old file. `check` is called at the last moment and may raise."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
    temporary = Path(name)
    try:
        _write_and_close(descriptor, content, target)
        check()
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def _put_back(target: Path, content: bytes, *, existed: bool) -> None:
    if existed:
        _replace(target, content, lambda: None)
    else:
        target.unlink(missing_ok=True)
        _sync_directory(target.parent)


def _write_and_close(descriptor: int, content: bytes, target: Path) -> None:
    with open(descriptor, "wb") as file:
        os.fchmod(file.fileno(), _OWNER_ONLY)
        # When root runs `tcsync`, the file keeps its owner; other users own it anyway.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            owner = target.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse(target: Path, reason: OSError) -> NoReturn:
    raise TaskrcError(
        f"{target} cannot be changed: {reason.strerror or reason}; it is as it was. Check the permissions of the file "
        "and of its directory, and the free space",
        path=target,
    ) from None
