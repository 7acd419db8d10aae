"""Runs a program, which must succeed, and compares its output with the expected one.

Run: check_output.py EXPECTED COMMAND...

Each line of the file EXPECTED is a regular expression for one whole line of standard output. In the
command, {DIR} stands for a fresh directory, which is removed afterwards.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main(expected_path: str, command: list[str]) -> int:
    expected = Path(expected_path).read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory(prefix="tcsync-") as directory:
        command = [argument.replace("{DIR}", directory) for argument in command]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode != 0:
        print(f"the program ended with status {done.returncode}", file=sys.stderr)
        return 1
    lines = done.stdout.splitlines()
    for number, (pattern, line) in enumerate(zip(expected, lines, strict=False), start=1):
        if not re.fullmatch(pattern, line):
            print(f"line {number} is {line!r}, expected {pattern!r}", file=sys.stderr)
            return 1
    if len(lines) != len(expected):
        print(f"{len(lines)} lines, expected {len(expected)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: check_output.py EXPECTED COMMAND...")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
