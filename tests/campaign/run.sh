#!/usr/bin/env bash
# Runs every campaign for hours, one after the other, and prints their trials and counts.
#
#   tests/campaign/run.sh [--hours N] [--seed S] [--build-dir DIR] [--fuzz-build-dir DIR] [--output DIR] [NAME...]
#
# N is shared out among the campaigns, NAME... are some of them (all without). NAME-postgres is NAME over PostgreSQL, for
# those that run on both storages. It needs the build of tests/run.sh, and for fuzz also that of `cmake --preset fuzz &&
# cmake --build --preset fuzz`; a campaign that lacks a prerequisite is skipped, and the report says so. Exit status: 0,
# 1 when a promise was broken. --output has the reports, REPORT.md, and the directories of failed rounds.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
hours=1
seed="$(date +%s)"
build_dir="$root/build"
fuzz_build_dir="$root/build-fuzz"
output="$root/build/campaign"
names=()
while [ $# -gt 0 ]; do
  case "$1" in
    --hours) hours="$2"; shift 2 ;;
    --seed) seed="$2"; shift 2 ;;
    --build-dir) build_dir="$2"; shift 2 ;;
    --fuzz-build-dir) fuzz_build_dir="$2"; shift 2 ;;
    --output) output="$2"; shift 2 ;;
    -*) sed -n '2,/^set -/p' "${BASH_SOURCE[0]}" | sed -n 's/^# \{0,1\}//p'; exit 2 ;;
    *) names+=("$1"); shift ;;
  esac
done
if [ ${#names[@]} -eq 0 ]; then
  for program in "$here"/*.py; do
    # The others are modules, and this one's.
    if [ -x "$program" ] && [ "$(basename "$program")" != report.py ]; then
      names+=("$(basename "$program" .py)")
      if grep -q '^import storages' "$program"; then names+=("$(basename "$program" .py)-postgres"); fi
    fi
  done
fi
seconds="$(awk -v hours="$hours" -v count="${#names[@]}" 'BEGIN { printf "%d", hours * 3600 / count }')"
mkdir -p "$output"
status=0
# Debian's matplotlib, which draws the plot, belongs to Debian's Python, which another Python on the PATH may hide.
python="${PYTHON:-python3}"
if [ -z "${PYTHON-}" ] && ! "$python" -c 'import matplotlib' 2> /dev/null; then
  python=/usr/bin/python3
fi
for name in "${names[@]}"; do
  options=(--seconds "$seconds" --seed "$seed" --build-dir "$build_dir" --report "$output/$name.json" --keep "$output/findings")
  case "$name" in
    *-postgres) options+=(--storage postgres) ;;
    fuzz) options+=(--build-dir "$fuzz_build_dir" --corpus "$output/corpus") ;;
    soak) options+=(--plot "$output/soak.svg") ;;
  esac
  rm -f "$output/$name.json"
  echo "== $name, $seconds s, seed $seed"
  result=0
  "$python" -B "$here/${name%-postgres}.py" "${options[@]}" > "$output/$name.log" 2>&1 || result=$?
  case "$result" in
    0) ;;
    77) echo "skipped: $(tail -n 1 "$output/$name.log")" ;;
    *) status=1; grep -h '^FINDING' "$output/$name.log" || tail -n 5 "$output/$name.log" ;;
  esac
done
"$python" -B "$here/report.py" "$output" "${names[@]}" | tee "$output/REPORT.md"
exit "$status"
