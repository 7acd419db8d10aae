#!/usr/bin/env python3
"""Prints the reports of campaigns (DIRECTORY/*.json) as one page in Markdown: what was tried, how often, and each finding.

    report.py DIRECTORY
"""

import json
import sys
from pathlib import Path


def main(directory):
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(directory).glob("*.json"))]
    print("| campaign | seed | seconds | rounds | what was tried | findings |\n| --- | --- | --- | --- | --- | --- |")
    for report in reports:
        counts = ", ".join(f"{what}: {count:,}" for what, count in report["counts"].items())
        print(f"| {report['campaign']} | {report['seed']} | {report['seconds']} | {report['rounds']} | {counts} | "
              f"{len(report['findings'])} |")  # fmt: skip
    for report in reports:
        for finding in report["findings"]:
            print(f"\n**{report['campaign']}, {finding['where']}**: {finding['what']}\n\n    {finding['repeat']}\n\n"
                  f"Kept: {finding['kept'] or 'nothing'}")  # fmt: skip


main(sys.argv[1])
