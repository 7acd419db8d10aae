"""Shared by the campaigns: arguments, the clock, counts of trials, findings, and the report.

A campaign is a program that tries something in rounds for as long as it is given:

    NAME.py [--seconds N] [--seed S] [--build-dir DIR] [--report FILE] [--keep DIR]

Exit status: 0, 1 when a promise was broken, 77 when something is missing that the campaign needs. The report is JSON:
the trials and their counts, the seed, and each finding with the line that repeats it. Failed rounds are kept.
Until the campaign ends the report says that it has not, so that one that is killed does not look like one that found
nothing.

    def main(campaign):
        while campaign.has_time_left():
            with campaign.round() as directory:
                ...
                campaign.count("kills")

    run(__doc__, main)
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MISSING = 77  # ctest and automake call it "skipped"

FINDINGS_MAX = 10  # more of them say nothing new, and fill the disk with kept rounds

_parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
_parser.add_argument("--build-dir", type=Path, help="where tcsync is built (TCSYNC_BUILD_DIR, or build)",
                     default=os.environ.get("TCSYNC_BUILD_DIR") or REPOSITORY / "build")  # fmt: skip

# The helpers of tests/e2e, which a campaign imports after this module, look for the build when they are imported.
os.environ["TCSYNC_BUILD_DIR"] = str(Path(_parser.parse_known_args()[0].build_dir).resolve())
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))


class Missing(Exception):
    """Something that the campaign needs is not on this machine."""


class Campaign:
    """One run. `random` is the source of all that is chosen, so that a seed repeats a run as far as time allows."""

    def __init__(self, arguments):
        self.name = Path(sys.argv[0]).stem
        self._command = f"tests/campaign/{self.name}.py"
        # Of those that run on several storages (storages.py).
        storage = getattr(arguments, "storage", "rocksdb")
        if storage != "rocksdb":
            self.name += f"-{storage}"
            self._command += f" --storage {storage}"
        self.seconds = arguments.seconds
        self.seed = arguments.seed
        self.build_dir = arguments.build_dir
        self.arguments = arguments
        self.random = random.Random(arguments.seed)
        self.counts = Counter()
        self.findings = []
        self.figures = {}  # anything else that the report is to have
        self.rounds = 0
        self._report = arguments.report
        self._keep = arguments.keep
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def count(self, name, by=1):
        """From any thread."""
        with self._lock:
            self.counts[name] += by

    def elapsed(self):
        return time.monotonic() - self._began

    def has_time_left(self):
        """Whether there is time for another round; the first one is always made."""
        return self.rounds == 0 or (self.elapsed() < self.seconds and len(self.findings) < FINDINGS_MAX)

    @contextlib.contextmanager
    def round(self, name=None):
        """A directory for one round, which is kept when the round ends in a failure; that is then a finding."""
        directory = Path(tempfile.mkdtemp(prefix=f"tcsync-{self.name}-"))
        self.rounds += 1
        try:
            yield directory
        except Missing:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        except Exception as failure:  # each is a finding
            self.finding(name or f"round {self.rounds}", failure, directory)
        else:
            shutil.rmtree(directory, ignore_errors=True)

    def finding(self, where, failure, directory=None):
        kept = None
        if directory is not None and directory.exists():
            self._keep.mkdir(parents=True, exist_ok=True)
            kept = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=self._keep)) / "directory"
            # Sockets are no evidence, and cannot be moved to another file system.
            for path in [path for path in directory.rglob("*") if path.is_socket()]:
                path.unlink()
            shutil.move(directory, kept)
        self.findings.append(
            {
                "where": where,
                "what": str(failure) or repr(failure),
                "repeat": f"{self._command} --seed {self.seed} --seconds {int(self.elapsed()) + 1}",
                "kept": kept and str(kept),
            }
        )
        print(f"FINDING in {where}: {failure}", file=sys.stderr)
        if isinstance(failure, Exception):
            traceback.print_exception(failure)
        self.report("not ended")

    def report(self, state):
        """Writes the report; returns its text. `state`: "ended", "not ended", or "skipped: " and why."""
        report = {
            "campaign": self.name,
            "state": state,
            "seed": self.seed,
            "seconds": round(self.elapsed(), 1),
            "rounds": self.rounds,
            "counts": dict(sorted(self.counts.items())),
            "figures": self.figures,
            "findings": self.findings,
        }
        text = json.dumps(report, indent=2) + "\n"
        if self._report:
            self._report.write_text(text, encoding="utf-8")
        return text

    def finish(self):
        print(self.report("ended"), end="")
        return 1 if self.findings else 0


class Deck:
    """Chooses at random, and each once before any of them twice, so that a short run tries each of them, too."""

    def __init__(self, source, *cards):
        self._random = source
        self._cards = cards
        self._left = []

    def draw(self):
        if not self._left:
            self._left = self._random.sample(self._cards, len(self._cards))
        return self._left.pop()


def run(description, main, add_arguments=None):
    """Parses the command line, runs `main` with a Campaign, and ends the process."""
    parser = argparse.ArgumentParser(description=description, parents=[_parser], allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--seconds", type=float, default=60, help="begin no further round after that (60)")
    parser.add_argument("--seed", type=int, default=1, help="of all random choices (1)")
    parser.add_argument("--report", type=Path, help="write the report here as well")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "tcsync-findings",
                        help="keep failed rounds here")  # fmt: skip
    if add_arguments:
        add_arguments(parser)
    arguments = parser.parse_args()
    arguments.build_dir = arguments.build_dir.resolve()
    campaign = Campaign(arguments)
    campaign.report("not ended")
    try:
        main(campaign)
    except Missing as missing:
        campaign.report(f"skipped: {missing}")
        print(f"{campaign.name}: {missing}", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") == "true" else MISSING)
    except Exception as failure:  # a campaign that breaks must not look like one that found nothing
        campaign.finding("the campaign itself", failure)
    sys.exit(campaign.finish())
