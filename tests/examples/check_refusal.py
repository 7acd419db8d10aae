"""Runs an example with a data directory that cannot be made, and expects the library's message and a failure.

Run: check_refusal.py COMMAND...

In the command, {DIR} stands for a regular file.
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def main(command: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="tcsync-") as directory:
        file = Path(directory) / "file"
        file.touch()
        command = [argument.replace("{DIR}", str(file)) for argument in command]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    print(done.stderr, end="", file=sys.stderr)
    message = f"cannot create the parent of data directory {file}/data: Not a directory"
    if done.returncode > 0 and message in done.stderr:
        return 0
    print(f"status {done.returncode}, expected a failure and {message!r}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: check_refusal.py COMMAND...")
    sys.exit(main(sys.argv[1:]))
