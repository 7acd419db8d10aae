#!/bin/sh
# Links the library once more as TCSYNC_STATIC_CRYPTO=ON does, from the compiled objects and by the same
# command, and runs a program against it that has functions with names of libsodium's and OpenSSL's.
# If this fails, such a program gets the secrets, by accident or on purpose.
# Usage: own_symbols_test.sh SOURCE_DIRECTORY BUILD_DIRECTORY WORK_DIRECTORY LIBRARY_TARGET NINJA CC
set -eu

source_directory=$1
build_directory=$2
work_directory=$3
library_target=$4
ninja=$5
cc=$6
tests_directory=$source_directory/tests/capi

# run_host NAME DIRECTORY_OF_THE_LIBRARY [ARGUMENT]
run_host() {
  "$tests_directory/compile_program.sh" "$source_directory" "$cc" "$1" "$work_directory" \
    -rdynamic -L "$2" -Wl,-rpath-link,"$2" -l:libtcsync.so.0 -Wl,-rpath,"$2"
  # Not [ARGUMENT] alone: it may be missing.
  if [ $# -eq 3 ]; then "$work_directory/$1" "$3"; else "$work_directory/$1"; fi
}

rm -rf "$work_directory"
mkdir -p "$work_directory"
linked=$work_directory/libtcsync.so.0
command=$("$ninja" -C "$build_directory" -t commands -s "$library_target" | tail -n 1)
for name in libsodium libssl libcrypto; do
  shared=$(printf '%s\n' "$command" | tr ' ' '\n' | grep "/$name\.so" | head -n 1)
  if [ -z "$shared" ] || [ ! -e "${shared%.so*}.a" ]; then
    echo "skipped: $name is not linked as a shared library, or has no archive beside it"
    exit 77
  fi
  command=$(printf '%s\n' "$command" | sed "s|$shared|${shared%.so*}.a|g")
done
command=$(printf '%s\n' "$command" | sed "s| -o $library_target| -o $linked|")
(cd "$build_directory" && sh -c "$command")

if readelf -d "$linked" | grep -E 'NEEDED.*lib(sodium|ssl|crypto)'; then
  echo "FAILED: $linked still needs these"
  exit 1
fi
"$tests_directory/exports_test.sh" "$linked" "$source_directory/capi/baseline/symbols.txt"
# With the shared libraries the program does get calls: otherwise this would test nothing.
shared_directory=$build_directory/$(dirname "$library_target")
run_host own_symbols_host "$shared_directory" expect-calls
run_host own_symbols_host "$work_directory"
# Nor would without_server_test.sh, which runs this one with SQLite and zlib linked in.
run_host own_sqlite_host "$shared_directory" expect-calls
