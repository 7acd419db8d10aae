#!/bin/sh
# Builds the library without the server (TCSYNC_SERVER=OFF), compares its exports with those of the
# whole library, and runs a program against it.
# What breaks when this fails: the setup wizard cannot be built on machines without RocksDB and
# Boost, or bindings do not load there.
# Usage: without_server_test.sh SOURCE_DIRECTORY BUILD_DIRECTORY CMAKE GENERATOR CC CXX
set -eu

source_directory=$1
build_directory=$2
cmake=$3
generator=$4
cc=$5
cxx=$6
tests_directory=$source_directory/tests/capi

# Only whether it builds and what it exports is of interest here: the cheapest build will do.
"$cmake" -S "$source_directory" -B "$build_directory" -G "$generator" -Wno-dev \
  -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Debug \
  -DCMAKE_C_FLAGS_DEBUG=-O0 -DCMAKE_CXX_FLAGS_DEBUG=-O0 \
  -DTCSYNC_SERVER=OFF -DTCSYNC_TESTS=OFF -DTCSYNC_EXAMPLES=OFF -DTCSYNC_BENCH=OFF
"$cmake" --build "$build_directory" --target tcsync
for library in "$build_directory"/lib/libtcsync.so "$build_directory"/lib/libtcsync.dylib; do
  [ -e "$library" ] && break
done
"$tests_directory/exports_test.sh" "$library" "$source_directory/capi/baseline/symbols.txt"
"$cc" -std=c11 -D_XOPEN_SOURCE=700 -D_DARWIN_C_SOURCE -I "$source_directory/capi/include" \
  "$tests_directory/without_server_test.c" "$tests_directory/check.c" "$tests_directory/support.c" \
  -L "$build_directory/lib" -ltcsync -Wl,-rpath,"$build_directory/lib" \
  -o "$build_directory/without_server_test"
"$build_directory/without_server_test"
