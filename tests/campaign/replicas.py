#!/usr/bin/env python3
"""Replicas: random schedules of computers on which our replica and TaskChampion's use the same databases in turn, with
undo, syncs at once, kills in the middle of one, and large batches. In the end all have the same tasks, new computers too.
Each round is a schedule; TCSYNC_SCHEDULES_FIRST=SEED and TCSYNC_SCHEDULES=1 repeat it as python.replica.mixed_schedules.

With --python it is another release of TaskChampion: a copy of the build's Python environment in which that release of
taskchampion-py was installed.
"""

import sys
from pathlib import Path

from campaign import REPOSITORY, Missing, run

from server import Server
from taskwarrior import User

sys.path.insert(0, str(REPOSITORY / "tests" / "python" / "replica"))

import schedules

FLAGS = ("--new-clients-per-address-day", "0", "--client-requests-per-second", "0")


def add_arguments(parser):
    parser.add_argument("--python", type=Path, help="has tcsync and taskchampion-py (the one that tests/run.sh makes)")


def main(campaign):
    python = campaign.arguments.python or campaign.build_dir / "python-venv" / "bin" / "python"
    if not python.exists():
        raise Missing(f"there is no {python}; tests/run.sh makes one")
    while campaign.has_time_left():
        seed = campaign.random.randrange(1, 1 << 31)
        with campaign.round(f"schedule {seed}") as directory:
            server = Server(directory / "server.log", directory / "data", *FLAGS)
            try:
                schedules.run(seed, directory, server.url, User(), str(python))
                campaign.count("schedules")
            finally:
                server.kill()


if __name__ == "__main__":
    run(__doc__, main, add_arguments)
