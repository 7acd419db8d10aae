#!/usr/bin/env python3
"""Checks the links in Markdown pages that lead into this tree: the file is there, and so is the heading that an anchor
names. Links to other hosts are left alone, because a check must not depend on the network.

    markdown_links.py FILE...       prints FILE:LINE: and the fault; exits with 1 if anything is

A link is [text](target), also of an image, or a definition [name]: target; code blocks and code spans have none.
Anchors are made from headings as GitHub and GitLab make them; the second of one name gets -1, the next one -2.
"""

import functools
import re
import sys
from pathlib import Path

# No target in angle brackets, and no parentheses within one: the tree has neither.
LINK = re.compile(r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]\(\s*([^)\s]+)[^)]*\)", re.DOTALL)
DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
BLOCK = r"^ *(?P<fence>```+|~~~+).*?^ *(?P=fence)[^\n]*$"
CODE_BLOCK = re.compile(BLOCK, re.DOTALL | re.MULTILINE)
CODE = re.compile(BLOCK + r"|(?P<tick>`+)[^`].*?(?P=tick)", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
EXPLICIT_ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
OTHER_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


def blank(match):
    """As many lines as the code had, so that lines keep their numbers."""
    return "\n" * match[0].count("\n")


@functools.cache
def anchors(page):
    """The names that links into a page may use."""
    text = CODE_BLOCK.sub(blank, page.read_text(encoding="utf-8"))
    names = set(EXPLICIT_ANCHOR.findall(text))
    for heading in HEADING.findall(text):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = 0
        while (numbered := f"{name}-{number}" if number else name) in names:
            number += 1
        names.add(numbered)
    return names


def faults(page):
    """(line, sentence) of each link that leads nowhere."""
    text = CODE.sub(blank, page.read_text(encoding="utf-8"))
    for match in sorted([*LINK.finditer(text), *DEFINITION.finditer(text)], key=lambda match: match.start()):
        target = match[1]
        if OTHER_HOST.match(target):
            continue
        line = text.count("\n", 0, match.start(1)) + 1
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        if not linked.exists():
            yield line, f"{target} leads to a file that is not there"
        elif anchor and (linked.suffix != ".md" or anchor not in anchors(linked.resolve())):
            yield line, f"{target}: {linked.name} has no heading with this anchor"


def main(names):
    broken = 0
    for page in map(Path, names):
        for line, sentence in faults(page):
            print(f"{page}:{line}: {sentence}")
            broken += 1
    return 1 if broken else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
