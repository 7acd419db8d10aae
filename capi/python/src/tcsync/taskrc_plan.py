"""Decides which lines of which files change when settings of a taskrc are to have other values. Changes nothing.

A setting stays where it is: in the taskrc, or in an included file that is the user's own and can be changed. A new one
goes into the taskrc. The settings of a sync server must not be published by a git repository, so they have a further
place: SYNC_FILE_NAME, which `sync_file.py` chooses.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import TaskrcIncludeError, TaskrcPublishedError, TaskrcReadOnlyError
from .sync_file import choose_sync_file, include_line, publishing_repository, refusal_to_change
from .taskrc import CLIENT_ID, ENCRYPTION_SECRET, SERVER_URL, Taskrc, encode_value, name_on_line, parse_taskrc

#: The settings that give access to the tasks: also the URL, which may have a token in its path.
PRIVATE_SETTINGS = (SERVER_URL, CLIENT_ID, ENCRYPTION_SECRET)
#: The settings that each computer has for itself, also where several share a taskrc by a repository. Of two computers
#: only one makes the repetitions of recurring tasks.
_OWN_SETTINGS = (*PRIVATE_SETTINGS, "recurrence")

_OWNER_ONLY = 0o600
_HEADING = b"# The sync settings of this computer, written by tcsync. Keep this file out of every repository.\n"


@dataclass(frozen=True)
class FileChange:
    """One file's old and new content; `before` is None when it does not exist."""

    path: Path
    before: bytes | None = field(repr=False)
    after: bytes = field(repr=False)
    #: Where the backup goes: beside the file, unless that would be published.
    backup_directory: Path


def plan_changes(taskrc: Taskrc, wanted: Mapping[str, str | None]) -> tuple[FileChange, ...]:
    """The changes after which the settings have these values, in the order in which they are to be made. Errors: those
    of edit_taskrc."""
    return _Plan(taskrc, wanted).changes()


def exposing_files(taskrc: Taskrc, name: str) -> dict[Path, Path]:
    """The files with a definition of this setting that a git repository would publish, and those repositories."""
    files = {_real(found.file) for found in taskrc.definitions.get(name, ()) if found.value}
    found = {file: publishing_repository(file, taskrc.environment) for file in sorted(files)}
    return {file: repository for file, repository in found.items() if repository is not None}


def places_of_settings(taskrc: Taskrc) -> list[Path]:
    """The files in which edit_taskrc would put the settings of a sync server. Raises its errors when there is none."""
    plan = _Plan(taskrc, {})
    places = sorted({plan.place(name) for name in PRIVATE_SETTINGS})
    return [taskrc.path if place == _real(taskrc.path) else place for place in places]


class _Plan:
    def __init__(self, taskrc: Taskrc, wanted: Mapping[str, str | None]) -> None:
        self._taskrc = taskrc
        self._main = _real(taskrc.path)
        self._owner = self._main.stat().st_uid if taskrc.exists else None
        self._repositories: dict[Path, Path | None] = {}
        self._chosen: Path | None = None
        self._wanted = {name: value for name, value in wanted.items() if self._differs(name, value)}

    def changes(self) -> tuple[FileChange, ...]:
        places = {name: self.place(name) for name, value in self._wanted.items() if value is not None}
        contents = self._contents(places, at_end=frozenset())
        overruled = self._not_in_force(contents)
        if overruled:
            # A later definition wins, in a file that cannot be changed; the end of the taskrc is later still.
            places |= {name: self._place_at_end() for name in overruled if name in places}
            contents = self._contents(places, at_end=frozenset(overruled))
        for name in self._not_in_force(contents):
            self._refuse_included(name, contents)
        changed = [path for path in contents if contents[path] != (self._before(path) or b"")]
        if self._main in changed:
            self._require_changeable_main()
        changed.sort(key=lambda path: path == self._main)
        return tuple(
            FileChange(path, self._before(path), contents[path], self._backup_directory(path)) for path in changed
        )

    def place(self, name: str) -> Path:
        """The file that is to have a setting."""
        defined = self._taskrc.settings.get(name)
        places = [self._main] if defined is None else [_real(defined.file), self._main]
        included = self._taskrc.sync_file
        if name in _OWN_SETTINGS and included is not None:
            places.insert(0, _real(included))
        for place in places:
            if self._is_changeable(place) and not (name in _OWN_SETTINGS and self._repository(place)):
                return place
        if name not in _OWN_SETTINGS or not self._repository(self._main):
            self._require_changeable_main()
        return self._new_sync_file()

    def _differs(self, name: str, value: str | None) -> bool:
        if (self._taskrc.get(name) or "") != (value or ""):
            return True
        return name in PRIVATE_SETTINGS and value is not None and bool(exposing_files(self._taskrc, name))

    def _contents(self, places: Mapping[str, Path], *, at_end: frozenset[str]) -> dict[Path, bytes]:
        """The files with the changes in them."""
        contents = dict(self._taskrc.contents)
        for path in {*contents, *places.values()}:
            defined = {found for found, files in self._files_by_name().items() if path in files}
            here: dict[str, str | None] = {}
            for name, value in self._wanted.items():
                if places.get(name) == path:
                    here[name] = value
                elif name in defined and self._is_to_be_removed(name, value, path):
                    here[name] = None
            if here:
                before = self._before(path)
                if before is None:
                    before = b"" if path == self._main else _HEADING
                contents[path] = with_changes(before, here, at_end=at_end)
        if self._chosen is not None and _real(self._chosen) in places.values():
            line = include_line(self._chosen, self._taskrc.environment)
            contents[self._main] = with_lines(contents[self._main], [line])
        return contents

    def _is_to_be_removed(self, name: str, value: str | None, path: Path) -> bool:
        """Whether a definition outside of the setting's place goes: to remove the setting, because it has no effect, or
        because a repository would publish it."""
        if not self._is_changeable(path):
            return False
        return value is None or path == self._main or (name in PRIVATE_SETTINGS and self._repository(path) is not None)

    def _files_by_name(self) -> dict[str, set[Path]]:
        return {name: {_real(found.file) for found in all_} for name, all_ in self._taskrc.definitions.items()}

    def _not_in_force(self, contents: Mapping[Path, bytes]) -> list[str]:
        """The settings that would not have the desired values if the files had these contents."""
        planned = self._parsed(contents)
        return [name for name, value in self._wanted.items() if (planned.get(name) or "") != (value or "")]

    def _parsed(self, contents: Mapping[Path, bytes]) -> Taskrc:
        return parse_taskrc(
            self._taskrc.path,
            contents[self._main],
            self._taskrc.environment,
            exists=True,
            mode=_OWNER_ONLY,
            planned=contents,
        )

    def _refuse_included(self, name: str, contents: Mapping[Path, bytes]) -> None:
        setting = self._parsed(contents).setting(name)
        if setting and _real(setting.file) == self._main:
            self._require_changeable_main()
        where = f"{setting.file}:{setting.line}" if setting else "an included file"
        reason = setting and refusal_to_change(_real(setting.file), owner=self._owner)
        raise TaskrcIncludeError(
            f"{name} is set in {where}, which {self._taskrc.path} includes; it cannot be changed there"
            + (f", because {reason}" if reason else ""),
            path=setting.file if setting else self._taskrc.path,
            line=setting.line if setting else None,
        )

    def _place_at_end(self) -> Path:
        """The place that no included file overrules."""
        return self._main if self._repository(self._main) is None else self._new_sync_file()

    def _new_sync_file(self) -> Path:
        self._require_changeable_main()
        if self._chosen is None:
            self._chosen = choose_sync_file(self._taskrc)
        if self._chosen is None:
            repository = self._repository(self._main)
            raise TaskrcPublishedError(
                f"{self._taskrc.path} is in the git repository {repository}, which would publish the secret, and no "
                "other place for the sync settings was found outside of a repository",
                path=self._taskrc.path,
                repository=repository or Path(),
            )
        return _real(self._chosen)

    def _require_changeable_main(self) -> None:
        reason = refusal_to_change(self._main, owner=self._owner)
        if reason is not None:
            chosen = choose_sync_file(self._taskrc)
            raise TaskrcReadOnlyError(
                f"{self._taskrc.path} cannot be changed: {reason}",
                path=self._taskrc.path,
                reason=reason,
                include=include_line(chosen, self._taskrc.environment) if chosen else None,
            )

    def _is_changeable(self, path: Path) -> bool:
        return refusal_to_change(path, owner=self._owner) is None

    def _repository(self, path: Path) -> Path | None:
        if path not in self._repositories:
            self._repositories[path] = publishing_repository(path, self._taskrc.environment)
        return self._repositories[path]

    def _before(self, path: Path) -> bytes | None:
        if path == self._main:
            return self._taskrc.content if self._taskrc.exists else None
        if path in self._taskrc.contents:
            return self._taskrc.contents[path]
        # A file that is not included yet may be there from before.
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def _backup_directory(self, path: Path) -> Path:
        if self._repository(path) is None:
            return path.parent
        chosen = choose_sync_file(self._taskrc)
        return path.parent if chosen is None else _real(chosen).parent


def with_changes(content: bytes, wanted: Mapping[str, str | None], *, at_end: frozenset[str]) -> bytes:
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


def with_lines(content: bytes, added: Iterable[str]) -> bytes:
    """Appends lines, with the line ending of the file."""
    ending = b"\r\n" if b"\r\n" in content else b"\n"
    if content and not content.endswith(b"\n"):
        content += ending
    return content + b"".join(os.fsencode(line) + ending for line in added)


def _line(name: str, value: str | None, old: str) -> str:
    """The line that replaces an old one, and keeps its comment and line ending."""
    carriage_return = "\r" if old.endswith("\r") else ""
    _, hash_sign, comment = old.removesuffix("\r").partition("#")
    start = "\ufeff" if old.startswith("\ufeff") else ""
    return f"{start}{name}={encode_value(value or '')}{' #' if hash_sign else ''}{comment}{carriage_return}"


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
