"""The places for sync settings: the user's own files, and none that a git repository would publish.

A taskrc often lies in a repository of "dotfiles", and the next commit would publish a secret in it. Then the sync
settings go into SYNC_FILE_NAME, outside of the repository and for the owner only, and the taskrc includes that file.
The same file serves where another program writes the taskrc, such as Nix: that program adds the include.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .taskrc import SYNC_FILE_NAME, Taskrc, config_home, home_directory

_GIT_TIMEOUT_S = 10
# Characters that an include's path cannot have: they are read as the end of a line, a variable, or a setting.
_NOT_IN_INCLUDE = "#$=\n\r"


def publishing_repository(path: Path, environment: Mapping[str, str]) -> Path | None:
    """The git work tree that the file is in, or would be; None when there is none, or when git ignores the file.

    It is looked for up to the home directory, or for a file outside of that, up to the root. Without a `git` program
    the file counts as not ignored.
    """
    real = Path(os.path.realpath(path))
    home = Path(os.path.realpath(home_directory(environment)))
    for directory in real.parents:
        mark = directory / ".git"
        # A file names the place of the repository, for further work trees and for submodules.
        if mark.is_file() or (mark / "HEAD").exists():
            return None if _is_ignored(real, directory, environment) else directory
        if directory == home:
            return None
    return None


def refusal_to_change(path: Path, *, owner: int | None = None) -> str | None:
    """The reason why a file cannot be replaced, as a clause such as "it is read-only"; None when it can. It need not
    exist. `owner` is a user ID that it may belong to, besides this process's."""
    try:
        status = path.stat()
    except FileNotFoundError:
        status = None
    except OSError as reason:
        return f"the system says “{reason.strerror}”"
    if status is not None:
        if not stat.S_ISREG(status.st_mode):
            return "it is not a regular file"
        if status.st_uid not in (os.geteuid(), owner):
            return "it belongs to another user"
        # To root no file is read-only; the person has marked it nevertheless.
        if not status.st_mode & stat.S_IWUSR or not os.access(path, os.W_OK):
            return "it is read-only"
    directory = _existing(path.parent)
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"its directory {directory} is read-only"
    return None


def choose_sync_file(taskrc: Taskrc) -> Path | None:
    """The file for the sync settings if the taskrc itself cannot have them: the included one, or else a new one. None
    when each possible place is unsuitable."""
    environment = taskrc.environment
    data_home = environment.get("XDG_DATA_HOME") or home_directory(environment) / ".local" / "share"
    directories = (config_home(environment) / "task", Path(data_home) / "task", taskrc.data_location)
    places = [directory / SYNC_FILE_NAME for directory in directories]
    if taskrc.sync_file is not None:
        places.insert(0, taskrc.sync_file)
    return next((place for place in places if _is_suitable(place, environment)), None)


def include_line(path: Path, environment: Mapping[str, str]) -> str:
    """The line that includes a file. One in the home directory is named from there, because another computer with the
    same taskrc may have another home."""
    home = home_directory(environment)
    written = f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
    return f"include {written}"


def _is_suitable(place: Path, environment: Mapping[str, str]) -> bool:
    line = include_line(place, environment)
    if not place.is_absolute() or any(character in line for character in _NOT_IN_INCLUDE):
        return False
    return refusal_to_change(place) is None and publishing_repository(place, environment) is None


def _is_ignored(path: Path, work_tree: Path, environment: Mapping[str, str]) -> bool:
    """Whether git would not add the file. A file that is in the repository already is not ignored, whatever .gitignore
    says."""
    # The variables of another repository would mislead git.
    variables = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
    # A monitor is a program that the repository names.
    command = ["git", "-C", str(work_tree), "-c", "core.fsmonitor=false", "check-ignore", "--quiet", "--", str(path)]
    try:
        done = subprocess.run(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _existing(directory: Path) -> Path:
    """The directory, or the nearest one above that exists."""
    return next((place for place in (directory, *directory.parents) if place.exists()), Path("/"))
