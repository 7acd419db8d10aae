"""Turns exceptions of the binding into findings for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tcsync import (
    ClientIdError,
    HistoryError,
    LibraryError,
    PairingCodeError,
    RemoteError,
    ReplicaError,
    SecretError,
    SyncError,
    TaskModelError,
    TaskrcChangedError,
    TaskrcError,
    TaskrcIncludeError,
    TaskrcPublishedError,
    TaskrcReadOnlyError,
    TcsyncError,
    UnsealError,
    UrlError,
)
from tcsync.taskrc import SYNC_FILE_NAME

from .findings import PROBLEM_OF_FAULT, CommandStopped, Finding, Problem

# The first class that fits names the problem.
_PROBLEM_OF_ERROR: tuple[tuple[type[TcsyncError], Problem], ...] = (
    (HistoryError, Problem.HISTORY_UNREADABLE),
    (SyncError, Problem.HISTORY_UNREADABLE),
    (ReplicaError, Problem.REPLICA_FAILED),
    (TaskModelError, Problem.TEXT_REFUSED),
    (PairingCodeError, Problem.PAIRING_CODE_INVALID),
    (UrlError, Problem.URL_INVALID),
    (ClientIdError, Problem.CLIENT_ID_INVALID),
    (SecretError, Problem.SECRET_INVALID),
    (TaskrcChangedError, Problem.TASKRC_CHANGED),
    (TaskrcIncludeError, Problem.TASKRC_INCLUDE),
    (TaskrcError, Problem.TASKRC_UNUSABLE),
    (LibraryError, Problem.LIBRARY_FAILED),
    (TcsyncError, Problem.UNEXPECTED),
)


def finding_for(error: TcsyncError, *, url: str = "", client_id: object = "") -> Finding:
    """The finding for an error of the binding; `url` and `client_id` are those in use."""
    if isinstance(error, TaskrcReadOnlyError):
        include = error.include or f"include ~/.config/task/{SYNC_FILE_NAME}"
        return Problem.TASKRC_READ_ONLY.finding(path=error.path, detail=error.reason, include=include)
    if isinstance(error, TaskrcPublishedError):
        return Problem.TASKRC_PUBLISHED.finding(path=error.path, repository=error.repository)
    if isinstance(error, (RemoteError, UnsealError)):
        problem = PROBLEM_OF_FAULT[error.fault]
    elif error.name == "TCSYNC_INVALID_ADDRESS":
        # The server's URL has its normal form before it is used, so this is a proxy of the environment.
        problem = Problem.REMOTE_PROXY_FAILED
    elif error.name == "TCSYNC_INVALID_OPTION_VALUE":
        problem = Problem.CA_FILE_UNUSABLE  # No other option of a connection is a person's.
    else:
        problem = next(problem for kind, problem in _PROBLEM_OF_ERROR if isinstance(error, kind))
    # The error's sentence becomes a part of another.
    return problem.finding(url=url, client_id=client_id, detail=str(error).rstrip(". "))


def finding_for_system(error: OSError) -> Finding:
    """The finding for a refusal of the operating system that nothing else explains."""
    detail = f"{error.filename or 'a system call'}: {error.strerror or type(error).__name__}"
    return Problem.UNEXPECTED.finding(detail=detail)


@contextmanager
def errors_as_findings(*, url: str = "", client_id: object = "") -> Iterator[None]:
    """Turns errors of the binding into a CommandStopped with a finding."""
    try:
        yield
    except TcsyncError as error:
        raise CommandStopped(finding_for(error, url=url, client_id=client_id)) from None
