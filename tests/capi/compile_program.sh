#!/bin/sh
# Compiles one of these tests, with their common part, for the other tests that link it to a library
# of their own.
# Usage: compile_program.sh SOURCE_DIRECTORY CC NAME OUTPUT_DIRECTORY LINKER_FLAG...
set -eu

source_directory=$1
cc=$2
name=$3
output_directory=$4
shift 4
tests_directory=$source_directory/tests/capi

"$cc" -std=c11 -D_XOPEN_SOURCE=700 -D_DARWIN_C_SOURCE -DTCSYNC_NO_NONNULL \
  -I "$source_directory/capi/include" "$tests_directory/$name.c" \
  "$tests_directory/check.c" "$tests_directory/replica_support.c" "$tests_directory/support.c" "$@" -o "$output_directory/$name"
