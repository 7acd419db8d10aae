#!/usr/bin/env bash
# Checks that need no running program, over the whole tree: the layout of C and C++, Python's faults and types, shell
# scripts, the links within the documentation, and faults of C++ that compile. It changes nothing and needs no root.
#
#   tests/lint.sh [CHECK]...         format, python, shell, links, tidy; all of them without an argument
#   tests/lint.sh --fix              lays out C, C++ and Python, and lets ruff mend faults
#   tests/lint.sh --tidy [FILE]...   clang-tidy with all of its checks on these files of C++ or, without any, on those
#                                    changed since `main`; a file takes a core up to a minute
#
# Files that git ignores are left out, files that are not yet added are not. The build directory is TCSYNC_BUILD_DIR, else
# build/: its Python environment has ruff and mypy, and its compile_commands.json is clang-tidy's.
#
# Exits with 0 if nothing was found, with 1 if something was, and with 77, which CTest takes for skipped, if nothing was
# found but a tool was missing. With CI=true a missing tool is a failure.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
build="${TCSYNC_BUILD_DIR:-$root/build}"
readonly tools="$build/python-venv/bin"
readonly configuration=capi/python/pyproject.toml
readonly python_directions='tests/python/environment.py build    (or: ctest --test-dir build -R python.environment)'

# The files of the tree; in a copy without .git, everything but the build directories.
files=()
read_files() {
  local name
  while IFS= read -r -d '' name; do
    if [[ -f "$name" ]]; then files+=("${name#./}"); fi
  done < <(
    git -c safe.directory='*' ls-files -z --cached --others --exclude-standard 2> /dev/null \
      || find . \( -name 'build*' -path './build*' -o -name .git -o -name __pycache__ \) -prune -o -type f -print0
  )
}

# select_files PATTERN...: those of the files whose name fits, into `selected`.
selected=()
select_files() {
  local name pattern
  selected=()
  for name in "${files[@]}"; do
    for pattern in "$@"; do
      # shellcheck disable=SC2053  # the right side is a pattern on purpose
      if [[ "$name" == $pattern ]]; then
        selected+=("$name")
        break
      fi
    done
  done
}

# Scripts without a suffix begin with a line that names a shell.
select_scripts() {
  local name line
  select_files '*.sh'
  for name in "${files[@]}"; do
    if [[ "${name##*/}" == *.* ]]; then continue; fi
    line=''
    IFS= read -r line 2> /dev/null < "$name" || true
    if [[ "$line" =~ ^'#!'.*sh$ ]]; then selected+=("$name"); fi
  done
}

# missing TOOL DIRECTIONS: prints how to get the tool. A check returns with this function's status.
missing() {
  printf '%s is missing, so this is not checked. To have it:\n    %s\n' "$1" "$2" >&2
  return 77
}

# find_clang_tool NAME: its command, of the release that the tree is laid out and checked with, into `clang_tool`.
# Another release lays out some lines differently, and reports other faults.
find_clang_tool() {
  for clang_tool in "$1-14" "$1"; do
    if [[ "$("$clang_tool" --version 2> /dev/null)" == *'version 14.'* ]]; then return 0; fi
  done
  missing "$1 14" "sudo apt-get install -y --no-install-recommends $1-14"
}

check_format() {
  find_clang_tool clang-format || return
  select_files '*.c' '*.cc' '*.h'
  "$clang_tool" --dry-run -Werror --ferror-limit=5 -- "${selected[@]}"
}

check_python() {
  local status=0
  if [[ ! -x "$tools/ruff" || ! -x "$tools/mypy" ]]; then
    missing 'ruff or mypy' "$python_directions"
    return
  fi
  select_files '*.py'
  "$tools/ruff" check --quiet --no-cache --force-exclude --output-format concise --config "$configuration" \
    "${selected[@]}" || status=1
  "$tools/ruff" format --check --quiet --no-cache --force-exclude --output-format concise --config "$configuration" \
    "${selected[@]}" || status=1
  # Only the package has types.
  (cd capi/python && "$tools/mypy" --config-file pyproject.toml --no-error-summary --no-incremental \
    --cache-dir /dev/null) || status=1
  return "$status"
}

check_shell() {
  if ! command -v shellcheck > /dev/null; then
    missing shellcheck 'sudo apt-get install -y --no-install-recommends shellcheck'
    return
  fi
  select_scripts
  shellcheck --external-sources -- "${selected[@]}"
}

check_links() {
  select_files '*.md'
  python3 -B tests/lint/markdown_links.py "${selected[@]}"
}

fix() {
  find_clang_tool clang-format
  select_files '*.c' '*.cc' '*.h'
  "$clang_tool" -i -- "${selected[@]}"
  if [[ ! -x "$tools/ruff" ]]; then missing ruff "$python_directions"; fi
  select_files '*.py'
  "$tools/ruff" check --quiet --fix --no-cache --force-exclude --config "$configuration" "${selected[@]}" || true
  "$tools/ruff" format --quiet --no-cache --force-exclude --config "$configuration" "${selected[@]}"
}

# Its command into `clang_tidy`.
find_clang_tidy() {
  if [[ ! -f "$build/compile_commands.json" ]]; then
    missing "$build/compile_commands.json" 'cmake --preset release'
    return
  fi
  find_clang_tool clang-tidy || return
  clang_tidy=("$clang_tool" -p "$build" --quiet)
}

# The rooms that read the bytes of strangers, without the paths through each function, which take ten times as long as
# the other checks.
check_tidy() {
  find_clang_tidy || return
  select_files 'src/access/*.cc' 'src/crypto/*.cc' 'src/http/*.cc'
  # A run for each few files, because one for all of them repeats its count of hidden warnings for each.
  printf '%s\0' "${selected[@]}" | xargs -0 -n 8 "${clang_tidy[@]}" '--checks=-clang-analyzer-*'
}

tidy() {
  local base
  find_clang_tidy
  if [[ $# -eq 0 ]]; then
    base="$(git merge-base main HEAD)"
    mapfile -t selected < <(git diff --name-only --diff-filter=d "$base" -- '*.cc')
    set -- "${selected[@]}"
  fi
  if [[ $# -gt 0 ]]; then "${clang_tidy[@]}" "$@"; fi
}

read_files
case "${1-}" in
  --fix)
    fix
    exit
    ;;
  --tidy)
    shift
    tidy "$@"
    exit
    ;;
  -*)
    sed -n '2,/^set/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac

if [[ $# -eq 0 ]]; then set -- format python shell links tidy; fi
found=0
unchecked=0
summary=()
for check in "$@"; do
  if ! declare -F "check_$check" > /dev/null; then
    echo "There is no check '$check': give format, python, shell, links or tidy." >&2
    exit 2
  fi
  echo "== $check"
  status=0
  "check_$check" || status=$?
  case "$status" in
    0) summary+=("$check: nothing found") ;;
    77) summary+=("$check: not checked") && unchecked=1 ;;
    *) summary+=("$check: FAILED") && found=1 ;;
  esac
done

echo '== summary'
printf '%s\n' "${summary[@]}"
if [[ $found -ne 0 || ($unchecked -ne 0 && "${CI-}" == true) ]]; then exit 1; fi
if [[ $unchecked -ne 0 ]]; then exit 77; fi
