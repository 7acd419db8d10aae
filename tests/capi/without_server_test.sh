#!/bin/sh
# Builds the library without the server (TCSYNC_SERVER=OFF), as the Python package carries it, with
# all dependencies linked into it; compares its exports with those of the whole library, and runs a
# program against it.
# If this fails, the setup wizard cannot be built on machines without RocksDB, or bindings do not load
# on machines that lack one of this machine's libraries.
# Usage: without_server_test.sh SOURCE_DIRECTORY BUILD_DIRECTORY CMAKE GENERATOR CC CXX
set -eu

source_directory=$1
build_directory=$2
cmake=$3
generator=$4
cc=$5
cxx=$6
tests_directory=$source_directory/tests/capi

# On macOS, packages have Abseil as shared libraries only.
static=ON
[ "$(uname)" = Darwin ] && static=OFF

# The test is only about the build and its exports: the cheapest build will do.
"$cmake" -S "$source_directory" -B "$build_directory" -G "$generator" -Wno-dev \
  -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Debug \
  -DCMAKE_C_FLAGS_DEBUG=-O0 -DCMAKE_CXX_FLAGS_DEBUG=-O0 \
  -DTCSYNC_SERVER=OFF -DTCSYNC_STATIC_DEPENDENCIES=$static \
  -DTCSYNC_TESTS=OFF -DTCSYNC_EXAMPLES=OFF -DTCSYNC_BENCH=OFF
"$cmake" --build "$build_directory" --target tcsync
for library in "$build_directory"/lib/libtcsync.so "$build_directory"/lib/libtcsync.dylib; do
  [ -e "$library" ] && break
done
"$tests_directory/exports_test.sh" "$library" "$source_directory/capi/baseline/symbols.txt"
if [ "$static" = ON ]; then
  # Of the C library, and nothing else.
  if readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -Ev '^(libc|libm|libdl|libpthread|ld-linux[-a-z0-9_]*)\.so'; then
    echo "FAILED: $library needs these, which other machines may lack"
    exit 1
  fi
fi

# run NAME OUTPUT_DIRECTORY [LINKER_FLAG]...
run() {
  "$tests_directory/compile_program.sh" "$source_directory" "$cc" "$@" \
    -L "$build_directory/lib" -ltcsync -Wl,-rpath,"$build_directory/lib"
  "$build_directory/$1"
}

run without_server_test "$build_directory"
if [ "$static" = ON ]; then
  # These have functions with names of libsodium's and OpenSSL's, and of SQLite's and zlib's.
  run own_symbols_host "$build_directory" -rdynamic
  run own_sqlite_host "$build_directory" -rdynamic
fi
