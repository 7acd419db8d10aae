"""Every exception that this package raises on purpose.

All derive from TcsyncError, which carries what the C library reports: a code to decide by, its name, and a sentence for
people that says what was wrong, with which value, and what to do. No message contains a secret or a pairing code.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from . import _declarations as c


class TcsyncError(Exception):
    """Something did not work. `str()` is the sentence for people."""

    def __init__(self, message: str, *, code: int = c.TCSYNC_INVALID_ARGUMENT, name: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        #: The C library's code. `code & 0xff` is the coarse code, the bits above it are a detail.
        self.code = code
        #: The code's name, such as "TCSYNC_UNSEAL_WRONG_KEY".
        self.name = name or c.CODE_NAMES.get(code, c.CODE_NAMES.get(code & 0xFF, "TCSYNC_UNKNOWN_CODE"))


class LibraryError(TcsyncError):
    """The C library cannot be loaded, or is not of this release."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=c.TCSYNC_SYSTEM)


class UrlError(TcsyncError):
    """A text is not the URL of a sync server."""


class ClientIdError(TcsyncError):
    """A text is not a client ID. The text is not repeated, in case that it is the secret."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=c.TCSYNC_INVALID_UUID)


class SecretError(TcsyncError):
    """A text cannot be a secret: empty, too long, or not text."""


class UnsealFault(Enum):
    """Why sealed bytes did not open."""

    TRUNCATED = "truncated"
    UNKNOWN_FORMAT = "unknown-format"
    #: The secret or the client ID; nothing can tell which.
    WRONG_KEY = "wrong-key"
    #: The key is right, but bytes were changed, or they belong to another version.
    NOT_AUTHENTIC = "not-authentic"


class UnsealError(TcsyncError):
    """Sealed bytes did not open."""

    def __init__(self, message: str, fault: UnsealFault, *, code: int) -> None:
        super().__init__(message, code=code)
        self.fault = fault


class RemoteFault(Enum):
    """Why a sync server could not be asked, or what it answered instead of what the protocol allows."""

    #: The host's name is not known.
    DNS = "dns"
    #: Nothing listens there.
    REFUSED = "refused"
    #: No route, reset, closed early, or another failure of the network.
    NETWORK = "network"
    TIMEOUT = "timeout"
    #: The proxy cannot be reached or refuses.
    PROXY = "proxy"
    #: The certificate has expired or is not valid yet (check the clock).
    TLS_EXPIRED = "tls-expired"
    #: The certificate is signed by an authority that this computer does not know.
    TLS_UNKNOWN_CA = "tls-unknown-ca"
    #: The certificate is for another host name.
    TLS_WRONG_HOST = "tls-wrong-host"
    #: Another failure of TLS, such as plain HTTP behind an https URL.
    TLS = "tls"
    #: 403: this client ID is not allowed.
    FORBIDDEN = "forbidden"
    #: 429: too many requests.
    TOO_MANY_REQUESTS = "too-many-requests"
    #: Any other 4xx.
    CLIENT_ERROR = "client-error"
    #: 5xx.
    SERVER_ERROR = "server-error"
    #: Answers, but not as a TaskChampion sync server does: a redirect, a web page, missing headers.
    NOT_A_SYNC_SERVER = "not-a-sync-server"
    #: The answer is larger than the limit.
    TOO_LARGE = "too-large"


class RemoteError(TcsyncError):
    """A request to a sync server did not get an answer of the protocol."""

    def __init__(
        self,
        message: str,
        fault: RemoteFault,
        *,
        code: int,
        http_status: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.fault = fault
        #: The status of the answer, when there was one.
        self.http_status = http_status
        #: What Retry-After said, in seconds, when it was there.
        self.retry_after_s = retry_after_s


class HistoryError(TcsyncError):
    """A client's unsealed data is not what TaskChampion writes, or more than the limits allow."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=c.TCSYNC_WRONG_FORMAT)


class HistoryDeadlineError(HistoryError):
    """Fetching a whole history took longer than its deadline."""


class PairingCodeFault(Enum):
    """What is wrong with a text that should be a pairing code."""

    #: It does not begin like one.
    NOT_A_CODE = "not-a-code"
    #: The end is missing.
    TRUNCATED = "truncated"
    #: A character is wrong, missing, doubled or added.
    MISTYPED = "mistyped"
    #: Correct, but in a format that this release does not know.
    NEWER = "newer"


class PairingCodeError(TcsyncError):
    """A text is not a pairing code that can be used."""

    def __init__(self, message: str, fault: PairingCodeFault) -> None:
        super().__init__(message)
        self.fault = fault


class TaskrcError(TcsyncError):
    """The Taskwarrior configuration file cannot be read or changed. Nothing was changed."""

    def __init__(self, message: str, *, path: Path, line: int | None = None, code: int = c.TCSYNC_SYSTEM) -> None:
        super().__init__(message, code=code)
        self.path = path
        #: From 1; None when it is about the whole file.
        self.line = line


class TaskrcSyntaxError(TaskrcError):
    """A line that Taskwarrior itself refuses, or an include that cannot be read."""


class TaskrcChangedError(TaskrcError):
    """The file was changed by someone else since it was read."""


class TaskrcIncludeError(TaskrcError):
    """A setting comes from an included file, so that no change to the taskrc can have the wanted effect."""
