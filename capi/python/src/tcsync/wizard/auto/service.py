"""The way in which the system starts the agent, now and at each login: a file of the system's own form, and a process.

A systemd user unit where the user has a systemd; a launchd agent on a Mac; else an entry of the desktop's autostart
(XDG), with a process that is started at once. Without a desktop that process is all, until the next start of the
computer. The file has no secret in it.
"""

from __future__ import annotations

import os
import plistlib
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .place import running_agent, state_directory_of

Kind = Literal["systemd", "launchd", "autostart"]

#: What decides which data and which programs `task` uses, and which authorities it trusts. Proxies are not among them:
#: their URLs may have passwords.
VARIABLES = (
    *("PATH", "TASKRC", "TASKDATA", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "LANG", "LC_ALL"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)
#: Of these the values are paths, which must not depend on the directory in which the command was given.
_PATHS = ("TASKRC", "TASKDATA", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
#: The working directory of the agent, and so of the programs that it starts. Python looks for modules there, and a
#: home may have any.
_DIRECTORY = "/"
_COMMAND_TIMEOUT_S = 20.0
_START_TIMEOUT_S = 20.0


class ServiceError(Exception):
    """The system refused. `str()` is the reason."""


@dataclass(frozen=True)
class Service:
    """The agent's service of one user, for one data directory: there may be others."""

    data_location: Path

    @property
    def state_directory(self) -> Path:
        return state_directory_of(self.data_location)

    @property
    def name(self) -> str:
        """Of the unit and the desktop entry, without what follows the dot."""
        return f"tcsync-auto-{self.state_directory.name[:8]}"

    @property
    def unit_path(self) -> Path:
        return _configuration() / "systemd" / "user" / f"{self.name}.service"

    @property
    def plist_path(self) -> Path:
        return Path.home() / "Library" / "LaunchAgents" / f"dev.{self.name}.plist"

    @property
    def desktop_entry_path(self) -> Path:
        return _configuration() / "autostart" / f"{self.name}.desktop"

    def install(self, command: Sequence[str]) -> Kind:
        """Writes the file, replacing an earlier one, and starts the agent, or starts it again. `command` is the agent.
        ServiceError."""
        self.remove()
        kind: Kind
        process: subprocess.Popen[bytes] | None = None
        try:
            if sys.platform == "darwin":
                kind = "launchd"
                self._install_launchd(command)
            elif _has_systemd():
                kind = "systemd"
                self._install_systemd(command)
            else:
                kind = "autostart"
                process = self._install_autostart(command)
            self._await_running(process)
        except BaseException:  # Also an interrupt: otherwise it would come at the next login.
            with suppress(ServiceError):
                self.remove()
            if process is not None:
                process.kill()  # It may not have its lock yet.
            raise
        return kind

    def remove(self) -> None:
        """Stops the agent and removes its files. ServiceError."""
        has_systemd = self.unit_path.exists() and _has_systemd()
        if has_systemd:
            _run("systemctl", "--user", "disable", "--now", self.unit_path.name)
        if self.plist_path.exists():
            with suppress(ServiceError):  # It need not be loaded.
                _run("launchctl", "bootout", f"gui/{os.getuid()}/{self.plist_path.stem}")
        # `disable` has removed the link, where there is a systemd.
        link = self.unit_path.parent / "default.target.wants" / self.unit_path.name
        for path in (link, *self._files()):
            _unlink(path)
        if has_systemd:
            _run("systemctl", "--user", "daemon-reload")
        self._stop_process()

    @property
    def installed(self) -> Path | None:
        """The file, if there is one."""
        return next((path for path in self._files() if path.exists()), None)

    def _files(self) -> tuple[Path, ...]:
        return self.unit_path, self.plist_path, self.desktop_entry_path

    def _install_systemd(self, command: Sequence[str]) -> None:
        _write(self.unit_path, systemd_unit(command, self._environment()))
        _run("systemctl", "--user", "daemon-reload")
        _run("systemctl", "--user", "enable", "--now", self.unit_path.name)

    def _install_launchd(self, command: Sequence[str]) -> None:
        _write(self.plist_path, launchd_agent(self.plist_path.stem, command, self._environment()))
        _run("launchctl", "bootstrap", f"gui/{os.getuid()}", str(self.plist_path))

    def _install_autostart(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = self._environment()
        _write(self.desktop_entry_path, desktop_entry(command, environment))
        try:
            # A session of its own, so that it outlives the terminal.
            return subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=_DIRECTORY,
                start_new_session=True,
            )
        except OSError as reason:
            raise ServiceError(f"{command[0]}: {reason.strerror}") from None

    def _environment(self) -> dict[str, str]:
        found = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
        found.update({name: os.path.abspath(found[name]) for name in _PATHS if name in found})
        # A setting data.location may depend on the directory, too, and this variable overrules it.
        if "TASKDATA" in found or not self.data_location.is_absolute():
            found["TASKDATA"] = os.path.abspath(self.data_location)
        return found

    def _await_running(self, process: subprocess.Popen[bytes] | None) -> None:
        """`process`: the agent, where it was started from here."""
        end = time.monotonic() + _START_TIMEOUT_S
        while running_agent(self.state_directory) is None:
            if process is not None and process.poll() is not None:
                raise ServiceError(f"the agent ended at once, with status {process.returncode}")
            if time.monotonic() > end:
                raise ServiceError(f"the agent did not start within {_START_TIMEOUT_S:g} seconds")
            time.sleep(0.05)

    def _stop_process(self) -> None:
        end = time.monotonic() + _COMMAND_TIMEOUT_S
        told: int | None = None
        with ExitStack() as ending:
            while (pid := running_agent(self.state_directory)) is not None:
                if time.monotonic() > end:
                    raise ServiceError(f"the agent, process {pid}, does not end; end it with kill -9 {pid}")
                if pid != told:
                    with suppress(ProcessLookupError):
                        ending.callback(_await_end, _watch(pid), end)
                        os.kill(pid, signal.SIGTERM)
                    told = pid
                time.sleep(0.05)


def _watch(pid: int) -> int | None:
    """A descriptor that can be read once the process has ended, where the system has such. ProcessLookupError where it
    has ended."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:  # a kernel before 5.3, or a sandbox
        return None


def _await_end(process: int | None, end: float) -> None:
    """An agent gives its lock back some time before it has ended."""
    if process is not None:
        try:
            select.select([process], [], [], max(0.0, end - time.monotonic()))
        finally:
            os.close(process)


def systemd_unit(command: Sequence[str], environment: Mapping[str, str]) -> str:
    variables = "".join(f"Environment={_systemd_word(f'{name}={value}')}\n" for name, value in environment.items())
    # As an argument of env, the program may have any name; as the first word systemd refuses some.
    words = " ".join(_systemd_word(word.replace("$", "$$")) for word in command)
    return (
        "# Made by `tcsync auto on`, and removed by `tcsync auto off`.\n"
        "[Unit]\n"
        "Description=Keeps Taskwarrior's tasks in sync\n\n"
        "[Service]\n"
        f"ExecStart=/usr/bin/env -- {words}\n"
        f"WorkingDirectory={_DIRECTORY}\n"
        f"{variables}"
        "Restart=on-failure\n"
        "RestartSec=30\n"
        "Nice=10\n\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )


def launchd_agent(label: str, command: Sequence[str], environment: Mapping[str, str]) -> str:
    return plistlib.dumps(
        {
            "Label": label,
            "ProgramArguments": list(command),
            "EnvironmentVariables": dict(environment),
            "WorkingDirectory": _DIRECTORY,
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ProcessType": "Background",
        }
    ).decode()


def desktop_entry(command: Sequence[str], environment: Mapping[str, str]) -> str:
    words = ["env", *(f"{name}={value}" for name, value in environment.items()), *command]
    return (
        "[Desktop Entry]\n"
        "Type=Application\n"
        "Name=tcsync\n"
        "Comment=Keeps Taskwarrior's tasks in sync\n"
        f"Exec={' '.join(map(_desktop_word, words))}\n"
        f"Path={_DIRECTORY}\n"
        "Terminal=false\n"
        "NoDisplay=true\n"
    )


def _systemd_word(word: str) -> str:
    """Quoted as systemd.syntax(7) reads it, with its specifiers escaped. (A $ means something in commands only.)"""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'


def _desktop_word(word: str) -> str:
    """Quoted as the Desktop Entry Specification says: first as an argument, then as a string of the file."""
    quoted = "".join(f"\\{character}" if character in '"`$\\' else character for character in word)
    return f'"{quoted}"'.replace("\\", "\\\\").replace("%", "%%").replace("\n", "\\n")


def _configuration() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _has_systemd() -> bool:
    """Whether this user has a systemd that can be reached."""
    if not shutil.which("systemctl"):
        return False
    try:
        _run("systemctl", "--user", "show", "--property=Version")
    except ServiceError:
        return False
    return True


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(content, encoding="utf-8")
        os.replace(new, path)
    except OSError as reason:
        raise ServiceError(f"{path}: {reason.strerror}") from None


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as reason:
        raise ServiceError(f"{path}: {reason.strerror}") from None


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise ServiceError(f"{shlex.join(command)}: {reason}") from None
    if done.returncode != 0:
        words = " ".join((done.stderr or done.stdout).split())[:300]
        raise ServiceError(f"{shlex.join(command)} failed: {words or f'status {done.returncode}'}")
