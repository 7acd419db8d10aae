#!/usr/bin/env bash
# Compares tcsync's replica with TaskChampion's and, if it is given, the real Taskwarrior: the time
# to sync with a server on loopback. --help has the details. Exit status: 0, 1 when a replica ended
# with wrong tasks or failed, 2 for a wrong command line.
exec "${PYTHON:-python3}" -B "$(dirname "${BASH_SOURCE[0]}")/harness/compare_replicas.py" "$@"
