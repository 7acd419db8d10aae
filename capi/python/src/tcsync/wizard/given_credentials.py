"""The credentials of a command that changes nothing on this computer: from flags, or else from the taskrc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

from tcsync import Credentials, Secret, parse_client_id

from .computer import TaskProgram, ThisComputer
from .diagnosis import errors_as_findings
from .findings import CommandStopped, Problem
from .setup.answers import SecretSource, read_pairing_code, read_secret
from .taskwarrior import LOCAL_TIMEOUT_S

_NOT_SET_UP = (Problem.TASKRC_MISSING, Problem.SYNC_NOT_CONFIGURED)


@dataclass(frozen=True)
class GivenCredentials:
    """The flags. A pairing code has a URL in it, which --server-url replaces, for a server that has moved."""

    server_url: str | None
    client_id: str | None
    secret: SecretSource
    pairing_code: SecretSource

    @classmethod
    def from_flags(cls, flags: dict[str, Any]) -> GivenCredentials:
        """Takes the flags of `cli`. CommandStopped when they contradict each other."""
        given = cls(
            flags["server_url"],
            flags["client_id"],
            SecretSource("secret", flags["secret_file"], flags["secret_fd"]),
            SecretSource("pairing-code", flags["pairing_code_file"], flags["pairing_code_fd"]),
        )
        for source in (given.secret, given.pairing_code):
            if source.file is not None and source.descriptor is not None:
                conflict(f"--{source.flag}-file and --{source.flag}-fd name two sources for one value")
        if given.pairing_code.is_named and (given.client_id or given.secret.is_named):
            conflict("a pairing code has the client ID and the secret in it; give the code, or the two")
        return given

    @property
    def reads_stdin(self) -> bool:
        return self.secret.is_stdin or self.pairing_code.is_stdin

    def for_server(self) -> Credentials:
        """Complete credentials: the flags' or, without any of them, this computer's."""
        with errors_as_findings():
            if self.pairing_code.is_named:
                code = read_pairing_code(self.pairing_code)
                return Credentials(self.server_url or code.url, code.client_id, code.secret)
            if self.client_id is None and not self.secret.is_named:
                return self._own()
            if self.client_id is None or not self.secret.is_named or self.server_url is None:
                conflict("a client ID, a secret and a server's URL are needed together; or a pairing code")
            return Credentials(self.server_url, parse_client_id(self.client_id), read_secret(self.secret))

    def for_file(self) -> tuple[UUID | None, Secret]:
        """The secret, and the client ID if it is known: they open exported data without a server."""
        if self.server_url is not None:
            conflict("--server-url names a server, and --from a file")
        if self.secret.is_named:
            with errors_as_findings():
                return parse_client_id(self.client_id) if self.client_id else None, read_secret(self.secret)
        if self.client_id is not None:
            conflict("a client ID needs its secret")
        credentials = self.for_server()
        return credentials.client_id, credentials.secret

    def _own(self) -> Credentials:
        computer = this_computer()
        try:
            own = computer.require_credentials()
        except CommandStopped as stop:
            if stop.finding.problem not in _NOT_SET_UP:
                raise
            raise Problem.CREDENTIALS_NEEDED.stop(path=computer.taskrc_path) from None
        return Credentials(self.server_url, own.client_id, own.secret) if self.server_url else own


def this_computer() -> ThisComputer:
    """This computer, for commands that run no Taskwarrior."""
    return ThisComputer(TaskProgram("task", LOCAL_TIMEOUT_S))


def has_synced_here(client_id: UUID) -> bool:
    """Whether this computer has synced with that client. A computer whose settings cannot be read has not."""
    try:
        return this_computer().has_synced(client_id)
    except CommandStopped:
        return False


def conflict(detail: str) -> NoReturn:
    raise Problem.FLAGS_CONFLICT.stop(detail=detail)
