"""Shell completion: click's own scripts, which run tcsync at each Tab with _TCSYNC_COMPLETE in its environment.

The scripts are printed, and no file of the package: a wheel's files are in the environment of `pip` or `pipx`, where
only a recent bash-completion looks for them.
"""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

PROGRAM = "tcsync"
_VARIABLE = "_TCSYNC_COMPLETE"


class _Bash(BashComplete):
    """Without click's check of the bash on the PATH, which need not be the one that reads the script."""

    @staticmethod
    def _check_version() -> None:
        pass


_SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": ZshComplete, "fish": FishComplete}
SHELLS = tuple(_SHELLS)


def completion_script(group: click.Group, shell: str) -> str:
    """The script for one of SHELLS."""
    return _SHELLS[shell](group, {}, PROGRAM, _VARIABLE).source()
