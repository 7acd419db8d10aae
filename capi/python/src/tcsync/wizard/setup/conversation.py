"""The setup's questions, each in one place: answered by a flag, else by the person, else as ask.py decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from tcsync import (
    Credentials,
    Secret,
    Taskrc,
    normalise_url,
    parse_client_id,
    parse_secret,
)
from tcsync.credentials import looks_like_client_id, secret_peculiarity
from tcsync.pairing import looks_like_pairing_code
from tcsync.taskrc import CLIENT_ID, SERVER_URL

from ..branding import Branding
from ..console import Console
from ..diagnosis import errors_as_findings
from ..findings import CommandStopped, Finding, Problem
from ..pasted import credentials_in, has_settings, missing_part, without_name
from ..recurrence import SETTING as RECURRENCE
from ..recurrence import has_recurring
from ..shown_credentials import show_credentials
from . import texts
from .answers import Answers, Computer, ServerKind, read_secret
from .ask import Asker, numbered
from .saveable import SAVEABLE

T = TypeVar("T")

_SECRET_FORM = re.compile(r"[0-9A-Fa-f]{64}")
_SECRET_FLAGS = "--secret-file FILE or --secret-fd N"
_CODE_FLAGS = "--pairing-code-file FILE or --pairing-code-fd N, or --server-url, --client-id and --secret-file"


class AfterFailure(Enum):
    """The possible steps after a failure."""

    RETRY = auto()
    ENTER_AGAIN = auto()
    SAVE = auto()


class Field(Enum):
    """The subjects of questions; the value is the name in a sentence."""

    URL = "a URL"
    CLIENT_ID = "a client ID"
    SECRET = "a secret"
    PAIRING_CODE = "a pairing code"


class Conversation:
    """Questions and the sentences between them. Changes nothing."""

    def __init__(self, console: Console, asker: Asker, answers: Answers, branding: Branding) -> None:
        self.console = console
        self._asker = asker
        self._answers = answers
        self._branding = branding
        self._given: Credentials | None = None

    def given_credentials(self) -> Credentials | None:
        """The credentials that flags give completely, read once; None when a question is open."""
        if self._given is None:
            url = self.url("self-hosted") if self._answers.server_url is not None else None
            if url is None and self._answers.server == "cloud":
                url = self.url("cloud")
            self._given = self._answers.credentials(url)
            if self._given is not None and self._answers.secret.is_named:
                self._note_peculiarity(self._given.secret)
        return self._given

    def server(self) -> ServerKind:
        """The server: from flags, or from the menu."""
        if self._answers.server is not None:
            return self._answers.server
        if self._answers.server_url is not None or self._answers.pairing_code.is_named:
            return "self-hosted"
        self.console.line(texts.OPTIONS_HEADING)
        options = [self._branding.cloud_option, texts.OPTION_SELF_HOSTED, texts.OPTION_SKIP]
        for line in numbered(options):
            self.console.line(line)
        kinds: list[ServerKind] = ["cloud", "self-hosted", "skip"]
        return kinds[self._asker.choose(texts.CHOOSE, len(options), flag="--server") - 1]

    def computer(self) -> Computer:
        """Which computer this is. An Enter alone does not begin a second history beside that of other computers: most
        people who press it have not read the question, or do not know what credentials are."""
        if self._answers.computer is not None:
            return self._answers.computer
        if self._answers.gives_credentials:
            return "second"
        flag = "--first-computer or --second-computer"
        if self._asker.is_interactive:
            self.console.line(texts.ABOUT_CREDENTIALS)
        has_credentials = self._asker.confirm_or_enter(texts.HAVE_CREDENTIALS, default=False, flag=flag)
        if has_credentials is None:
            self.console.line(texts.FIRST_BEGINS)
            has_credentials = not self._asker.confirm(texts.IS_FIRST, default=None, flag=flag)
        return "second" if has_credentials else "first"

    def url(self, kind: ServerKind) -> str:
        """The server's URL: the flag's, the cloud's, or a typed one."""
        if self._answers.server_url is not None:
            with errors_as_findings():
                return normalise_url(self._answers.server_url)
        if kind == "cloud":
            with errors_as_findings():
                return self._branding.effective_cloud_url()
        return self._until_valid(texts.ASK_URL, "--server-url", _parse_url)

    def credentials(self, kind: ServerKind) -> Credentials:
        """The credentials of another computer: from flags, from a pairing code, or typed one by one."""
        if (given := self.given_credentials()) is not None:
            return given
        if self._answers.gives_credentials and not self._asker.is_interactive:
            self._require_all()
        url = self.url(kind) if self._answers.server_url is not None or kind == "cloud" else None
        if self._answers.gives_credentials:
            return self._typed(url or self.url(kind))
        while True:
            text = self._asker.pasted(texts.ASK_CODE, flag=_CODE_FLAGS, missing=missing_part)
            if not text.strip():
                return self._typed(url or self.url(kind))
            try:
                credentials = _parse_pasted(text)
                if has_settings(text) and not self._accepts_secret(credentials.secret):
                    continue
            except CommandStopped as stop:
                self.console.finding(stop.finding)
                continue
            if url is not None and credentials.url != url:
                self.console.note(texts.CODE_NAMES_URL.format(url=credentials.url))
            return credentials

    def replace(self, path: Path, heading: str, values: Mapping[str, str]) -> bool:
        """Whether to replace the present settings."""
        self.console.line(heading.format(path=path))
        for name, value in values.items():
            self.console.exact(f"  {name} = {value}")
        if self._answers.replace is not None:
            return self._answers.replace
        flag = "--replace or --keep"
        if self._asker.is_interactive:
            self.console.line(texts.REPLACING)
        return self._asker.confirm(texts.REPLACE, default=False, flag=flag)

    def mend(self, *, is_agreed: bool) -> bool:
        """Whether to correct the present settings. `is_agreed`: a flag allows changes to them already."""
        if is_agreed and not self._asker.is_interactive:
            return True
        return self._asker.confirm(texts.MEND, default=True, flag="--replace or --keep")

    def merge(self, local: str) -> None:
        """Explains the merge. CommandStopped when it is not wanted."""
        self.console.line(texts.MERGING.format(local=local))
        wanted = self._answers.merge
        if wanted is None:
            wanted = self._asker.confirm(texts.MERGE, default=True, flag="--merge or --no-merge")
        if not wanted:
            raise Problem.DECLINED.stop()

    def begin_again(self, local: str) -> None:
        """Explains the move of a computer that has synced elsewhere to a new history. CommandStopped when it is not
        wanted."""
        self.console.line(texts.BEGIN_AGAIN.format(local=local))
        wanted = self._answers.merge
        if wanted is None:
            wanted = self._asker.confirm(texts.BEGIN_AGAIN_QUESTION, default=False, flag="--merge or --no-merge")
        if not wanted:
            raise Problem.DECLINED.stop()

    def recurrence(self, taskrc: Taskrc, *tasks: Mapping[UUID, Mapping[str, str]]) -> bool | None:
        """Whether a further computer should make the repetitions of recurring tasks. None: its setting stays. Nobody is
        asked who has no recurring tasks in `tasks`, or has already set it."""
        if self._answers.recurrence is not None or taskrc.setting(RECURRENCE) is not None:
            return self._answers.recurrence
        if not self._asker.is_interactive or not has_recurring(*tasks):
            return False
        return self._asker.confirm(texts.RECURRENCE, default=False, flag="--recurrence or --no-recurrence")

    def auto(self) -> bool:
        """Whether this computer should sync by itself. A program that stays is started only for somebody who is there
        to be asked, or by a flag."""
        if self._answers.auto is not None or not self._asker.is_interactive:
            return bool(self._answers.auto)
        return self._asker.confirm(texts.AUTO, default=True, flag="--auto or --no-auto")

    def after_failure(
        self, finding: Finding, computer: Computer, *, may_save: bool, may_ask_again: bool
    ) -> AfterFailure:
        """Shows a failure and asks for the next step. Raises CommandStopped with the finding when there is none.

        `may_save` allows to save the settings as unverified, after failures that do not show that they are wrong.
        """
        is_wrong = finding.problem not in SAVEABLE
        if not self._asker.is_interactive:
            if not may_save or not self._answers.save_unverified:
                raise CommandStopped(finding)
            if is_wrong:
                raise CommandStopped(replace(finding, text=f"{finding.text} {texts.NOT_SAVED}"))
            self.console.finding(finding)
            return AfterFailure.SAVE
        self.console.finding(finding)
        if may_save and is_wrong:
            self.console.line(texts.NOT_SAVED)
        choices: list[tuple[str, AfterFailure | None]] = [(texts.RETRY, AfterFailure.RETRY)]
        if may_ask_again:
            choices.append((texts.AGAIN[computer], AfterFailure.ENTER_AGAIN))
        if may_save and not is_wrong:
            choices.append((texts.SAVE, AfterFailure.SAVE))
        choices.append((texts.QUIT, None))
        self.console.line(texts.FAILURE_HEADING)
        for line in numbered([text for text, _ in choices]):
            self.console.line(line)
        chosen = choices[self._asker.choose(texts.CHOOSE, len(choices), flag="--save-unverified") - 1][1]
        if chosen is None:
            raise Problem.DECLINED.stop()
        return chosen

    def show_credentials(self, credentials: Credentials) -> None:
        """The data that the other computers need; at the end of the first computer's setup."""
        show_credentials(self.console, credentials, reveal=self._answers.reveal, qr=self._answers.qr)

    def _until_valid(self, question: str, flag: str, parse: Callable[[str], T], *, hidden: bool = False) -> T:
        """Asks until `parse` accepts the answer; gives the reason after each refusal."""
        while True:
            try:
                return parse(self._asker.text(question, flag=flag, hidden=hidden))
            except CommandStopped as stop:
                if not self._asker.is_interactive:
                    raise
                self.console.finding(stop.finding)

    def _require_all(self) -> None:
        """CommandStopped when flags give only a part of the credentials and no person can be asked for the rest."""
        if self._answers.pairing_code.is_named:
            return
        if self._answers.client_id is None:
            raise Problem.ANSWER_NEEDED.stop(question=texts.ASK_CLIENT_ID, flag="--client-id")
        if not self._answers.secret.is_named:
            raise Problem.ANSWER_NEEDED.stop(question=texts.ASK_SECRET, flag=_SECRET_FLAGS)

    def _typed(self, url: str) -> Credentials:
        """Client ID and secret, each from its flag or typed."""
        if self._answers.client_id is not None:
            with errors_as_findings():
                client_id = parse_client_id(self._answers.client_id)
        else:
            client_id = self._until_valid(texts.ASK_CLIENT_ID, "--client-id", _parse_client_id)
        if self._answers.secret.is_named:
            secret = read_secret(self._answers.secret)
            self._note_peculiarity(secret)
            return Credentials(url, client_id, secret)
        while True:
            secret = self._until_valid(
                texts.ASK_SECRET, _SECRET_FLAGS, lambda text: _parse_secret(text, client_id), hidden=True
            )
            if self._accepts_secret(secret):
                return Credentials(url, client_id, secret)

    def _accepts_secret(self, secret: Secret) -> bool:
        """Whether to use a secret: one that was not generated only if the person says so."""
        if not self._note_peculiarity(secret):
            return True
        return self._asker.confirm(texts.USE_SECRET, default=False, flag=_SECRET_FLAGS)

    def _note_peculiarity(self, secret: Secret) -> bool:
        """Tells how a secret differs from a generated one, and returns whether it does."""
        peculiarity = secret_peculiarity(secret)
        if peculiarity is not None:
            self.console.note(texts.PECULIAR_SECRET.format(peculiarity=peculiarity))
        return peculiarity is not None


def _field_of(text: str) -> Field | None:
    """The field that an answer belongs to, if only one field has its form."""
    compact = "".join(text.split())
    if looks_like_pairing_code(text):
        return Field.PAIRING_CODE
    if looks_like_client_id(text):
        return Field.CLIENT_ID
    if _SECRET_FORM.fullmatch(compact):
        return Field.SECRET
    return Field.URL if "://" in compact else None


def _refuse_other(text: str, wanted: Field) -> None:
    """CommandStopped when the answer has the form of another field's. It is not repeated, because it may be the
    secret."""
    found = _field_of(text)
    if found is not None and found is not wanted:
        raise Problem.FIELDS_SWAPPED.stop(found=found.value, wanted=wanted.value)


def _parse_url(text: str) -> str:
    text = without_name(text, SERVER_URL)
    _refuse_other(text, Field.URL)
    with errors_as_findings():
        return normalise_url(text)


def _parse_client_id(text: str) -> UUID:
    text = without_name(text, CLIENT_ID)
    _refuse_other(text, Field.CLIENT_ID)
    with errors_as_findings():
        return parse_client_id(text)


def _parse_secret(text: str, client_id: UUID) -> Secret:
    """A secret may have any form, also that of a UUID; but it is never the client ID."""
    found = _field_of(text)
    is_the_client_id = found is Field.CLIENT_ID and parse_client_id(text) == client_id
    if found in (Field.PAIRING_CODE, Field.URL) or is_the_client_id:
        _refuse_other(text, Field.SECRET)
    with errors_as_findings():
        return parse_secret(text)


def _parse_pasted(text: str) -> Credentials:
    if not has_settings(text):
        _refuse_other(text, Field.PAIRING_CODE)
    return credentials_in(text)
