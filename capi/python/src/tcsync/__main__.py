"""`python -m tcsync`: the commands, where the program `tcsync` is not on the PATH."""

from .wizard.cli import main

main(prog_name="tcsync")
