"""Turns what the binding raises into findings for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tcsync import (
    ClientIdError,
    HistoryDeadlineError,
    HistoryError,
    LibraryError,
    PairingCodeError,
    RemoteError,
    RemoteFault,
    SecretError,
    TaskrcError,
    TaskrcIncludeError,
    TcsyncError,
    UnsealError,
    UnsealFault,
    UrlError,
)

from .findings import Finding, Stop, find

REMOTE_MESSAGES: dict[RemoteFault, str] = {
    RemoteFault.DNS: "server-name-unknown",
    RemoteFault.REFUSED: "server-refused",
    RemoteFault.NETWORK: "server-network",
    RemoteFault.TIMEOUT: "server-timeout",
    RemoteFault.PROXY: "server-proxy",
    RemoteFault.TLS_EXPIRED: "tls-expired",
    RemoteFault.TLS_UNKNOWN_CA: "tls-unknown-ca",
    RemoteFault.TLS_WRONG_HOST: "tls-wrong-host",
    RemoteFault.NOT_TLS: "tls-not-spoken",
    RemoteFault.TLS: "tls-failed",
    RemoteFault.FORBIDDEN: "client-not-allowed",
    RemoteFault.TOO_LARGE: "server-takes-less",
    RemoteFault.TOO_MANY_REQUESTS: "server-too-many-requests",
    RemoteFault.CLIENT_ERROR: "server-rejects",
    RemoteFault.UNAVAILABLE: "server-unavailable",
    RemoteFault.SERVER_FULL: "server-full",
    RemoteFault.SERVER_ERROR: "server-broken",
    RemoteFault.REDIRECTED: "server-redirects",
    RemoteFault.NOT_A_SYNC_SERVER: "server-no-sync-server",
    RemoteFault.ANSWER_TOO_LARGE: "server-answer-too-large",
    RemoteFault.OTHER: "server-network",
}

# The first class that fits names the message.
_MESSAGES: tuple[tuple[type[TcsyncError], str], ...] = (
    (HistoryDeadlineError, "history-slow"),
    (HistoryError, "history-unreadable"),
    (PairingCodeError, "pairing-code-invalid"),
    (UrlError, "url-invalid"),
    (ClientIdError, "client-id-invalid"),
    (SecretError, "secret-invalid"),
    (TaskrcIncludeError, "taskrc-include"),
    (TaskrcError, "taskrc-unusable"),
    (LibraryError, "library-failed"),
)


def explain(error: TcsyncError, *, url: str = "", client_id: object = "") -> Finding:
    """The finding for an error of the binding; `url` and `client_id` are those that were in use."""
    if isinstance(error, RemoteError):
        return find(REMOTE_MESSAGES[error.fault], url=url, client_id=client_id, detail=_clause(error))
    if isinstance(error, UnsealError):
        wrong_key = error.fault is UnsealFault.WRONG_KEY
        return find("wrong-secret") if wrong_key else find("data-damaged", detail=_clause(error))
    for kind, identifier in _MESSAGES:
        if isinstance(error, kind):
            return find(identifier, detail=_clause(error), url=url)
    return find("unexpected", detail=_clause(error))


@contextmanager
def findings(*, url: str = "", client_id: object = "") -> Iterator[None]:
    """Within it, an error of the binding becomes a Stop with its finding."""
    try:
        yield
    except TcsyncError as error:
        raise Stop(explain(error, url=url, client_id=client_id)) from None


def _clause(error: TcsyncError) -> str:
    """The error's sentence, to stand within another."""
    return str(error).rstrip(". ")
