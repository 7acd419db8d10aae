#!/usr/bin/env bash
# Measures a replica's first sync over a link with latency, with many versions in one answer and with
# one. --help has the details. Exit status: 0, 1 when a replica ended with wrong tasks or failed, 2
# for a wrong command line.
exec "${PYTHON:-python3}" -B "$(dirname "${BASH_SOURCE[0]}")/harness/receive_over_latency.py" "$@"
