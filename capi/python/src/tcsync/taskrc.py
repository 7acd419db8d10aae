"""Taskwarrior's configuration file: read as Taskwarrior reads it, and changed without losing anything.

Nothing here runs `task`: `task config NAME` without a value deletes the setting that it seems to ask for. The observed
rules of Taskwarrior 3.5, with which tests compare:

- The file is the one in TASKRC; else ~/.taskrc, if it exists; else task/taskrc in XDG_CONFIG_HOME, or in ~/.config when
  that is not set, if it exists. Otherwise Taskwarrior would create ~/.taskrc.
- A line is cut at the first #, wherever it is, and trimmed. With an = it is a setting. Without one, but with the word
  include in it, the rest is the path of a file that is read in its place; anything else is refused. There are
  no continuation lines. Files nest to 10 levels.
- A relative path of an include is looked for in the working directory, then beside the file with the include (at its
  real place, behind symbolic links), then in the directory of Taskwarrior's themes.
- In values and paths, ~ or ~user at the beginning and $NAME anywhere (but not ${NAME}) are replaced. After that, in
  values, the escapes of JSON strings are decoded. So a literal #, $, ~ or backslash is written as an escape.
- The last definition of a setting wins. TASKDATA wins over data.location; without either it is ~/.task.
- sync.server.origin is the old name of sync.server.url, which wins unless it is empty.

A taskrc may keep the sync settings in a file of their own, SYNC_FILE_NAME, which it includes: `sync_file.py` says when.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from .errors import SecretError, TaskrcError, TaskrcSyntaxError
from .secret import Secret

SERVER_URL = "sync.server.url"
SERVER_ORIGIN = "sync.server.origin"
CLIENT_ID = "sync.server.client_id"
ENCRYPTION_SECRET = "sync.encryption_secret"

#: The name of a file with only the sync settings. A taskrc that is shared by several computers includes it before it
#: exists on each; so it is read as empty where it is missing, although Taskwarrior then refuses to start.
SYNC_FILE_NAME = "tcsync-sync.rc"

#: The largest file that is read, in bytes: a thousand times what people write.
FILE_BYTES_MAX = 4 * 1024 * 1024
NESTING_MAX = 10

# Where Taskwarrior's packages put the themes and holidays that may be included by their bare names.
_SEARCH_PATHS = (
    "/usr/share/taskwarrior",
    "/usr/local/share/taskwarrior",
    "/opt/homebrew/share/taskwarrior",
    "/usr/share/doc/task/rc",
    "/usr/local/share/doc/task/rc",
    "/opt/homebrew/share/doc/task/rc",
)
_SPACE = " \t\n\f\r"
_VARIABLE = re.compile(r"\$([A-Za-z0-9_]+)")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|u|(.)|$)", re.DOTALL)
_SIMPLE_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class SyncBackend(Enum):
    """The kinds of places that Taskwarrior can sync to."""

    #: A sync server, over HTTP: what this package is about.
    SERVER = "sync.server"
    LOCAL = "sync.local"
    GCP = "sync.gcp"
    AWS = "sync.aws"
    GIT = "sync.git"
    #: taskd.*, of Taskwarrior 2, which no Taskwarrior 3 reads.
    TASKD = "taskd"


@dataclass(frozen=True)
class TaskrcSetting:
    """One effective setting, and the file and line (from 1) that it comes from."""

    name: str
    #: Not shown by repr, because it may be a secret.
    value: str = field(repr=False)
    file: Path
    line: int


@dataclass(frozen=True)
class SyncSettings:
    """The settings of a sync server, not normalised; None for an absent or empty one."""

    url: str | None
    client_id: str | None
    secret: Secret | None

    @property
    def is_complete(self) -> bool:
        return None not in (self.url, self.client_id, self.secret)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Taskrc:
    """A configuration file and its includes, at the moment of reading. `edit_taskrc` changes it."""

    #: The path as given; may be a symbolic link, and need not exist.
    path: Path
    exists: bool
    #: The permission bits of the file itself; 0 when it does not exist.
    mode: int
    #: The effective settings, by name.
    settings: Mapping[str, TaskrcSetting] = field(repr=False)
    #: Every definition of each setting, in the order of reading: the last one is effective.
    definitions: Mapping[str, tuple[TaskrcSetting, ...]] = field(repr=False)
    #: Includes with relative paths that were not found; Taskwarrior may know a directory that has them.
    unresolved_includes: tuple[str, ...]
    #: Every file that was read, the main one first.
    files: tuple[Path, ...]
    #: The included SYNC_FILE_NAME, if any. It need not exist.
    sync_file: Path | None
    #: Absolute.
    data_location: Path
    #: The bytes that were read, to notice changes by other programs.
    content: bytes = field(repr=False)
    #: The same of every file, by its real path.
    contents: Mapping[Path, bytes] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)

    __hash__ = None  # type: ignore[assignment]

    def setting(self, name: str) -> TaskrcSetting | None:
        return self.settings.get(name)

    def get(self, name: str) -> str | None:
        """The value; None when it is absent or empty, which is the same to Taskwarrior."""
        found = self.settings.get(name)
        return found.value or None if found else None

    @property
    def url_setting(self) -> TaskrcSetting | None:
        """The setting that names the sync server, under its present or its old name."""
        return next((self.settings[name] for name in (SERVER_URL, SERVER_ORIGIN) if self.get(name)), None)

    @property
    def sync(self) -> SyncSettings:
        """TaskrcError when the secret is not valid; it names the line, not the value."""
        secret = None
        setting = self.settings.get(ENCRYPTION_SECRET)
        if setting and setting.value:
            try:
                secret = Secret(setting.value)
            except SecretError as reason:
                raise TaskrcError(
                    f"{setting.file}:{setting.line}: {ENCRYPTION_SECRET} cannot be used: {reason.message}",
                    path=setting.file,
                    line=setting.line,
                ) from None
        url = self.url_setting
        return SyncSettings(url.value if url else None, self.get(CLIENT_ID), secret)

    @property
    def backends(self) -> tuple[SyncBackend, ...]:
        """The configured backends, in the order of SyncBackend. Several are a contradiction, or a remnant of the
        past."""
        return tuple(backend for backend in SyncBackend if any(map(_BACKEND_NAMES[backend], self._names_in_use())))

    def settings_of(self, backend: SyncBackend) -> tuple[TaskrcSetting, ...]:
        """The settings, not empty, that configure that backend."""
        return tuple(self.settings[name] for name in self._names_in_use() if _BACKEND_NAMES[backend](name))

    def _names_in_use(self) -> Iterator[str]:
        return (name for name, setting in self.settings.items() if setting.value)


_BACKEND_NAMES: Mapping[SyncBackend, Callable[[str], bool]] = {
    SyncBackend.SERVER: lambda name: name in (SERVER_URL, SERVER_ORIGIN, CLIENT_ID),
    SyncBackend.LOCAL: lambda name: name.startswith("sync.local."),
    SyncBackend.GCP: lambda name: name.startswith("sync.gcp."),
    SyncBackend.AWS: lambda name: name.startswith("sync.aws."),
    SyncBackend.GIT: lambda name: name.startswith("sync.git."),
    SyncBackend.TASKD: lambda name: name.startswith("taskd."),
}


def find_taskrc(environment: Mapping[str, str] | None = None) -> Path:
    """The file that Taskwarrior reads, or would create. TaskrcError for an empty TASKRC, with which it reads
    nothing."""
    variables = os.environ if environment is None else environment
    named = variables.get("TASKRC")
    if named is not None:
        if not named:
            raise TaskrcError("TASKRC is set but empty; unset it, or set it to the path of a taskrc", path=Path())
        return Path(_expand(named, variables))
    usual = home_directory(variables) / ".taskrc"
    xdg = config_home(variables) / "task" / "taskrc"
    return xdg if xdg.exists() and not usual.exists() else usual


def read_taskrc(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Taskrc:
    """Reads a taskrc, by default the one that find_taskrc finds, with its includes. One that does not exist is read as
    empty. TaskrcError, or TaskrcSyntaxError for a file that Taskwarrior refuses as well."""
    variables = dict(os.environ if environment is None else environment)
    named = find_taskrc(variables) if path is None else path
    try:
        content = _read_file(named)
        mode = named.stat().st_mode & 0o7777
    except FileNotFoundError:
        return parse_taskrc(named, b"", variables, exists=False, mode=0)
    return parse_taskrc(named, content, variables, exists=True, mode=mode)


def parse_taskrc(
    path: Path,
    content: bytes,
    environment: Mapping[str, str],
    *,
    exists: bool,
    mode: int,
    planned: Mapping[Path, bytes] | None = None,
) -> Taskrc:
    """The result of read_taskrc if the file `path` has this content; included files are read, unless `planned` has
    their contents, by real paths."""
    reader = _Reader(environment, planned or {})
    reader.read(path, content, 1)
    return Taskrc(
        path=path,
        exists=exists,
        mode=mode,
        settings={name: found[-1] for name, found in reader.definitions.items()},
        definitions={name: tuple(found) for name, found in reader.definitions.items()},
        unresolved_includes=tuple(reader.unresolved_includes),
        files=tuple(reader.files),
        sync_file=reader.sync_file,
        data_location=_data_location(path, reader.definitions, environment),
        content=content,
        contents=reader.contents,
        environment=environment,
    )


def name_on_line(line: str) -> str | None:
    """The name of the setting that a line defines, or None."""
    name, equal, _ = line.partition("#")[0].strip(_SPACE).partition("=")
    return name.strip(_SPACE) if equal else None


def encode_value(value: str) -> str:
    """The written form of a value, which Taskwarrior reads back exactly: see the top of this file."""
    written = []
    last = len(value) - 1
    for position, character in enumerate(value):
        at_edge = position in (0, last)
        if character == "\\":
            written.append("\\\\")
        elif (
            character in "#$"
            or ord(character) < 0x20
            or ord(character) == 0x7F
            or (character == "~" and position == 0)
            or (character == " " and at_edge)
        ):
            written.append(f"\\u{ord(character):04x}")
        else:
            written.append(character)
    return "".join(written)


def read_value(written: str, environment: Mapping[str, str] | None = None) -> str:
    """The value that Taskwarrior reads from the text after the = of a line."""
    variables = os.environ if environment is None else environment
    return _decode(_expand(written.partition("#")[0].strip(_SPACE), variables))


class _Reader:
    """Reads files in the order of their lines, as Taskwarrior does."""

    def __init__(self, environment: Mapping[str, str], planned: Mapping[Path, bytes]) -> None:
        self.definitions: dict[str, list[TaskrcSetting]] = {}
        self.unresolved_includes: list[str] = []
        self.files: list[Path] = []
        self.contents: dict[Path, bytes] = {}
        self.sync_file: Path | None = None
        self._environment = environment
        self._planned = planned

    def read(self, path: Path, content: bytes, level: int) -> None:
        self.files.append(path)
        self.contents[Path(os.path.realpath(path))] = content
        text = content.decode("utf-8-sig", "surrogateescape")
        for number, line in enumerate(text.split("\n"), 1):
            significant = line.partition("#")[0].strip(_SPACE)
            if not significant:
                continue
            name, equal, value = significant.partition("=")
            if equal:
                name = name.strip(_SPACE)
                decoded = _decode(_expand(value.strip(_SPACE), self._environment))
                self.definitions.setdefault(name, []).append(TaskrcSetting(name, decoded, path, number))
                continue
            _, include, included = significant.partition("include")
            if not include:
                raise TaskrcSyntaxError(
                    f"{path}:{number}: this line is neither a setting, NAME=VALUE, nor an include; Taskwarrior refuses "
                    "the file because of it. Correct the line, or put a # before it",
                    path=path,
                    line=number,
                )
            self._include(included.strip(_SPACE), path, number, level)

    def _include(self, written: str, path: Path, number: int, level: int) -> None:
        if level >= NESTING_MAX:
            raise TaskrcSyntaxError(
                f"{path}:{number}: files include each other more than {NESTING_MAX} levels deep, which Taskwarrior "
                "refuses; is there a circle?",
                path=path,
                line=number,
            )
        included = self._find(_expand(written, self._environment), path)
        if included is not None and included.name == SYNC_FILE_NAME:
            self.sync_file = included
        if included is None:
            self.unresolved_includes.append(written)
            return
        if included.is_dir():
            return  # Taskwarrior reads nothing from it and reports nothing.
        try:
            planned = self._planned.get(Path(os.path.realpath(included)))
            content = _read_file(included) if planned is None else planned
        except FileNotFoundError:
            if included == self.sync_file:
                return
            raise TaskrcSyntaxError(
                f"{path}:{number}: the included file {included} does not exist; Taskwarrior refuses the file because "
                "of it. Correct the path, or put a # before the line",
                path=path,
                line=number,
            ) from None
        self.read(included, content, level + 1)

    def _find(self, name: str, path: Path) -> Path | None:
        if os.path.isabs(name):
            return Path(name)
        places = (os.getcwd(), os.path.dirname(os.path.realpath(path)), *_SEARCH_PATHS)
        return next((Path(place, name) for place in places if os.path.exists(os.path.join(place, name))), None)


def _read_file(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise
    except OSError as reason:
        raise TaskrcError(f"{path} cannot be read: {reason.strerror}", path=path) from None
    if len(content) > FILE_BYTES_MAX:
        raise TaskrcError(f"{path} is larger than {FILE_BYTES_MAX} bytes; is it a taskrc?", path=path)
    return content


def _data_location(path: Path, definitions: Mapping[str, list[TaskrcSetting]], environment: Mapping[str, str]) -> Path:
    named = environment.get("TASKDATA")
    if named == "":
        raise TaskrcError("TASKDATA is set but empty; unset it, or set it to Taskwarrior's data directory", path=path)
    if named is not None:
        return Path.cwd() / _expand(named, environment)
    settings = definitions.get("data.location")
    if settings is None:
        return home_directory(environment) / ".task"
    # An empty one is the working directory to Taskwarrior, too.
    return Path.cwd() / settings[-1].value


def home_directory(environment: Mapping[str, str]) -> Path:
    """The home directory, as Taskwarrior takes it."""
    return Path(_home(environment))


def config_home(environment: Mapping[str, str]) -> Path:
    """The directory of configuration files."""
    named = environment.get("XDG_CONFIG_HOME")
    return home_directory(environment) / ".config" if named is None else Path(named or "/")


def _home(environment: Mapping[str, str]) -> str:
    return environment.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir


def _expand(text: str, environment: Mapping[str, str]) -> str:
    """The text with ~, ~user and $NAME replaced, as Taskwarrior does."""
    if text.startswith("~"):
        user, slash, rest = text[1:].partition("/")
        if not user:
            home = _home(environment)
        else:
            try:
                home = pwd.getpwnam(user).pw_dir
            except (KeyError, ValueError, UnicodeEncodeError):
                home = f"/home/{user}"
        text = f"{home}{slash}{rest}"
    return _VARIABLE.sub(lambda found: environment.get(found[1], ""), text)


def _decode(text: str) -> str:
    """Decodes the escapes of a JSON string, as leniently as Taskwarrior."""

    def character(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16)).replace("\0", "")
        if found[2]:
            return _SIMPLE_ESCAPES.get(found[2], found[0])
        return found[0] if found[0] == "\\" else ""

    return _ESCAPE.sub(character, text)
