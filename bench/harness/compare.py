"""Two running servers side by side: the same loads, in short rounds that alternate, so that other
load on the machine affects both alike. Prints ratios; exit status 1 on any wrong answer."""

import argparse
import statistics
import sys

from load import DEFAULT_PROGRAM, WANTED, WrongAnswer, answers, run_load

DEFAULT_LOADS = [
    "add-version:1",
    "add-version:8",
    "add-version:64",
    "add-version-race:8",
    "new-clients:8",
    "get-child-404:8",
    "get-child-404:64",
    "get-child-404:256",
    "catch-up:8",
]
ROUNDS_MAX = 50
SECONDS_MAX = 30.0


def parse_load(text):
    name, _, connections = text.partition(":")
    if name not in WANTED or name == "populate" or not (connections or "8").isdigit():
        names = ", ".join(sorted(set(WANTED) - {"populate"}))
        raise argparse.ArgumentTypeError(f"'{text}' is not LOAD or LOAD:CONNECTIONS, where LOAD is one of {names}")
    return name, int(connections or "8")


def bounded(kind, least, most):
    def parse(text):
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"'{text}' is not from {least} to {most}")
        return value

    return parse


def spread(values):
    return min(values), statistics.median(values), max(values)


def compare(program, urls, load, connections, rounds, options):
    """The wanted answers of each round for both: [(A, B), ...]."""
    pairs = []
    for number in range(rounds):
        # The second one meets a machine that the first has just used; so they take turns.
        order = (0, 1) if number % 2 == 0 else (1, 0)
        found = {}
        for side in order:
            found[side] = answers(run_load(program, urls[side], load, connections, **options))
            if found[side]["count"] == 0:
                raise WrongAnswer(f"{load} with {connections} connections on {urls[side]}: nothing but refusals")
        pairs.append((found[0], found[1]))
    return pairs


def main():
    parser = argparse.ArgumentParser(prog="compare.sh", description=__doc__)
    parser.add_argument("url_a", metavar="URL_A", help="the server that is judged")
    parser.add_argument("url_b", metavar="URL_B", help="the one that it is compared with")
    parser.add_argument(
        "loads", metavar="LOAD[:CONNECTIONS]", nargs="*", type=parse_load, help="default: " + " ".join(DEFAULT_LOADS)
    )
    parser.add_argument(
        "--rounds", type=bounded(int, 1, ROUNDS_MAX), default=5, help="for each load and server (default %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=bounded(float, 0.1, SECONDS_MAX), default=2.0, help="of each round (default %(default)s)"
    )
    parser.add_argument("--segment-bytes", type=bounded(int, 1, 64 << 20), default=1024)
    parser.add_argument("--load-program", default=DEFAULT_PROGRAM, help="default: %(default)s")
    arguments = parser.parse_args()

    options = {
        "seconds": arguments.seconds,
        "warmup_seconds": min(0.5, arguments.seconds / 2),
        "segment_bytes": arguments.segment_bytes,
    }
    print(
        f"A {arguments.url_a}\nB {arguments.url_b}\n{arguments.rounds} rounds of "
        f"{arguments.seconds:g} s each; rate A/B above 1 and p99 A/B below 1: A is better\n"
    )
    print(
        f"{'load':<20} {'A /s':>9} {'B /s':>9} {'rate A/B min':>12} {'median':>8} {'max':>8} "
        f"{'A p99 ms':>9} {'B p99 ms':>9} {'p99 A/B':>8}"
    )
    wrong = 0
    for load, connections in arguments.loads or [parse_load(text) for text in DEFAULT_LOADS]:
        try:
            pairs = compare(
                arguments.load_program, (arguments.url_a, arguments.url_b), load, connections, arguments.rounds, options
            )
        except WrongAnswer as error:
            print(f"{load}:{connections}: wrong: {error}", flush=True)
            wrong += 1
            continue
        low, middle, high = spread([a["per_second"] / b["per_second"] for a, b in pairs])
        rates = [statistics.median(pair[side]["per_second"] for pair in pairs) for side in (0, 1)]
        p99s = [statistics.median(pair[side]["p99_ms"] for pair in pairs) for side in (0, 1)]
        p99_ratio = statistics.median(a["p99_ms"] / b["p99_ms"] for a, b in pairs)
        print(
            f"{load + ':' + str(connections):<20} {rates[0]:>9.0f} {rates[1]:>9.0f} {low:>12.2f} "
            f"{middle:>8.2f} {high:>8.2f} {p99s[0]:>9.3f} {p99s[1]:>9.3f} {p99_ratio:>8.3f}",
            flush=True,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError) as error:
        sys.exit(f"compare.sh: {error}")
