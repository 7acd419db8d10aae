#!/bin/sh
# Prints what callers can see of a shared library's ABI, as XML: the functions, and the types of the
# header; nothing of what is behind them, nor of the machine on which it was built.
# Usage: describe-abi.sh LIBRARY DIRECTORY_OF_THE_HEADER
set -eu

abidw --headers-dir "$2" --drop-private-types --exported-interfaces-only --drop-undefined-syms \
  --no-architecture --no-show-locs --no-comp-dir-path --no-corpus-path --no-elf-needed \
  --no-parameter-names --type-id-style hash "$1" |
  sed "s|path='[^']*/capi/src/|path='capi/src/|"
