"""A notification on the desktop, where there is one."""

from __future__ import annotations

import shutil
import subprocess

_TIMEOUT_S = 10.0


def tell_person(title: str, text: str) -> bool:
    """Shows it with the system's own program, if there is one and somebody's session to show it in."""
    if program := shutil.which("notify-send"):
        command = [program, "--app-name=tcsync", title, text]
    elif program := shutil.which("osascript"):
        # The texts are arguments, not a part of the script.
        script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"
        command = [program, "-e", script, title, text]
    else:
        return False
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
