"""Every exception that this package raises on purpose.

All derive from TcsyncError, which carries the C library's report: a code for decisions, its name, and a sentence for
people with the fault, the value and the remedy. No message contains a secret or a pairing code.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from . import _declarations as c

if TYPE_CHECKING:
    from .replica import SyncReport


class TcsyncError(Exception):
    """An operation failed. `str()` is the sentence for people."""

    #: The code unless another one is given.
    usual_code = c.TCSYNC_INVALID_ARGUMENT

    def __init__(self, message: str, *, code: int | None = None, name: str | None = None) -> None:
        super().__init__(message)
        code = self.usual_code if code is None else code
        self.message = message
        #: The C library's code. `code & 0xff` is the coarse code, the bits above it are a detail.
        self.code = code
        #: The code's name, such as "TCSYNC_UNSEAL_WRONG_KEY".
        self.name = name or c.CODE_NAMES.get(code, c.CODE_NAMES.get(code & 0xFF, "TCSYNC_UNKNOWN_CODE"))
        #: The effects of the sync that failed, which stay; None for every other call.
        self.sync_report: SyncReport | None = None


class LibraryError(TcsyncError):
    """The C library cannot be loaded, or is not of this release."""

    usual_code = c.TCSYNC_SYSTEM


class UrlError(TcsyncError):
    """A text is not the URL of a sync server."""


class ClientIdError(TcsyncError):
    """A text is not a client ID. The text is not repeated, in case it is the secret."""

    usual_code = c.TCSYNC_INVALID_UUID


class SecretError(TcsyncError):
    """A text cannot be a secret: empty, too long, or not text."""


Fault = TypeVar("Fault", bound=Enum)


def _fault(faults: type[Fault], code: int) -> Fault:
    """The fault with that code; for a detail that only a newer library knows, the fault with the coarse code."""
    try:
        return faults(code)
    except ValueError:
        return faults(code & 0xFF)


class UnsealFault(Enum):
    """The reason that sealed bytes did not open; name and value are those of the C library's code."""

    TRUNCATED = c.TCSYNC_UNSEAL_TRUNCATED
    UNKNOWN_FORMAT = c.TCSYNC_UNSEAL_UNKNOWN_FORMAT
    #: The secret or the client ID; which one is unknown.
    WRONG_KEY = c.TCSYNC_UNSEAL_WRONG_KEY
    #: The key is right, but bytes were altered, or they belong to another version.
    NOT_AUTHENTIC = c.TCSYNC_UNSEAL_NOT_AUTHENTIC
    #: A detail that only a newer library knows.
    FAILED = c.TCSYNC_UNSEAL_FAILED


class UnsealError(TcsyncError):
    """Sealed bytes did not open."""

    def __init__(self, message: str, *, code: int, name: str | None = None) -> None:
        super().__init__(message, code=code, name=name)
        self.fault = _fault(UnsealFault, code)


class RemoteFault(Enum):
    """The reason that a call to a sync server failed: no connection, or an answer outside the protocol; name and value
    are those of the C library's code."""

    #: The host's name is not known.
    NAME_NOT_RESOLVED = c.TCSYNC_REMOTE_NAME_NOT_RESOLVED
    #: Nothing listens there.
    CONNECTION_REFUSED = c.TCSYNC_REMOTE_CONNECTION_REFUSED
    #: Unreachable, reset, or closed before the answer was complete.
    NETWORK_FAILED = c.TCSYNC_REMOTE_NETWORK_FAILED
    TIMED_OUT = c.TCSYNC_REMOTE_TIMED_OUT
    #: The proxy cannot be reached or refuses.
    PROXY_FAILED = c.TCSYNC_REMOTE_PROXY_FAILED
    #: The certificate has expired or is not valid yet, or this computer's clock is wrong.
    CERTIFICATE_EXPIRED = c.TCSYNC_REMOTE_CERTIFICATE_EXPIRED
    #: No authority that this computer trusts issued the certificate.
    CERTIFICATE_UNTRUSTED = c.TCSYNC_REMOTE_CERTIFICATE_UNTRUSTED
    #: The certificate is for another host.
    CERTIFICATE_WRONG_HOST = c.TCSYNC_REMOTE_CERTIFICATE_WRONG_HOST
    #: The server of an https URL does not speak TLS; most often it speaks plain HTTP.
    NOT_TLS = c.TCSYNC_REMOTE_NOT_TLS
    #: Another failure of TLS.
    TLS_FAILED = c.TCSYNC_REMOTE_TLS_FAILED
    #: 403: the server does not admit this client ID.
    NOT_ALLOWED = c.TCSYNC_REMOTE_NOT_ALLOWED
    #: 413: the data exceeds the server's limit.
    TOO_LARGE = c.TCSYNC_REMOTE_TOO_LARGE
    #: 429.
    RATE_LIMITED = c.TCSYNC_REMOTE_RATE_LIMITED
    #: Any other 4xx: usually a wrong path, or no sync server.
    REJECTED = c.TCSYNC_REMOTE_REJECTED
    #: 502, 503, 504: too busy, restarting, or unreachable for its proxy.
    SERVER_UNAVAILABLE = c.TCSYNC_REMOTE_SERVER_UNAVAILABLE
    #: 507: the server stores no more data, for this client or for all.
    SERVER_FULL = c.TCSYNC_REMOTE_SERVER_FULL
    #: 500 or another 5xx.
    SERVER_FAILED = c.TCSYNC_REMOTE_SERVER_FAILED
    #: 3xx: redirects are not followed; the message has the target.
    REDIRECTED = c.TCSYNC_REMOTE_REDIRECTED
    #: An answer outside the protocol: no sync server, or altered on the way.
    BROKEN_ANSWER = c.TCSYNC_REMOTE_BROKEN_ANSWER
    #: The answer is longer than the limit.
    ANSWER_TOO_LARGE = c.TCSYNC_REMOTE_ANSWER_TOO_LARGE
    #: A detail that only a newer library knows.
    FAILED = c.TCSYNC_REMOTE_FAILED


class RemoteError(TcsyncError):
    """A request to a sync server did not get an answer of the protocol."""

    def __init__(self, message: str, *, code: int, name: str | None = None) -> None:
        super().__init__(message, code=code, name=name)
        self.fault = _fault(RemoteFault, code)


class CallCancelledError(TcsyncError):
    """A call to a sync server was cancelled. A cancelled write may have been stored, unless the message says that
    nothing was sent."""

    usual_code = c.TCSYNC_CANCELLED


class EngineFault(Enum):
    """The reason that an engine or a listener fails; name and value are those of the C library's code."""

    #: An invalid option or request that no other name fits.
    INVALID_ARGUMENT = c.TCSYNC_INVALID_ARGUMENT
    #: There is no option of that name.
    UNKNOWN_OPTION = c.TCSYNC_UNKNOWN_OPTION
    INVALID_OPTION_VALUE = c.TCSYNC_INVALID_OPTION_VALUE
    #: An engine or a listener was opened before this process was forked.
    FORKED = c.TCSYNC_FORKED
    #: An address to listen on that is malformed or not this computer's.
    INVALID_ADDRESS = c.TCSYNC_INVALID_ADDRESS
    #: Another engine has the data directory, or another program the address.
    IN_USE = c.TCSYNC_IN_USE
    #: The data directory is not one of tcsync's, or a newer release wrote it.
    WRONG_FORMAT = c.TCSYNC_WRONG_FORMAT
    #: Stored bytes fail their checksum.
    DATA_LOSS = c.TCSYNC_DATA_LOSS
    #: The operating system refuses: permissions, a full disk, an unreadable certificate.
    SYSTEM = c.TCSYNC_SYSTEM
    #: Too busy, or closing down; another try later may succeed.
    UNAVAILABLE = c.TCSYNC_UNAVAILABLE
    #: An answer's body cannot be read to its end. A part of it was sent, so the connection must be closed.
    RESPONSE_INCOMPLETE = c.TCSYNC_RESPONSE_INCOMPLETE
    #: The library was built without the server.
    UNSUPPORTED = c.TCSYNC_UNSUPPORTED
    OUT_OF_MEMORY = c.TCSYNC_OUT_OF_MEMORY
    #: A mistake in tcsync: please report the message.
    INTERNAL = c.TCSYNC_INTERNAL


class EngineError(TcsyncError):
    """An engine cannot be opened or take a request, or a listener cannot be bound or serve."""

    def __init__(self, message: str, *, code: int, name: str | None = None) -> None:
        super().__init__(message, code=code, name=name)
        self.fault = _fault(EngineFault, code)


class ReplicaFault(Enum):
    """The reason that a call on a replica fails; name and value are those of the C library's code."""

    INVALID_ARGUMENT = c.TCSYNC_INVALID_ARGUMENT
    #: An operation cannot be applied, such as an update of a task that does not exist.
    INVALID_OPERATION = c.TCSYNC_INVALID_OPERATION
    #: This process was forked after the replica was opened.
    FORKED = c.TCSYNC_FORKED
    #: Another program holds the database: most often a `task` that syncs.
    IN_USE = c.TCSYNC_IN_USE
    #: The file is not a replica's database, or a later major version wrote it.
    WRONG_FORMAT = c.TCSYNC_WRONG_FORMAT
    #: The directory has no database, and none was to be created.
    REPLICA_MISSING = c.TCSYNC_REPLICA_MISSING
    #: Stored records cannot be read.
    DATA_LOSS = c.TCSYNC_DATA_LOSS
    #: The operating system refuses: permissions, a full disk.
    SYSTEM = c.TCSYNC_SYSTEM
    OUT_OF_MEMORY = c.TCSYNC_OUT_OF_MEMORY
    #: A mistake in tcsync: please report the message.
    INTERNAL = c.TCSYNC_INTERNAL


class ReplicaError(TcsyncError):
    """A replica cannot be opened, read or changed."""

    def __init__(self, message: str, *, code: int, name: str | None = None) -> None:
        super().__init__(message, code=code, name=name)
        self.fault = _fault(ReplicaFault, code)


class SyncFault(Enum):
    """The reason that a server's history and a replica's do not fit; name and value are those of the C library's
    code."""

    #: A version unseals, and its history segment is not one of TaskChampion's.
    INVALID_VERSION = c.TCSYNC_SYNC_INVALID_VERSION
    #: The snapshot unseals, and is not one of TaskChampion's.
    INVALID_SNAPSHOT = c.TCSYNC_SYNC_INVALID_SNAPSHOT
    #: The replica's base version is not in the server's history: the history was replaced, or its beginning was removed
    #: while this replica was away.
    HISTORY_GONE = c.TCSYNC_SYNC_HISTORY_GONE
    #: The server refuses the replica's version in favour of a later one, which it does not give.
    DIVERGED = c.TCSYNC_SYNC_DIVERGED
    #: A detail that only a newer library knows.
    FAILED = c.TCSYNC_SYNC_FAILED


class SyncError(TcsyncError):
    """The server was reached, and its history and the replica's do not fit."""

    def __init__(self, message: str, *, code: int, name: str | None = None) -> None:
        super().__init__(message, code=code, name=name)
        self.fault = _fault(SyncFault, code)


class TaskModelError(TcsyncError):
    """A change of a task that Taskwarrior could not read, such as a tag with a space."""


class HistoryError(TcsyncError):
    """An operator's export of a client is malformed, incomplete, or exceeds a limit."""

    usual_code = c.TCSYNC_WRONG_FORMAT


class PairingCodeFault(Enum):
    """The faults of a text that should be a pairing code."""

    #: It does not begin like one.
    NOT_A_CODE = "not-a-code"
    #: The end is missing.
    TRUNCATED = "truncated"
    #: A character is wrong, missing, doubled or added.
    MISTYPED = "mistyped"
    #: Correct, but in a format that this release does not know.
    NEWER = "newer"


class PairingCodeError(TcsyncError):
    """A text is not a usable pairing code."""

    def __init__(self, message: str, fault: PairingCodeFault) -> None:
        super().__init__(message)
        self.fault = fault


class TaskrcError(TcsyncError):
    """The Taskwarrior configuration file cannot be read or changed. Nothing was changed."""

    def __init__(self, message: str, *, path: Path, line: int | None = None, code: int = c.TCSYNC_SYSTEM) -> None:
        super().__init__(message, code=code)
        self.path = path
        #: From 1; None for the whole file.
        self.line = line


class TaskrcSyntaxError(TaskrcError):
    """A line that Taskwarrior itself refuses, or an include that cannot be read."""


class TaskrcChangedError(TaskrcError):
    """Another program has changed the file since it was read."""


class TaskrcIncludeError(TaskrcError):
    """A setting comes from an included file that cannot be changed, so no edit can have the desired effect."""


class TaskrcReadOnlyError(TaskrcError):
    """The taskrc itself must not or cannot be changed."""

    def __init__(self, message: str, *, path: Path, reason: str, include: str | None) -> None:
        super().__init__(message, path=path)
        #: A clause, such as "it is read-only".
        self.reason = reason
        #: The line that, put into the taskrc in another way, gives the sync settings a place. None: there is none.
        self.include = include


class TaskrcPublishedError(TaskrcError):
    """The taskrc is in a git repository, and there is no other place for the secret."""

    def __init__(self, message: str, *, path: Path, repository: Path) -> None:
        super().__init__(message, path=path)
        self.repository = repository
