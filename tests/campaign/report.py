#!/usr/bin/env python3
"""Prints the reports of campaigns (DIRECTORY/NAME.json) as one page in Markdown: the kinds of trials, their
counts, and each finding; also which campaigns were skipped, and which did not end.

    report.py DIRECTORY NAME...
"""

import json
import sys
from pathlib import Path


def read(directory, name):
    try:
        return json.loads((Path(directory) / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # It did not even start, or the disk is full.
        unknown = dict.fromkeys(("seed", "seconds", "rounds"), "")
        return {"campaign": name, "state": "not ended", **unknown, "counts": {}, "findings": []}


def tell(report):
    """The trials with their counts, or the reason why there were none."""
    counts = ", ".join(f"{name}: {count:,}" for name, count in report["counts"].items())
    if report["state"] == "ended":
        return counts
    return f"{report['state']}{', ' if counts else ''}{counts}"


def main(directory, *names):
    reports = [read(directory, name) for name in names]
    print("| campaign | seed | seconds | rounds | trials | findings |\n| --- | --- | --- | --- | --- | --- |")
    for report in reports:
        print(f"| {report['campaign']} | {report['seed']} | {report['seconds']} | {report['rounds']} | {tell(report)} | "
              f"{len(report['findings'])} |")  # fmt: skip
    for report in reports:
        for finding in report["findings"]:
            print(f"\n**{report['campaign']}, {finding['where']}**: {finding['what']}\n\n    {finding['repeat']}\n\n"
                  f"Kept: {finding['kept'] or 'nothing'}")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
