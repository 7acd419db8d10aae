"""The wizard: the program `tcsync`, which sets up Taskwarrior's sync, and its parts for other programs.

    from tcsync.wizard import Branding, setup_command
    group.add_command(setup_command(Branding(title="Step 3: Tasks", cloud_name="Example Cloud")))

It needs click, rich and segno. It uses the binding, the package `tcsync`, which does not depend on it. Names that are
missing here may change.
"""

from .branding import DEFAULT_CLOUD_URL, Branding
from .cli import setup_command
from .exit_codes import ExitCode
from .setup.outcome import Outcome

__all__ = ["DEFAULT_CLOUD_URL", "Branding", "ExitCode", "Outcome", "setup_command"]
