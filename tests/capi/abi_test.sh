#!/bin/sh
# Compares the library's ABI (the types of all parameters, the layout of all structs) with the
# baseline in the tree.
# If this fails, programs that were compiled against an earlier release misbehave with this one.
# Usage: abi_test.sh LIBRARY BASELINE DIRECTORY_OF_THE_HEADER
set -u

if ! command -v abidiff >/dev/null; then
  if [ "${CI:-}" = true ]; then
    echo "FAILED: abidiff is missing (Debian: abigail-tools), and CI=true does not allow to skip"
    exit 1
  fi
  echo "skipped: abi_test needs abidiff (Debian: abigail-tools)"
  exit 77
fi

work_directory=$(mktemp -d) || exit 1
trap 'rm -rf "$work_directory"' EXIT

# Not the library itself with the baseline: abidiff would then take the header's types, whose file
# the baseline does not name, for private ones, and ignore their changes.
"$(dirname "$0")/../../capi/baseline/describe-abi.sh" "$1" "$3" >"$work_directory/now.abi" || exit 1
if ! abidiff "$2" "$work_directory/now.abi"; then
  echo "FAILED: the ABI differs from $2"
  echo "If the change is meant, and keeps earlier programs working, run capi/baseline/update.sh."
  exit 1
fi
echo "the ABI is as in the baseline"
