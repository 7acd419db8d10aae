#!/usr/bin/env bash
# From a fresh Debian 12 machine to all tests passed: installs the missing packages (as root; otherwise it
# prints the line to run), builds into build/, and runs every test. Ends with ctest's summary.
#
#   ./tests/run.sh [CTEST_ARGUMENT]...      for example: ./tests/run.sh -R conformance
#
# With CI=true, warnings are errors, and a test that lacks something it needs fails instead of being
# skipped.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
jobs="$(getconf _NPROCESSORS_ONLN)"

src/cmake/install-packages.sh test

options=(-DTCSYNC_TESTS=ON -DTCSYNC_EXAMPLES=ON -DTCSYNC_BENCH=ON)
if [[ "${CI-}" == true ]]; then options+=(-DTCSYNC_WERROR=ON); fi
# Debian's pytest belongs to Debian's Python, which another Python on the PATH may hide.
if command -v dpkg-query > /dev/null; then options+=(-DPython3_EXECUTABLE=/usr/bin/python3); fi
if command -v ccache > /dev/null; then
  options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
cmake --preset release "${options[@]}"
cmake --build build --parallel "$jobs"
exec ctest --test-dir build --output-on-failure --parallel "$jobs" "$@"
