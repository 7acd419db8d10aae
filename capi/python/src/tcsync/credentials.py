"""The credentials that all computers of one user share: the server's URL, the client ID and the secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from . import _library
from .errors import ClientIdError, SecretError
from .secret import Secret
from .server_url import normalise_url, with_closing_slash

#: The longest secret in bytes of UTF-8: far above any that people use, and short enough for a pairing code.
SECRET_BYTES_MAX = 512

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BARE_UUID = re.compile(r"[0-9a-f]{32}")
_GENERATED_CHARACTERS = 64
_GENERATED_SECRET = re.compile(rf"[0-9a-f]{{{_GENERATED_CHARACTERS}}}")
_QUOTES = "\"'`\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb"
_MASK = str(Secret("?"))
_NIL = UUID(int=0)


@dataclass(frozen=True)
class Credentials:
    """One client's credentials. `url` is normalised. Equal when all three are; the secret is masked."""

    url: str
    client_id: UUID
    secret: Secret

    # Not hashable, because the secret is not.
    __hash__ = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", normalise_url(self.url))
        if self.client_id == _NIL:
            raise ClientIdError("the client ID is all zeros, which no client has; enter that of the first computer")
        secret_bytes = len(self.secret.reveal().encode("utf-8"))
        if secret_bytes > SECRET_BYTES_MAX:
            raise SecretError(f"the secret has {secret_bytes} bytes; at most {SECRET_BYTES_MAX} can be used")

    @property
    def taskrc_url(self) -> str:
        """The value of sync.server.url: a URL with a path has a closing slash there."""
        return with_closing_slash(self.url)

    @classmethod
    def generate(cls, url: str) -> Credentials:
        """New credentials for that server, from the C library's random source."""
        client_id, secret = _library.generate_credentials()
        return cls(url, client_id, secret)


def parse_client_id(text: str) -> UUID:
    """The client ID in text that a person typed: spaces, case and braces do not matter. ClientIdError for anything
    else; it does not repeat the text, in case it is the secret."""
    compact = "".join(text.split()).lower().strip("{}").replace("\N{EN DASH}", "-").replace("\N{HYPHEN}", "-")
    if not compact:
        raise ClientIdError("the client ID is empty; enter that of the first computer")
    if not _UUID.fullmatch(compact) and not _BARE_UUID.fullmatch(compact):
        raise ClientIdError(
            f"the text of {len(compact)} characters is not a client ID, which looks like "
            "123e4567-e89b-42d3-a456-426614174000 (it is not repeated here, in case it is the secret)"
        )
    client_id = UUID(compact)
    if client_id == _NIL:
        raise ClientIdError("the client ID is all zeros, which no client has; enter that of the first computer")
    return client_id


def looks_like_client_id(text: str) -> bool:
    """Whether a text has the form of a client ID, to detect swapped fields."""
    return _UUID.fullmatch("".join(text.split()).lower()) is not None


def parse_secret(text: str) -> Secret:
    """The secret that a person typed or pasted. Space around it is dropped, as Taskwarrior does with its configuration;
    space within it is dropped only if the rest is a generated secret of 64 hexadecimal digits."""
    compact = "".join(text.split())
    return Secret(compact if _GENERATED_SECRET.fullmatch(compact) else text.strip())


def secret_peculiarity(secret: Secret) -> str | None:
    """The way in which a secret differs from a generated one, such as "has a quote in it"; None when it does not. Such
    a secret may be right, because people can choose their own; but most often it was copied wrongly."""
    text = secret.reveal()
    if _GENERATED_SECRET.fullmatch(text):
        return None
    if re.match(r"(sync\.encryption_secret|\w*secret|[\w ]*password)\s*[=:]", text, re.IGNORECASE):
        return "has its label before it"
    if any(character in text for character in _QUOTES):
        return "has a quote in it"
    if any(character.isspace() for character in text):
        return "has a space in it"
    if text == _MASK:
        return "has only asterisks, which stand for the secret where it is not shown"
    if _GENERATED_SECRET.fullmatch(text.lower()):
        return "has capital letters"
    if len(text) != _GENERATED_CHARACTERS:
        return f"has {len(text)} character{'' if len(text) == 1 else 's'}"
    return "has other characters"
