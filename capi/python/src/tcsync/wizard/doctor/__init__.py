"""The doctor: says what `task sync` will meet, from this computer's `task` to the tasks on the server, and runs it."""

from .examination import Doctor

__all__ = ["Doctor"]
