#!/bin/sh
# Compares the symbols that the library exports with the list in the tree.
# If this fails, programs no longer load (a symbol is gone), or begin to depend on a symbol without a
# promise (an additional one).
# Usage: exports_test.sh LIBRARY SYMBOLS_TXT
set -u

library=$1
symbols=$2
work_directory=$(mktemp -d) || exit 1
trap 'rm -rf "$work_directory"' EXIT

"$(dirname "$0")/../../capi/baseline/list-symbols.sh" "$library" >"$work_directory/exported" ||
  exit 1
grep -v '^#' "$symbols" >"$work_directory/expected"
if ! diff "$work_directory/expected" "$work_directory/exported"; then
  echo "FAILED: < is missing from $library, > is missing from $symbols"
  echo "If the change is meant, run capi/baseline/update.sh."
  exit 1
fi
if grep -v '^tcsync_' "$work_directory/exported"; then
  echo "FAILED: these do not begin with tcsync_"
  exit 1
fi
echo "$(wc -l <"$work_directory/exported") symbols, all as listed"
