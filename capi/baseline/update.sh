#!/bin/sh
# Writes symbols.txt and libtcsync.abi, with which the tests compare the library, anew. Run it when
# a function was added to tcsync.h, or a field at the end of a struct that callers fill, and the
# tests capi.exports and capi.abi say so; look at the difference before committing it. A change that
# takes something away or moves it needs a new ABI major version, in capi/CMakeLists.txt and
# capi/tcsync.map, once the ABI is declared stable.
# Needs abidw (Debian: abigail-tools) and a library with debug information, as the default build
# type, RelWithDebInfo, makes it.
# Usage: update.sh BUILD_DIRECTORY
set -eu

if [ $# -ne 1 ]; then
  echo "usage: $0 BUILD_DIRECTORY" >&2
  exit 2
fi
baseline_directory=$(dirname "$0")
library=$1/lib/libtcsync.so
new_symbols=$(mktemp)
new_abi=$(mktemp)
trap 'rm -f "$new_symbols" "$new_abi"' EXIT

"$baseline_directory/list-symbols.sh" "$library" >"$new_symbols"
"$baseline_directory/describe-abi.sh" "$library" "$baseline_directory/../include" >"$new_abi"
if ! grep -q "<function-decl name='tcsync_version'" "$new_abi"; then
  echo "$library has no debug information" >&2
  exit 1
fi
cat "$new_symbols" >"$baseline_directory/symbols.txt"
cat "$new_abi" >"$baseline_directory/libtcsync.abi"
echo "written: $baseline_directory/symbols.txt and $baseline_directory/libtcsync.abi"
