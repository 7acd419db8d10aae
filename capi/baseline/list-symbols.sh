#!/bin/sh
# Prints the names of the symbols that a shared library exports, sorted, one a line.
# Usage: list-symbols.sh LIBRARY
set -eu

case $(uname) in
  # Names have an underscore in front there.
  Darwin) nm -gU "$1" | awk 'NF == 3 { sub(/^_/, "", $3); print $3 }' | LC_ALL=C sort -u ;;
  # Absolute symbols (A) are the version script's nodes; what follows @ is a symbol's node.
  *) nm -D --defined-only "$1" | awk 'NF == 3 && $2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    LC_ALL=C sort -u ;;
esac
