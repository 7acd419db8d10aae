"""Runs tcsync-load and reads its report."""

import json
import pathlib
import subprocess

# The answers that a load is meant to get; the others (conflicts of a race, the 404 at the end of a
# chain, refusals) are counted beside them.
WANTED = {
    "add-version": "added",
    "add-version-race": "added",
    "new-clients": "added",
    "get-child-404": "up_to_date",
    "get-child-unknown": "up_to_date",
    "catch-up": "segment",
    "populate": "added",
}

# Longer than tcsync-load's own bounds: ten minutes to populate, and the checks.
TIMEOUT_SECONDS = 1500

DEFAULT_PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "build" / "bin" / "tcsync-load"


class WrongAnswer(Exception):
    """The server gave a wrong answer, or none."""


def run_load(program, url, load, connections, tolerates_faults=False, **options):
    """One run. `options` are the program's flags, with underscores: seconds=1, population=1000, and
    True for one that has no value. `tolerates_faults`: wrong answers are only counted."""
    command = [str(program), "--url", url, "--load", load, "--connections", str(connections), "--json"]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), *([] if value is True else [str(value)])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    if done.returncode == 2 or not done.stdout:
        raise ValueError(f"{' '.join(command)}: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    if done.returncode != 0 and not tolerates_faults:
        raise WrongAnswer(
            f"{load} with {connections} connections on {url}: {result['faults']} faults: "
            + "; ".join(result["first_faults"])
        )
    return result


def answers(result, kind=None):
    """The numbers of one kind of answer, by default of the wanted one; zeros when none came."""
    none = {"count": 0, "per_second": 0.0, "p50_ms": 0.0, "p99_ms": 0.0, "p999_ms": 0.0, "max_ms": 0.0}
    return result["answers"].get(kind or WANTED[result["load"]], none)
