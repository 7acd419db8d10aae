#!/usr/bin/env bash
# Measures everything and writes a report with plots. --help lists the options, and
# docs/performance.md explains each number. Needs a build with -DTCSYNC_BENCH=ON and Python's
# matplotlib (Debian: python3-matplotlib).
#
#   bench/run.sh [--quick] [--output DIR] [--reference-server PROGRAM] [--nginx] [--million]
set -euo pipefail

# Debian's matplotlib belongs to Debian's Python, which another Python on the PATH may hide.
python="${PYTHON:-python3}"
if [[ -z "${PYTHON-}" ]] && ! "$python" -c 'import matplotlib' 2> /dev/null; then
  python=/usr/bin/python3
fi
exec "$python" -B "$(dirname "${BASH_SOURCE[0]}")/harness/run.py" "$@"
