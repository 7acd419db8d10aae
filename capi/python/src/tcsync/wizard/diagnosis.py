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
    SecretError,
    SyncError,
    TaskModelError,
    TaskrcError,
    TaskrcIncludeError,
    TcsyncError,
    UnsealError,
    UrlError,
)

from .findings import PROBLEM_OF_FAULT, CommandStopped, Finding, Problem

# The first class that fits names the problem.
_PROBLEM_OF_ERROR: tuple[tuple[type[TcsyncError], Problem], ...] = (
    (HistoryError, Problem.HISTORY_UNREADABLE),
    (SyncError, Problem.HISTORY_UNREADABLE),
    (TaskModelError, Problem.TEXT_REFUSED),
    (PairingCodeError, Problem.PAIRING_CODE_INVALID),
    (UrlError, Problem.URL_INVALID),
    (ClientIdError, Problem.CLIENT_ID_INVALID),
    (SecretError, Problem.SECRET_INVALID),
    (TaskrcIncludeError, Problem.TASKRC_INCLUDE),
    (TaskrcError, Problem.TASKRC_UNUSABLE),
    (LibraryError, Problem.LIBRARY_FAILED),
    (TcsyncError, Problem.UNEXPECTED),
)


def finding_for(error: TcsyncError, *, url: str = "", client_id: object = "") -> Finding:
    """The finding for an error of the binding; `url` and `client_id` are those in use."""
    if isinstance(error, (RemoteError, UnsealError)):
        problem = PROBLEM_OF_FAULT[error.fault]
    else:
        problem = next(problem for kind, problem in _PROBLEM_OF_ERROR if isinstance(error, kind))
    # The error's sentence becomes a part of another.
    return problem.finding(url=url, client_id=client_id, detail=str(error).rstrip(". "))


@contextmanager
def errors_as_findings(*, url: str = "", client_id: object = "") -> Iterator[None]:
    """Turns errors of the binding into a CommandStopped with a finding."""
    try:
        yield
    except TcsyncError as error:
        raise CommandStopped(finding_for(error, url=url, client_id=client_id)) from None
