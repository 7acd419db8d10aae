"""`tcsync export`: all tasks as Taskwarrior's JSON, from the server or from a file of its operator's.

Neither Taskwarrior nor a replica on this computer is used, so it also works when all computers are lost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from tcsync import HistoryError, Replica
from tcsync.exported_history import read_exported_history
from tcsync.taskwarrior_json import Unreadable, format_tasks, summary

from .comparison import Tasks
from .console import Console
from .diagnosis import errors_as_findings
from .findings import Problem
from .given_credentials import GivenCredentials, conflict
from .output_file import refuse_existing, whole_file
from .server_check import ConnectionOptions, ServerCheck
from .setup import texts
from .setup.outcome import describe_tasks

#: So many properties are named one by one.
_REPORTED_MAX = 100


class Export:
    """One run of the command. `notes` is for remarks: standard output may be the export itself."""

    def __init__(self, given: GivenCredentials, connection: ConnectionOptions, notes: Console) -> None:
        self._given = given
        self._connection = connection
        self._notes = notes

    def run(self, source: str | None, output: str | None, *, force: bool) -> None:
        """Exports from `source`, a file or `-`, or from the server without one; to `output`, or to standard output
        without one or with `-`."""
        target = None if output in (None, "-") else Path(output or "")
        if target is None and force:
            conflict("--force is for a file that --output names")
        if target is not None:
            refuse_existing(target, force=force)
        tasks = self._from_server() if source is None else self._from_file(source)
        unreadable: list[Unreadable] = []
        lines = format_tasks(tasks, unreadable)
        if target is None:
            _print(lines)
        else:
            with whole_file(target, force=force) as file:
                file.writelines(line.encode() for line in lines)
        self._report(tasks, unreadable, target)

    def _from_server(self) -> Tasks:
        credentials = self._given.for_server()
        self._notes.line(texts.FETCHING.format(url=credentials.url))
        with ServerCheck(credentials, self._connection) as server, Replica.in_memory() as replica:
            server.receive(replica)
            return replica.tasks()

    def _from_file(self, source: str) -> Tasks:
        if source == "-" and self._given.reads_stdin:
            conflict("standard input cannot be both the exported file and the secret")
        client_id, secret = self._given.for_file()
        try:
            with open(os.dup(0) if source == "-" else source, "rb") as file:
                sealed = read_exported_history(file, client_id)
        except HistoryError as error:
            raise Problem.EXPORT_UNREADABLE.stop(path=source, detail=str(error)) from None
        except OSError as error:
            raise Problem.EXPORT_UNREADABLE.stop(path=source, detail=error.strerror or "it cannot be read") from None
        with errors_as_findings(client_id=sealed.client_id):
            return sealed.replay(secret)

    def _report(self, tasks: Tasks, unreadable: list[Unreadable], target: Path | None) -> None:
        for found in unreadable[:_REPORTED_MAX]:
            self._notes.note(str(found))
        if len(unreadable) > _REPORTED_MAX:
            more = len(unreadable) - _REPORTED_MAX
            self._notes.note(f"and {more} more such {'property' if more == 1 else 'properties'}")
        if unreadable:
            self._notes.note(
                f"{summary(unreadable)} properties that Taskwarrior cannot read. They are texts with names that begin "
                "with unreadable_, so that `task import` takes the rest."
            )
        self._notes.done(f"Exported {describe_tasks(tasks)}" + (f" to {target}." if target else "."))


def _print(lines: Iterable[str]) -> None:
    """Writes to standard output, in UTF-8 whatever the locale is."""
    try:
        for line in lines:
            sys.stdout.buffer.write(line.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader has had enough, as head has. Python would complain of the rest when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Problem.OUTPUT_FAILED.stop(path="standard output", detail="its reader closed it") from None
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Problem.OUTPUT_FAILED.stop(path="standard output", detail=error.strerror) from None
