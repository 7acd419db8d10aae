"""Numbers and lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def plural(number: int, thing: str) -> str:
    """Such as "1 change" and "2 changes"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def listed(parts: Sequence[str]) -> str:
    """Such as "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
