"""The wizard: the program `tcsync`, which sets up Taskwarrior's sync, and its parts for other programs.

    from tcsync.wizard import Branding, setup_command
    group.add_command(setup_command(Branding(title="Step 3: Tasks", cloud_name="Example Cloud")))

It needs click, rich and segno. It uses the binding, the package `tcsync`, which does not depend on it. Names that are
missing here may change.
"""

from typing import TYPE_CHECKING, Any

from .branding import DEFAULT_CLOUD_URL, Branding
from .exit_codes import ExitCode
from .setup.outcome import Outcome

if TYPE_CHECKING:
    from .cli import setup_command

__all__ = ["DEFAULT_CLOUD_URL", "Branding", "ExitCode", "Outcome", "setup_command"]


def __getattr__(name: str) -> Any:
    """Loads the commands for those who use them: the agent, which runs all day, does without."""
    if name != "setup_command":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .cli import setup_command

    return setup_command
