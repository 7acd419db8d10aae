"""Changes to a taskrc: the whole new file or the old one, without losing anything of the user's.

An edit writes a temporary file beside the taskrc, syncs it, renames it over the taskrc and syncs the directory. Before,
the old file is copied to a backup. Both are for the owner only. A symbolic link stays one: its target is changed. All
other lines stay as they are, byte for byte. `taskrc_plan.py` decides which lines of which files change. When an edit
changes included files, it changes them before the taskrc, and puts all of them back if one cannot be changed.
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

from .errors import TaskrcChangedError, TaskrcError
from .secret import Secret
from .taskrc import ENCRYPTION_SECRET, Taskrc
from .taskrc_plan import FileChange, plan_changes

_OWNER_ONLY = 0o600
_DIRECTORY_OWNER_ONLY = 0o700


@dataclass(frozen=True)
class FileEdit:
    """The change of one file."""

    #: The changed file: the target, when there was a symbolic link.
    path: Path
    #: Whether the file did not exist before.
    created: bool
    #: The copy of the old file; None when there was none.
    backup: Path | None
    _before: bytes = field(repr=False)
    _after: bytes = field(repr=False)


@dataclass(frozen=True)
class TaskrcEdit:
    """The changes that edit_taskrc made."""

    #: The changed files, in the order of their changes: the taskrc itself is last.
    files: tuple[FileEdit, ...]
    #: The taskrc itself, behind symbolic links.
    path: Path
    #: Whether others could read one of the files with the secret before, and no longer can.
    restricted: bool

    @property
    def changed(self) -> bool:
        """Whether a file's content was changed."""
        return bool(self.files)

    @property
    def created(self) -> bool:
        """Whether the taskrc did not exist before."""
        return any(file.created and file.path == self.path for file in self.files)

    @property
    def backup(self) -> Path | None:
        """The copy of the old taskrc, or of another file if only such were changed."""
        return next((file.backup for file in reversed(self.files) if file.backup), None)


def edit_taskrc(taskrc: Taskrc, changes: Mapping[str, str | Secret | None]) -> TaskrcEdit:
    """Sets settings, and removes those whose new value is None.

    A setting is changed where it is, in the taskrc or in an included file of the user's own. The settings of a sync
    server are never written into a file that a git repository would publish, but into a file of their own outside of
    it, which the taskrc includes.

    If all are in force already, the content stays as it is, and only the permissions of others are removed. Errors,
    after which the files are unchanged: TaskrcChangedError when one has changed since `taskrc` was read;
    TaskrcIncludeError when an included file that cannot be changed defines a setting to be removed;
    TaskrcReadOnlyError when the taskrc itself cannot be changed; TaskrcPublishedError when every place for the settings
    is in a repository; TaskrcError when the system refuses.
    """
    target = Path(os.path.realpath(taskrc.path))
    wanted = {name: value.reveal() if isinstance(value, Secret) else value for name, value in changes.items()}
    for name in wanted:
        if name != name.strip() or any(character in name for character in "=#\n\r\0") or not name:
            raise TaskrcError(f"'{name}' cannot be the name of a setting", path=target)
    _require_unchanged(target, taskrc.content if taskrc.exists else None)
    plan = plan_changes(taskrc, wanted)
    changing = {change.path for change in plan}
    restricted = any(stat.S_IMODE(path.stat().st_mode) & 0o077 for path in _secret_files(taskrc, target) & changing)
    edits: list[FileEdit] = []
    try:
        for change in plan:
            edits.append(_change_file(change, target))
    except BaseException:
        for edit in reversed(edits):
            _undo_file(edit)
        raise
    for path in _secret_files(taskrc, target) - changing:
        restricted |= _restrict(path)
    return TaskrcEdit(tuple(edits), target, restricted)


def undo_edit(edit: TaskrcEdit) -> None:
    """Restores the files from before the edit, and removes the backups. TaskrcChangedError when another program has
    changed one since; all of them, and the backups, are then left alone."""
    try:
        for file in edit.files:
            if _current(file.path) != file._after:
                where = f"; the previous content is in {file.backup}" if file.backup else ""
                raise TaskrcChangedError(
                    f"{file.path} was changed by another program in the meantime, so it is left as it is{where}",
                    path=file.path,
                )
    except OSError as reason:
        _refuse(file.path, reason)
    for file in reversed(edit.files):
        _undo_file(file)


def _change_file(change: FileChange, taskrc: Path) -> FileEdit:
    """Writes one file and its backup, or leaves everything as it was."""
    target, before, after = change.path, change.before, change.after
    _require_unchanged(target, before)
    owner = target if before is not None else taskrc
    try:
        target.parent.mkdir(mode=_DIRECTORY_OWNER_ONLY, parents=True, exist_ok=True)
        backup = None
        if before is not None:
            change.backup_directory.mkdir(mode=_DIRECTORY_OWNER_ONLY, parents=True, exist_ok=True)
            backup = _write_backup(change.backup_directory / target.name, before, owner)
    except OSError as reason:
        _refuse(target, reason)
    try:
        _replace(target, after, owner, lambda: _require_unchanged(target, before))
    except BaseException as reason:
        # Also after an interrupt between the renaming and the syncing: then the old file is restored.
        if after != before and _current(target) == after:
            _put_back(target, before)
        if backup:
            backup.unlink(missing_ok=True)
        if isinstance(reason, OSError):
            _refuse(target, reason)
        raise
    return FileEdit(target, before is None, backup, before or b"", after)


def _undo_file(edit: FileEdit) -> None:
    try:
        _put_back(edit.path, None if edit.created else edit._before)
        if edit.backup:
            edit.backup.unlink(missing_ok=True)
    except OSError as reason:
        _refuse(edit.path, reason)


def _secret_files(taskrc: Taskrc, target: Path) -> set[Path]:
    """The taskrc, if it exists, and every file with the secret in it."""
    files = {Path(os.path.realpath(found.file)) for found in taskrc.definitions.get(ENCRYPTION_SECRET, ())}
    return {target, *files} if taskrc.exists else files


def _require_unchanged(target: Path, before: bytes | None) -> None:
    try:
        current = _current(target)
    except OSError as reason:
        _refuse(target, reason)
    if current != before:
        raise TaskrcChangedError(
            f"{target} was changed by another program since it was read; nothing was written. Try again", path=target
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


def _write_backup(target: Path, content: bytes, owner: Path) -> Path:
    """Copies the old content to a new file beside `target`, with the time in its name."""
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    for number in range(1, 1000):
        suffix = "" if number == 1 else f"-{number}"
        backup = target.with_name(f"{target.name}.backup-{moment}{suffix}")
        try:
            descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
        except FileExistsError:
            continue
        try:
            _write_and_close(descriptor, content, owner)
        except BaseException:
            backup.unlink(missing_ok=True)
            raise
        return backup
    raise FileExistsError(17, "too many backups of this second", str(target))


def _replace(target: Path, content: bytes, owner: Path, check: Callable[[], None]) -> None:
    """Writes the whole new content, or leaves the old file. `check` is called at the last moment and may raise."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
    temporary = Path(name)
    try:
        _write_and_close(descriptor, content, owner)
        check()
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def _put_back(target: Path, content: bytes | None) -> None:
    if content is not None:
        _replace(target, content, target, lambda: None)
    else:
        target.unlink(missing_ok=True)
        _sync_directory(target.parent)


def _write_and_close(descriptor: int, content: bytes, owner: Path) -> None:
    """Writes a file for the owner of the file `owner`, and only for that user."""
    with open(descriptor, "wb") as file:
        os.fchmod(file.fileno(), _OWNER_ONLY)
        # When root runs `tcsync`, the file keeps its owner; other users own it anyway.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            status = owner.stat()
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
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
