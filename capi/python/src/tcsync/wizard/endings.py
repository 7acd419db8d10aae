"""The endings of the commands: every exception becomes a finding and an exit status."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tcsync import TcsyncError

from .console import Console
from .diagnosis import finding_for, finding_for_system
from .findings import CommandStopped, Finding, Problem
from .interrupts import signals_as_interrupts


@contextmanager
def endings_as_findings() -> Iterator[None]:
    """Turns every exception that ends a command early into a CommandStopped. A bug shows its place, and no values."""
    try:
        yield
    except (CommandStopped, click.exceptions.Exit):
        raise
    except (KeyboardInterrupt, click.Abort):
        raise Problem.INTERRUPTED.stop() from None
    except TcsyncError as error:
        raise CommandStopped(finding_for(error)) from None
    except OSError as error:
        raise CommandStopped(finding_for_system(error)) from None
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
        raise Problem.UNEXPECTED.stop(detail=f"{type(error).__name__}{place}") from None


@contextmanager
def reported(as_json: bool) -> Iterator[Console]:
    """Runs one of the small commands: a CommandStopped is shown, or printed as JSON, and becomes the exit status."""
    console = Console(quiet=as_json)
    try:
        with endings_as_findings(), signals_as_interrupts():
            yield console
    except CommandStopped as stop:
        print_finding(stop.finding, as_json=as_json)
        sys.exit(stop.finding.exit_code)


def print_finding(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        document = {"exit_code": int(finding.exit_code), "messages": [finding.as_json()]}
        click.echo(json.dumps(document, indent=2))
    else:
        Console(sys.stderr).finding(finding)
