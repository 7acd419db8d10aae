"""The group of commands, with its help in sections."""

from __future__ import annotations

import click

#: The sections of `tcsync --help`, in their order; every command is in one.
SECTIONS: dict[str, tuple[str, ...]] = {
    "Set up a computer": ("setup", "doctor"),
    "Every day": ("auto", "status", "add", "export"),
    "Credentials": ("show", "pair", "rotate", "move"),
    "Leave": ("off",),
    "This program": ("completion",),
}


class SectionedGroup(click.Group):
    """Shows the commands by section, each with the whole first sentence of its help."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for section, names in self.sections().items():
            with formatter.section(section):
                formatter.write_dl([(name, first_sentence(self.commands[name])) for name in names])

    def sections(self) -> dict[str, list[str]]:
        """The commands that this group has, by section; a host program's own ones come last."""
        sections = {heading: [name for name in names if name in self.commands] for heading, names in SECTIONS.items()}
        known = {name for names in sections.values() for name in names}
        sections["Other commands"] = [name for name in self.commands if name not in known]
        return {heading: names for heading, names in sections.items() if names}


def first_sentence(command: click.Command) -> str:
    """The first sentence of a command's help, never cut."""
    return command.get_short_help_str(limit=1000)
