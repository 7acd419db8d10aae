"""One sync by tcsync's own replica, as a program: what it needs in memory, the secret too, ends with it.

After a failure its standard output is the finding as JSON, and its exit status 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tcsync import Replica, ReplicaError, ReplicaFault, SyncError, SyncFault

from ..findings import CommandStopped, Problem
from ..given_credentials import this_computer
from ..interrupts import signals_as_interrupts
from ..replica import PROBLEM_OF_FAULT
from ..server_check import ConnectionOptions, ServerCheck

_PROBLEM_OF_SYNC_FAULT = {
    SyncFault.HISTORY_GONE: Problem.SYNC_GONE,
    SyncFault.DIVERGED: Problem.SYNC_DIVERGED,
}
_PROBLEM_OF_REPLICA_FAULT = {
    **PROBLEM_OF_FAULT,
    ReplicaFault.IN_USE: Problem.SYNC_DATABASE_IN_USE,
    ReplicaFault.REPLICA_MISSING: Problem.DATABASE_GONE,
}


def sync_replica(ca_file: Path | None, *, may_create: bool) -> None:
    """Syncs this computer's replica. CommandStopped."""
    locked = this_computer()
    with locked.alone():
        # Once more: the setup that had the lock until now has changed the settings, and the replica with them.
        computer = this_computer()
        directory = computer.taskrc.data_location
        if directory != locked.taskrc.data_location:
            raise Problem.COMPUTER_BUSY.stop(directory=directory)
        credentials = computer.require_credentials()
        with ServerCheck(credentials, ConnectionOptions(ca_file)) as server, server.findings():
            try:
                with Replica(directory, create=may_create) as replica:
                    replica.sync(server.remote)
            except SyncError as error:
                if error.fault not in _PROBLEM_OF_SYNC_FAULT:
                    raise
                raise _PROBLEM_OF_SYNC_FAULT[error.fault].stop() from None
            except ReplicaError as error:
                problem = _PROBLEM_OF_REPLICA_FAULT.get(error.fault, Problem.REPLICA_FAILED)
                raise problem.stop(detail=str(error).rstrip(". "), directory=directory) from None


def main() -> None:
    parser = argparse.ArgumentParser(description="Syncs Taskwarrior's tasks once, without Taskwarrior.")
    parser.add_argument("--ca-file", type=Path, help="a PEM file with a private certificate authority")
    parser.add_argument("--may-create", action="store_true", help="begin with an empty replica where there is none")
    arguments = parser.parse_args()
    with signals_as_interrupts():
        try:
            sync_replica(arguments.ca_file, may_create=arguments.may_create)
        except CommandStopped as stop:
            print(json.dumps(stop.finding.as_json()))
            sys.exit(1)


if __name__ == "__main__":
    main()
