"""Corrects sync settings whose meaning is clear and whose form is not right, without asking for them again."""

from __future__ import annotations

from tcsync import TaskrcEdit

from ..computer import ThisComputer
from ..configured import Repair, repair_of
from ..console import Console
from . import texts
from .answers import Answers
from .changes import SetupChanges
from .conversation import Conversation
from .outcome import Outcome


class Mending:
    """One offer to correct the settings of this computer, and the correction."""

    def __init__(
        self, computer: ThisComputer, answers: Answers, conversation: Conversation, console: Console, outcome: Outcome
    ) -> None:
        self._computer = computer
        self._answers = answers
        self._conversation = conversation
        self._console = console
        self._outcome = outcome

    def run(self) -> bool:
        """Corrects the settings if they need it and the person wants it; returns whether it did. False leaves the
        choice between keeping and replacing them to the setup."""
        repair = repair_of(self._computer.taskrc)
        if repair is None or self._computer.other_settings() or not self._is_meant(repair):
            return False
        for finding in repair.findings:
            self._console.finding(finding)
        if repair.is_renamed:
            self._console.line(texts.RENAMING)
        if self._answers.dry_run or not self._is_wanted():
            return False
        with SetupChanges(self._computer) as changes:
            edit, _ = changes.apply(repair.credentials, None)
        self._outcome.changed, self._outcome.backup = edit.changed, edit.backup
        describe_edit(edit, self._computer, self._console)
        return True

    def _is_meant(self, repair: Repair) -> bool:
        """Whether the flags allow these settings to stay in use."""
        answers = self._answers
        if answers.replace is False or answers.computer == "first":
            return False
        if answers.gives_credentials:
            return self._conversation.given_credentials() == repair.credentials
        return answers.server is None and answers.server_url is None

    def _is_wanted(self) -> bool:
        if self._answers.gives_credentials:
            return True
        return self._conversation.mend(is_agreed=self._answers.replace is True)


def describe_edit(edit: TaskrcEdit, computer: ThisComputer, console: Console) -> None:
    """Says which files were changed, and where the old ones are."""
    for file in edit.files:
        path = computer.taskrc_path if file.path == edit.path else file.path
        console.done((texts.CREATED if file.created else texts.WRITTEN).format(path=path))
        if file.backup is not None:
            console.line(texts.BACKUP.format(path=file.backup))
