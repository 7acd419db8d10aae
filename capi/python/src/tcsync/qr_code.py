"""QR codes for terminals. They need the package segno."""

from __future__ import annotations


def qr_modules(text: str, *, border: int) -> list[list[bool]]:
    """A text as a QR code, by rows: True is a dark module. `border` is the quiet zone in modules. Error correction is
    the lowest, since a screen has no scratches."""
    import segno  # Only here, so that the binding needs no package.

    made = segno.make_qr(text, error="l", boost_error=False)
    return [[bool(module) for module in row] for row in made.matrix_iter(border=border)]


def draw_qr(rows: list[list[bool]]) -> str:
    """Modules as half-block characters, light on dark: lines that end with a newline."""
    halves = {(True, True): " ", (True, False): "\N{LOWER HALF BLOCK}", (False, True): "\N{UPPER HALF BLOCK}"}
    lines = []
    for upper, lower in row_pairs(rows):
        lines.append("".join(halves.get(pair, "\N{FULL BLOCK}") for pair in zip(upper, lower, strict=True)))
    return "".join(f"{line}\n" for line in lines)


def row_pairs(rows: list[list[bool]]) -> list[tuple[list[bool], list[bool]]]:
    """Rows of modules in pairs, as lines of half blocks have them; below an odd last row there is a dark one, which is
    the colour of a terminal without text."""
    even = rows if len(rows) % 2 == 0 else [*rows, [True] * len(rows[0])]
    return list(zip(even[::2], even[1::2], strict=True))
