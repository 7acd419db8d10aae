"""The setup's answers from flags, and the sources of secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from tcsync import Credentials, Secret, parse_client_id, parse_secret

from ..diagnosis import errors_as_findings
from ..findings import CommandStopped, Problem
from ..pasted import credentials_in
from ..server_check import ConnectionOptions

ServerKind = Literal["cloud", "self-hosted", "skip"]
Computer = Literal["first", "second"]

#: More than the length of any pairing code or secret.
_SECRET_INPUT_BYTES_MAX = 16_384


@dataclass(frozen=True)
class SecretSource:
    """The source of a secret: a file, `-` for standard input, or an open descriptor. At most one is named."""

    flag: str
    file: str | None = None
    descriptor: int | None = None

    @property
    def is_named(self) -> bool:
        return self.file is not None or self.descriptor is not None

    @property
    def is_stdin(self) -> bool:
        return self.file == "-" or self.descriptor == 0

    def read(self, what: str) -> str:
        """Reads the source's only line."""
        lines = self.read_text(what).splitlines()
        if len(lines) > 1:
            raise self._unreadable(what, "it has more than one line")
        return lines[0]

    def read_text(self, what: str) -> str:
        """Reads all of the source, without empty lines around it."""
        try:
            if self.file is not None and self.file != "-":
                data = _read(os.open(self.file, os.O_RDONLY | os.O_CLOEXEC))
            else:
                data = _read(os.dup(self.descriptor if self.descriptor is not None else 0))
            text = data.decode("utf-8-sig").strip("\r\n")
        except UnicodeDecodeError:
            raise self._unreadable(what, "it is not UTF-8 text") from None
        except OSError as error:
            raise self._unreadable(what, error.strerror or "it cannot be read") from None
        if not text or len(data) > _SECRET_INPUT_BYTES_MAX:
            raise self._unreadable(what, "it is too long" if text else "it is empty")
        return text

    def _unreadable(self, what: str, detail: str) -> CommandStopped:
        place = self.file if self.file is not None else f"descriptor {self.descriptor}"
        return Problem.SECRET_UNREADABLE.stop(what=what, source=place, detail=detail)


@dataclass(frozen=True)
class Answers:
    """Every answer that a flag can give. None, or a source without a name: no answer."""

    server_url: str | None
    server: ServerKind | None
    computer: Computer | None
    client_id: str | None
    secret: SecretSource
    pairing_code: SecretSource
    connection: ConnectionOptions
    replace: bool | None
    merge: bool | None
    recurrence: bool | None
    auto: bool | None
    save_unverified: bool
    dry_run: bool
    qr: bool
    reveal: bool
    keyring: bool

    def check(self) -> None:
        """CommandStopped when flags contradict each other. To be called before anything is read or asked."""
        for source in (self.secret, self.pairing_code):
            if source.file is not None and source.descriptor is not None:
                _conflict(f"--{source.flag}-file and --{source.flag}-fd name two sources for one value")
        if self.pairing_code.is_named and (self.client_id or self.secret.is_named):
            _conflict("a pairing code has the client ID and the secret in it; give the code, or the two")
        if self.computer == "first" and self.gives_credentials:
            _conflict("--first-computer makes new credentials; existing ones are for --second-computer")
        if self.server == "skip" and (self.computer or self.gives_credentials or self.server_url):
            _conflict("--server skip cannot be combined with another answer")

    @property
    def gives_credentials(self) -> bool:
        return self.pairing_code.is_named or self.secret.is_named or self.client_id is not None

    def credentials(self, url: str | None) -> Credentials | None:
        """The credentials that the flags give, or None when they give none. CommandStopped for incomplete or invalid
        ones.

        `url`: the server that goes with a client ID and a secret.
        """
        if self.pairing_code.is_named:
            return read_pairing_code(self.pairing_code)
        if self.client_id is None or not self.secret.is_named or url is None:
            return None
        with errors_as_findings():
            client_id = parse_client_id(self.client_id)
            return Credentials(url, client_id, read_secret(self.secret))


def read_secret(source: SecretSource) -> Secret:
    """Reads the secret from a flag's source."""
    with errors_as_findings():
        return parse_secret(source.read("secret"))


def read_pairing_code(source: SecretSource) -> Credentials:
    """Reads the pairing code, or another computer's settings, from a flag's source."""
    return credentials_in(source.read_text("pairing code"))


def _conflict(detail: str) -> None:
    raise Problem.FLAGS_CONFLICT.stop(detail=detail)


def _read(descriptor: int) -> bytes:
    """Reads up to a little more than is allowed, and closes the descriptor."""
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(_SECRET_INPUT_BYTES_MAX + 1)
