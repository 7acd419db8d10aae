#!/usr/bin/env bash
# From a fresh Debian 12 machine to a running sync server:
#
#   ./examples/run-server.sh [FLAG]...
#
# Installs the build's dependencies (as root; otherwise it prints the line to run), builds a release
# into build/, prints the taskrc lines of a new user, and serves on 127.0.0.1:8080 with its data
# under data/ in this source tree. The flags are those of tcsync-server: see --help. From the second time
# on it starts at once.
#
# Environment: the server's own variables (see --help), and TCSYNC_BUILD_DIR, the directory to build
# in instead of build/.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
build="${TCSYNC_BUILD_DIR:-$root/build}"
server="$build/bin/tcsync-server"
log="$build/run-server.log"

# Builds only the server, and leaves a directory configured as it is: tests/run.sh builds the tests
# in the same one.
build_server() {
  if [[ ! -f "$build/build.ninja" && ! -f "$build/Makefile" ]]; then
    local options=(-DCMAKE_BUILD_TYPE=Release -DTCSYNC_TESTS=OFF -DTCSYNC_EXAMPLES=OFF)
    if command -v ninja > /dev/null; then options+=(-G Ninja); fi
    if command -v ccache > /dev/null; then
      options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    fi
    cmake -S "$root" -B "$build" "${options[@]}"
  fi
  cmake --build "$build" --target tcsync_server --parallel "$(getconf _NPROCESSORS_ONLN)"
}

"$root/src/cmake/install-packages.sh" build

mkdir -p "$build"
if [[ ! -x "$server" ]]; then
  echo "Building tcsync-server in $build; this takes a few minutes the first time." >&2
fi
if ! build_server > "$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "run-server.sh: the build failed; all of its output is in $log" >&2
  exit 1
fi

# The default for the data directory, which the variable and the flag --data-dir override.
export DATA_DIR="${DATA_DIR:-$root/data}"

for flag in "$@"; do
  case "$flag" in
    -h | --help | -V | --version) exec "$server" "$@" ;;
  esac
done

# Also refuses invalid flags, before any other output.
credentials="$("$server" credentials "$@")"
cat <<TEXT

For a new user: put these lines into taskrc on each of the user's computers, and run \`task sync\`.

$credentials

TEXT
exec "$server" serve "$@"
