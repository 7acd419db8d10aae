#!/usr/bin/env bash
# Compares the storage in PostgreSQL, through HTTP, with pgbench and with other servers: bench/compare-postgres.sh
# --help has the details. Exit status: 0, 1 when a server gave a wrong answer, 2 for a wrong command line.
exec "${PYTHON:-python3}" -B "$(dirname "${BASH_SOURCE[0]}")/harness/compare_postgres.py" "$@"
