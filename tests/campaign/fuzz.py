#!/usr/bin/env python3
"""Fuzzes: gives each fuzz target (tests/fuzz) inputs that clang's libFuzzer invents, one target after the other.

The time is shared out among the targets. --build-dir names a build with TCSYNC_FUZZ:

    cmake --preset fuzz && cmake --build --preset fuzz
    tests/campaign/fuzz.py --build-dir build-fuzz --seconds 3600

Inputs that lead further are added to --corpus, which is then tried first the next time. An input that breaks a promise,
or a rule of the sanitizers, is kept; put it into tests/fuzz/corpus, where every build replays it.
"""

import re
import resource
import subprocess
import tempfile
from pathlib import Path

from campaign import REPOSITORY, Missing, run

FUZZ = REPOSITORY / "tests" / "fuzz"
INPUT_BYTES_MAX = 8192
INPUT_SECONDS_MAX = 60  # of a busy machine
MEMORY_MIB_MAX = 1024
# Beside the time that it is given: for the corpus, and for the last input. One that takes longer hangs.
END_TIMEOUT_S = 900


def add_arguments(parser):
    parser.add_argument("--corpus", type=Path, help="inputs found before, a directory for each target")
    parser.add_argument("targets", nargs="*", help="these alone")


def target_of(program):
    return program.name.removeprefix("tcsync_fuzz_")


def processor_seconds_of_children():
    """Of those that have ended. On a busy machine a fuzzer has far less of a processor than of the clock."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fuzz(campaign, program, seconds, corpus):
    target = target_of(program)
    campaign.rounds += 1
    found = corpus / target
    artifacts = campaign.arguments.keep / f"fuzz-{target}"
    for directory in (found, artifacts):
        directory.mkdir(parents=True, exist_ok=True)
    before = set(artifacts.iterdir())
    processor_seconds_before = processor_seconds_of_children()
    command = [
        program, found, FUZZ / "corpus" / target, f"-max_total_time={int(seconds)}", f"-seed={campaign.seed}",
        f"-max_len={INPUT_BYTES_MAX}", f"-timeout={INPUT_SECONDS_MAX}", f"-rss_limit_mb={MEMORY_MIB_MAX}",
        f"-artifact_prefix={artifacts}/", "-print_final_stats=1",
        f"-report_slow_units={INPUT_SECONDS_MAX}",
    ]  # fmt: skip
    words = FUZZ / f"{target}.dict"
    if words.exists():
        command.append(f"-dict={words}")
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, check=False, text=True,
                              errors="replace", timeout=seconds + END_TIMEOUT_S)  # fmt: skip
    except subprocess.TimeoutExpired as timed_out:
        output = timed_out.stderr or b""  # bytes, even with `text`
        end = output[-1000:].decode(errors="replace") if isinstance(output, bytes) else output[-1000:]
        campaign.finding(target, f"it did not end within {END_TIMEOUT_S} s after its time: {end}")
        return
    executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    coverage = re.findall(r"\bcov: (\d+)", done.stderr)
    campaign.count(f"{target} inputs", int(executed[1]) if executed else 0)
    campaign.figures[target] = {
        "coverage": int(coverage[-1]) if coverage else 0,
        "seconds": int(seconds),
        "processor_seconds": round(processor_seconds_of_children() - processor_seconds_before),
    }
    for artifact in sorted(set(artifacts.iterdir()) - before):
        promise = re.findall(r"^(?:broken promise: .*|.*ERROR: .*|.*runtime error: .*)$", done.stderr, re.MULTILINE)
        campaign.finding(target, f"{artifact}: {promise[0] if promise else done.stderr[-500:]}")
    if done.returncode != 0 and set(artifacts.iterdir()) == before:
        campaign.finding(target, f"ended with status {done.returncode}: {done.stderr[-1000:]}")


def main(campaign):
    wanted = campaign.arguments.targets or sorted(path.name for path in (FUZZ / "corpus").iterdir())
    built = {target_of(path): path for path in (campaign.build_dir / "bin").glob("tcsync_fuzz_*") if path.is_file()}
    if missing := [target for target in wanted if target not in built]:
        raise Missing(f"no fuzz target {', '.join(missing)} in {campaign.build_dir}/bin: build with the preset 'fuzz'")
    programs = [built[target] for target in wanted]
    is_fuzzer = subprocess.run([str(programs[0]), "-help=1"], capture_output=True, check=False, text=True)
    if "libFuzzer" not in is_fuzzer.stdout + is_fuzzer.stderr:
        raise Missing(
            f"{programs[0]} only replays its corpus: build with the preset 'fuzz', and name it in --build-dir"
        )
    with tempfile.TemporaryDirectory(prefix="tcsync-corpus-") as fresh:
        for program in programs:
            fuzz(campaign, program, max(1, campaign.seconds / len(programs)), campaign.arguments.corpus or Path(fresh))


if __name__ == "__main__":
    run(__doc__, main, add_arguments)
