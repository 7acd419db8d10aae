#!/usr/bin/env bash
# Compares two running sync servers over loopback: bench/compare.sh URL_A URL_B [LOAD[:CONNECTIONS]...]
# --help has the details. Exit status: 0, 1 when a server gave a wrong answer, 2 for a wrong command line.
exec "${PYTHON:-python3}" -B "$(dirname "${BASH_SOURCE[0]}")/harness/compare.py" "$@"
