#!/bin/sh
# Compiles the C ABI's header by itself, and a file that uses it, in every dialect of its users.
# If this fails, programs in an older dialect cannot include the header.
# Usage: header_test.sh DIRECTORY_OF_THE_HEADER
set -u

include_directory=$1
tests_directory=$(dirname "$0")
work_directory=$(mktemp -d) || exit 1
trap 'rm -rf "$work_directory"' EXIT
failures=0
compilations=0

# compile COMPILER LANGUAGE DIALECT
compile() {
  for source in "$include_directory/tcsync.h" "$tests_directory/header_use.c"; do
    compilations=$((compilations + 1))
    if ! "$1" -x "$2" "-std=$3" -Wall -Wextra -pedantic -Werror -I "$include_directory" \
        -fsyntax-only "$source" >"$work_directory/output" 2>&1; then
      failures=$((failures + 1))
      echo "FAILED: $1 -x $2 -std=$3 $source"
      cat "$work_directory/output"
    fi
  done
}

compilers_of_c=0
for compiler in gcc clang cc; do
  command -v "$compiler" >/dev/null || continue
  compilers_of_c=$((compilers_of_c + 1))
  for dialect in c90 c99 c11 c17; do
    compile "$compiler" c "$dialect"
  done
done
compilers_of_cxx=0
for compiler in g++ clang++ c++; do
  command -v "$compiler" >/dev/null || continue
  compilers_of_cxx=$((compilers_of_cxx + 1))
  for dialect in c++98 c++11 c++14 c++17 c++20; do
    compile "$compiler" c++ "$dialect"
  done
done

# warns FLAGS STATEMENT: whether gcc and clang warn of that statement with -Wall.
warns() {
  for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || continue
    printf '#include <tcsync.h>\nvoid f(tcsync_config *config);\nvoid f(tcsync_config *config) { %s }\n' "$2" \
      >"$work_directory/use.c"
    # shellcheck disable=SC2086 # Several flags.
    "$compiler" $1 -Wall -Werror -I "$include_directory" -c -o "$work_directory/use.o" \
      "$work_directory/use.c" 2>"$work_directory/output" || return 0
  done
  return 1
}

# expect YES_OR_NO FLAGS STATEMENT
expect() {
  answer=no
  if warns "$2" "$3"; then answer=yes; fi
  compilations=$((compilations + 1))
  [ "$answer" = "$1" ] && return
  failures=$((failures + 1))
  echo "FAILED: warned of '$3' with $2: $answer, expected $1"
  cat "$work_directory/output"
}
expect yes -O0 'tcsync_config_set_from_environment(config, NULL);'
expect no -O0 'if (tcsync_config_set_from_environment(config, NULL) != TCSYNC_OK) tcsync_config_free(config);'
expect yes -O0 'if (tcsync_config_set(config, NULL, "1", NULL) != TCSYNC_OK) tcsync_config_free(config);'
# An optimising compiler must not learn from the header which checks it could omit.
expect no -O2 'if (tcsync_config_set(config, NULL, "1", NULL) != TCSYNC_OK) tcsync_config_free(config);'
expect no '-O0 -DTCSYNC_NO_NONNULL' \
  'if (tcsync_config_set(config, NULL, "1", NULL) != TCSYNC_OK) tcsync_config_free(config);'

# Every function with a result is in the header's list for compilers.
preprocessed=$work_directory/preprocessed
cc -E -P -x c "$include_directory/tcsync.h" >"$preprocessed"
functions=$(tr '\n' ' ' <"$preprocessed" | grep -oE 'tcsync_code tcsync_[a-z_]+\([^)]*tcsync_error \*\*error\)' |
  sed 's/^tcsync_code //; s/(.*//' | sort)
listed=$(sed -n 's/.*extern __typeof__(\(tcsync_[a-z_]*\)).*/\1/p' "$preprocessed" | sort)
if [ -z "$functions" ] || [ "$functions" != "$listed" ]; then
  failures=$((failures + 1))
  echo "FAILED: the list of functions for compilers, at the end of tcsync.h, is not that of the functions:"
  printf '%s\n' "$functions" >"$work_directory/functions"
  printf '%s\n' "$listed" | diff "$work_directory/functions" -
fi

echo "$compilations compilations, $failures failed"
if [ "$compilers_of_c" -eq 0 ] || [ "$compilers_of_cxx" -eq 0 ]; then
  echo "FAILED: no compiler was found"
  exit 1
fi
[ "$failures" -eq 0 ]
