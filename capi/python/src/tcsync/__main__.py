"""`python -m tcsync`: the commands, where the program `tcsync` is not on the PATH."""

from .cli import main

main(prog_name="tcsync")
