"""The sync settings that a taskrc has: judged as Taskwarrior judges them, and the corrections that they need.

Typed text is read leniently, and these values are not: `task sync` fails with what a person may type at the setup.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from tcsync import Credentials, Taskrc, TaskrcSetting, TcsyncError, normalise_url, parse_client_id
from tcsync.server_url import with_closing_slash
from tcsync.taskrc import CLIENT_ID, ENCRYPTION_SECRET, SERVER_ORIGIN
from tcsync.taskrc_plan import exposing_files
from tcsync.taskwarrior_values import lacks_closing_slash, read_client_id, read_url, without_quotes

from .findings import CommandStopped, Finding, Problem

T = TypeVar("T")


@dataclass(frozen=True)
class Repair:
    """What is wrong with settings whose meaning is clear, and the settings as they should be."""

    findings: tuple[Finding, ...]
    #: sync.server.origin becomes sync.server.url.
    is_renamed: bool
    credentials: Credentials

    # Not hashable, because the secret is not.
    __hash__ = None  # type: ignore[assignment]


def read_settings(taskrc: Taskrc) -> Credentials | None:
    """The complete settings of a sync server, or None. CommandStopped for a value that Taskwarrior cannot use."""
    url, client_id, secret = taskrc.url_setting, taskrc.setting(CLIENT_ID), taskrc.sync.secret
    if url is None or client_id is None or not client_id.value or secret is None:
        return None
    server = _read(url, read_url, corrected_url)
    return Credentials(server, _read(client_id, read_client_id, _corrected_client_id), secret)


def repair_of(taskrc: Taskrc) -> Repair | None:
    """The corrections of complete settings; None when they need none, or when their meaning is not clear."""
    url, client_id = taskrc.url_setting, taskrc.setting(CLIENT_ID)
    try:
        secret = taskrc.sync.secret
        if url is None or client_id is None or not client_id.value or secret is None:
            return None
        findings = [*_refused(url, read_url, corrected_url), *_refused(client_id, read_client_id, _corrected_client_id)]
        credentials = Credentials(corrected_url(url.value), _corrected_client_id(client_id.value), secret)
    except TcsyncError:
        return None
    if not findings:
        findings = [finding for finding in (url_without_slash(taskrc), *secret_in_repository(taskrc)) if finding]
    is_renamed = taskrc.get(SERVER_ORIGIN) is not None
    return Repair(tuple(findings), is_renamed, credentials) if findings or is_renamed else None


def url_without_slash(taskrc: Taskrc) -> Finding | None:
    """The finding for a path that an older Taskwarrior would cut; None when the URL has none."""
    url = taskrc.url_setting
    if url is None or not lacks_closing_slash(url.value):
        return None
    corrected = with_closing_slash(read_url(url.value))
    return Problem.SYNC_URL_WITHOUT_SLASH.finding(place=_place(url), corrected=corrected)


def secret_in_repository(taskrc: Taskrc) -> list[Finding]:
    """A finding for each file with the secret that a git repository would publish."""
    exposing = exposing_files(taskrc, ENCRYPTION_SECRET)
    return [Problem.SECRET_IN_REPOSITORY.finding(path=file, repository=found) for file, found in exposing.items()]


def secret_files(taskrc: Taskrc) -> list[Path]:
    """The files with a definition of the secret, effective or not."""
    return list(dict.fromkeys(found.file for found in taskrc.definitions.get(ENCRYPTION_SECRET, ()) if found.value))


def corrected_url(value: str) -> str:
    """The server that a value of sync.server.url must mean. UrlError when that is not clear."""
    try:
        return read_url(value)
    except TcsyncError:
        return normalise_url(without_quotes(value))


def _corrected_client_id(value: str) -> UUID:
    try:
        return read_client_id(value)
    except TcsyncError:
        return parse_client_id(without_quotes(value))


def _read(setting: TaskrcSetting, read: Callable[[str], T], correct: Callable[[str], T]) -> T:
    try:
        return read(setting.value)
    except TcsyncError as error:
        raise CommandStopped(_finding(setting, error, correct)) from None


def _refused(setting: TaskrcSetting, read: Callable[[str], T], correct: Callable[[str], T]) -> list[Finding]:
    try:
        read(setting.value)
    except TcsyncError as error:
        return [_finding(setting, error, correct)]
    return []


def _finding(setting: TaskrcSetting, error: TcsyncError, correct: Callable[[str], object]) -> Finding:
    try:
        corrected = str(correct(setting.value))
    except TcsyncError as unclear:
        detail = str(unclear).rstrip(".")
        return Problem.SYNC_VALUE_UNUSABLE.finding(name=setting.name, place=_place(setting), detail=detail)
    if setting.name != CLIENT_ID:
        corrected = with_closing_slash(corrected)
    return Problem.SYNC_VALUE_CORRECTABLE.finding(
        name=setting.name, place=_place(setting), detail=error, corrected=corrected
    )


def _place(setting: TaskrcSetting) -> str:
    return f"{setting.file}:{setting.line}"
