"""This computer's part of sync: its taskrc, its Taskwarrior, its replica."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from tcsync import (
    Credentials,
    ReplicaError,
    Secret,
    SyncBackend,
    Taskrc,
    TaskrcEdit,
    edit_taskrc,
    find_taskrc,
    read_taskrc,
)
from tcsync.taskrc import CLIENT_ID, ENCRYPTION_SECRET, SERVER_ORIGIN, SERVER_URL
from tcsync.taskrc_plan import places_of_settings

from .alone import alone
from .configured import read_settings, repair_of
from .diagnosis import errors_as_findings
from .findings import CommandStopped, Problem
from .recurrence import changes as recurrence_changes
from .replica import LocalReplica, read_replica
from .taskwarrior import Taskwarrior, find_taskwarrior

_SERVER_SETTINGS = (SERVER_URL, CLIENT_ID, ENCRYPTION_SECRET)
# taskd.*, of Taskwarrior 2, is not one of them: Taskwarrior 3 does not read it.
_OTHER_BACKENDS = (SyncBackend.LOCAL, SyncBackend.GCP, SyncBackend.AWS, SyncBackend.GIT)
# With one of these, Taskwarrior 3.5 does not use a sync server that is set as well; the others do not matter then.
_DECIDING_SETTINGS = ("sync.local.server_dir", "sync.gcp.bucket", "sync.aws.bucket")


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

    def alone(self) -> AbstractContextManager[None]:
        """Keeps other commands from this computer's data. CommandStopped if one is at work on it."""
        return alone(self.taskrc.data_location)

    def read_taskrc(self) -> Taskrc:
        """The taskrc as it is now."""
        with errors_as_findings():
            self.taskrc = read_taskrc(self.taskrc_path)
        return self.taskrc

    @property
    def taskwarrior(self) -> Taskwarrior:
        """The Taskwarrior of this computer, looked for once."""
        if self._taskwarrior is None:
            self._taskwarrior = self.find_taskwarrior()
        return self._taskwarrior

    def find_taskwarrior(self) -> Taskwarrior:
        """The Taskwarrior that is installed now. CommandStopped if there is none that can sync."""
        return find_taskwarrior(self.taskrc_path, command=self._program.command, timeout_s=self._program.timeout_s)

    def replica(self) -> LocalReplica:
        """The replica as it is now."""
        return read_replica(self.taskrc.data_location)

    def sync(self, before: LocalReplica) -> tuple[int, LocalReplica]:
        """Runs `task sync`; the number of operations that it has sent, and the replica afterwards. `before` is the
        replica as it was. CommandStopped after a failure."""
        reported = self.taskwarrior.sync()
        after = self.replica()
        sent = max(0, before.unsent_operations - after.unsent_operations) if reported is None else reported
        return sent, after

    @contextmanager
    def replica_findings(self) -> Iterator[None]:
        """Turns errors of calls that change the replica into findings."""
        try:
            yield
        except ReplicaError as error:
            raise Problem.REPLICA_FAILED.stop(detail=str(error).rstrip(". ")) from None

    def configured(self) -> Credentials | None:
        """The complete settings of a sync server, or None. CommandStopped for those that Taskwarrior cannot use."""
        with errors_as_findings():
            return read_settings(self.taskrc)

    def require_credentials(self) -> Credentials:
        """The configured credentials. If they are incomplete, CommandStopped with the missing settings."""
        if not self.taskrc.exists:
            raise Problem.TASKRC_MISSING.stop(path=self.taskrc_path)
        sync_file = self.taskrc.sync_file
        if sync_file is not None and not sync_file.exists():
            raise Problem.TASKRC_SYNC_FILE_MISSING.stop(file=sync_file)
        credentials = self.configured()
        if credentials is not None and not any(map(self.taskrc.get, _DECIDING_SETTINGS)):
            return credentials
        if others := self.other_settings():
            raise Problem.SYNC_OTHER_BACKEND.stop(settings=", ".join(others))
        missing = [name for name in _SERVER_SETTINGS if name not in self.own_settings()]
        if len(missing) == len(_SERVER_SETTINGS):
            raise Problem.SYNC_NOT_CONFIGURED.stop(path=self.taskrc_path)
        names = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'}"
        raise Problem.SYNC_INCOMPLETE.stop(path=self.taskrc_path, missing=names)

    def other_settings(self) -> list[str]:
        """The names of settings that make Taskwarrior sync in another way than with a sync server's URL."""
        return [setting.name for backend in _OTHER_BACKENDS for setting in self.taskrc.settings_of(backend)]

    def own_settings(self) -> list[str]:
        """The names of the present settings of a sync server, complete or not."""
        sync = self.taskrc.url_setting
        return [name for name in _SERVER_SETTINGS if self.taskrc.get(name) or (name == SERVER_URL and sync)]

    def changes(self, credentials: Credentials) -> dict[str, str | Secret | None]:
        """The settings that `configure` writes into the taskrc; None removes a setting."""
        return {
            **dict.fromkeys(self.other_settings(), None),
            SERVER_ORIGIN: None,
            SERVER_URL: credentials.taskrc_url,
            CLIENT_ID: str(credentials.client_id),
            ENCRYPTION_SECRET: credentials.secret,
            **recurrence_changes(self.taskrc, self.wants_recurrence),
        }

    def require_place(self) -> list[Path]:
        """The files that `configure` puts the settings into. CommandStopped when there is none."""
        with errors_as_findings():
            return places_of_settings(self.taskrc)

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
        """Whether exactly these are set, as they should be, and no other setting that would override them."""
        try:
            is_same = self.configured() == credentials and not self.other_settings()
            return is_same and repair_of(self.taskrc) is None
        except CommandStopped:
            return False
