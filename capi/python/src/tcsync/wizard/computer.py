"""This computer's part of sync: its taskrc, its Taskwarrior, its replica."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from tcsync import (
    Credentials,
    Secret,
    SyncBackend,
    Taskrc,
    TaskrcEdit,
    edit_taskrc,
    find_taskrc,
    parse_client_id,
    read_taskrc,
)
from tcsync.server_url import taskrc_url
from tcsync.taskrc import CLIENT_ID, ENCRYPTION_SECRET, SERVER_URL

from .diagnosis import errors_as_findings
from .findings import CommandStopped, Problem
from .recurrence import changes as recurrence_changes
from .replica import Replica, ReplicaUnreadable, read_replica
from .taskwarrior import Taskwarrior, find_taskwarrior

_SERVER_SETTINGS = (SERVER_URL, CLIENT_ID, ENCRYPTION_SECRET)
# taskd.*, of Taskwarrior 2, is not one of them: Taskwarrior 3 does not read it.
_OTHER_BACKENDS = (SyncBackend.LOCAL, SyncBackend.GCP, SyncBackend.AWS, SyncBackend.GIT, SyncBackend.OLD_ORIGIN)


@dataclass(frozen=True)
class TaskProgram:
    """The `task` program to run, and the time limit of each run."""

    command: str
    timeout_s: float


class ThisComputer:
    """Reads on demand; only `configure` changes anything. Failures raise CommandStopped with a finding."""

    def __init__(self, program: TaskProgram) -> None:
        self._program = program
        self._taskwarrior: Taskwarrior | None = None
        #: Whether `configure` lets this computer make the repetitions of recurring tasks; None leaves it as it is.
        self.wants_recurrence: bool | None = None
        self.taskrc_path: Path = find_taskrc()
        self.taskrc: Taskrc = self.read_taskrc()

    def read_taskrc(self) -> Taskrc:
        """The taskrc as it is now."""
        with errors_as_findings():
            self.taskrc = read_taskrc(self.taskrc_path)
        return self.taskrc

    @property
    def taskwarrior(self) -> Taskwarrior:
        """The Taskwarrior of this computer, looked for once."""
        if self._taskwarrior is None:
            self._taskwarrior = find_taskwarrior(
                self.taskrc_path, command=self._program.command, timeout_s=self._program.timeout_s
            )
        return self._taskwarrior

    def replica(self) -> Replica:
        """The replica as it is now."""
        try:
            return read_replica(self.taskrc.data_location)
        except ReplicaUnreadable as error:
            raise Problem.REPLICA_UNKNOWN.stop(detail=error) from None

    def configured(self) -> Credentials | None:
        """The complete settings of a sync server, or None. CommandStopped for invalid ones."""
        sync = self.taskrc.sync
        if sync.url is None or sync.client_id is None or sync.secret is None:
            return None
        with errors_as_findings():
            return Credentials(sync.url, parse_client_id(sync.client_id), sync.secret)

    def require_credentials(self) -> Credentials:
        """The configured credentials. If they are incomplete, CommandStopped with the missing settings."""
        if not self.taskrc.exists:
            raise Problem.TASKRC_MISSING.stop(path=self.taskrc_path)
        credentials = self.configured()
        if credentials is not None and not self.other_settings():
            return credentials
        if others := self.other_settings():
            raise Problem.SYNC_OTHER_BACKEND.stop(settings=", ".join(others))
        missing = [name for name in _SERVER_SETTINGS if name not in self.own_settings()]
        if len(missing) == len(_SERVER_SETTINGS):
            raise Problem.SYNC_NOT_CONFIGURED.stop(path=self.taskrc_path)
        raise Problem.SYNC_INCOMPLETE.stop(path=self.taskrc_path, missing=", ".join(missing))

    def other_settings(self) -> list[str]:
        """The names of settings that make Taskwarrior sync in another way than with a sync server's URL."""
        return [setting.name for backend in _OTHER_BACKENDS for setting in self.taskrc.settings_of(backend)]

    def own_settings(self) -> list[str]:
        """The names of the present settings of a sync server, complete or not."""
        return [name for name in _SERVER_SETTINGS if self.taskrc.get(name) is not None]

    def changes(self, credentials: Credentials) -> dict[str, str | Secret | None]:
        """The settings that `configure` writes into the taskrc; None removes a setting."""
        return {
            **dict.fromkeys(self.other_settings(), None),
            SERVER_URL: taskrc_url(credentials.url),
            CLIENT_ID: str(credentials.client_id),
            ENCRYPTION_SECRET: credentials.secret,
            **recurrence_changes(self.taskrc, self.wants_recurrence),
        }

    def configure(self, credentials: Credentials) -> TaskrcEdit:
        """Writes the credentials into the taskrc, unless they are already there."""
        with errors_as_findings():
            edit = edit_taskrc(self.taskrc, self.changes(credentials))
        self.read_taskrc()
        return edit

    def has_synced(self, client_id: UUID) -> bool:
        """Whether this computer is configured for that client and has synced with it."""
        configured = self.configured()
        return configured is not None and configured.client_id == client_id and self.replica().has_synced

    def is_configured_with(self, credentials: Credentials) -> bool:
        """Whether exactly these are set, and no other setting that would override them."""
        try:
            return self.configured() == credentials and not self.other_settings()
        except CommandStopped:
            return False
