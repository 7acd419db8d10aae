"""tcsync's replica beside TaskChampion's (taskchampion-py) and, if it is given, the real Taskwarrior.
Each syncs with the same server on loopback, in processes of its own, in rounds in which all take
turns. After each step the tasks are compared one by one with those that a replica must have.

Cases: `receive` from an empty directory to the end of a long history; `no news`, which is the next
sync of the same replica; `snapshot`, the same as receive where the server has a snapshot near the
end; `commit`, tasks added one by one; `send`, the sync after that."""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import statistics
import sys
import tempfile
import uuid

import replicas
from compare import ROUNDS_MAX, bounded, spread

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = ["receive", "no news", "snapshot", "commit", "send"]
MEASURES = {"seconds": "time", "cpu_seconds": "processor time"}


class Comparison:
    """Rounds of all cases, with every contender."""

    def __init__(self, contenders, bin_dir, work_dir, sent_tasks, say):
        self._contenders = contenders
        self._judge = replicas.tcsync(bin_dir)
        self._work_dir = work_dir
        self._sent_tasks = sent_tasks
        self._say = say
        # {case: {contender: [{"seconds": ..., "cpu_seconds": ...} of each round]}}
        self.times = {case: {contender.name: [] for contender in contenders} for case in CASES}
        self.checked = {}

    def run(self, about, wanted, rounds):
        user = {name: about[name] for name in ("url", "client_id", "secret")}
        to_send = dict(list(wanted.items())[: self._sent_tasks])
        tasks_file = self._work_dir / "to-send.json"
        tasks_file.write_text(json.dumps(to_send), encoding="utf-8")
        for number in range(rounds):
            shift = number % len(self._contenders)
            for contender in self._contenders[shift:] + self._contenders[:shift]:
                self._receive(contender, user, wanted)
                self._snapshot(contender, {**user, "client_id": about["client_id_with_snapshot"]}, wanted)
                self._send(contender, user, tasks_file, to_send)
            self._say(f"round {number + 1} of {rounds}")

    def _directory(self, contender):
        return replicas.empty_directory(self._work_dir / contender.name)

    def _record(self, case, contender, times, directory, wanted):
        self.checked[case] = replicas.check_tasks(f"{contender.name}, {case}:", directory, wanted)
        self.times[case][contender.name].append(times)

    def _receive(self, contender, user, wanted):
        directory = self._directory(contender)
        for case in ("receive", "no news"):
            self._record(case, contender, contender.receive(directory, user), directory, wanted)

    def _snapshot(self, contender, user, wanted):
        directory = self._directory(contender)
        self._record("snapshot", contender, contender.receive(directory, user), directory, wanted)

    def _send(self, contender, user, tasks_file, to_send):
        directory = self._directory(contender)
        user = {**user, "client_id": str(uuid.uuid4())}
        commit, send = contender.send(directory, user, tasks_file)
        own = replicas.read_tasks(directory)
        # Taskwarrior's import adds properties of its own; but it must add the tasks.
        wanted = own if isinstance(contender, replicas.Taskwarrior) and set(own) == set(to_send) else to_send
        self._record("commit", contender, commit, directory, wanted)
        # What came to the server is what another replica gets.
        received = replicas.empty_directory(self._work_dir / "judge")
        self._judge.receive(received, user)
        self._record("send", contender, send, received, wanted)


def summarize(times, baseline):
    """{case: {contender: {measure: {"median": ..., "to_baseline": [least, median, most]}}}}"""
    summary = {}
    for case, by_contender in times.items():
        summary[case] = {}
        for name, rounds in by_contender.items():
            found = summary[case][name] = {}
            for measure in MEASURES:
                own = [one[measure] for one in rounds]
                found[measure] = {"median": statistics.median(own)}
                if baseline is not None:
                    pairs = zip(own, (one[measure] for one in by_contender[baseline]), strict=True)
                    found[measure]["to_baseline"] = spread([a / b for a, b in pairs])
    return summary


def table(summary, baseline):
    """The summary in Markdown."""
    compared = "" if baseline is None else f"to {baseline} (least to most)"
    lines = [f"| case | replica | s | {compared} | processor s | {compared} |", "| --- | --- | --- | --- | --- | --- |"]
    for case, by_contender in summary.items():
        for name, found in by_contender.items():
            cells = [case, name]
            for measure in MEASURES:
                cells.append(f"{found[measure]['median']:.3f}")
                if baseline is None or name == baseline:
                    cells.append("")
                else:
                    least, middle, most = found[measure]["to_baseline"]
                    cells.append(f"{middle:.3f} ({least:.3f} to {most:.3f})")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def compare(arguments, contenders, baseline, say):
    """The report of all rounds."""
    bin_dir = arguments.build_dir / "bin"
    with tempfile.TemporaryDirectory(prefix="tcsync-replicas-", dir=arguments.data_dir) as directory:
        work_dir = pathlib.Path(directory)
        tasks_file = work_dir / "tasks.json"
        comparison = Comparison(contenders, bin_dir, work_dir, arguments.sent_tasks, say)
        with replicas.server(bin_dir, arguments.versions, arguments.tasks, tasks_file) as about:
            say(f"{about['versions']:,} versions, {about['tasks']:,} tasks, {about['operations']:,} operations")
            wanted = json.loads(tasks_file.read_text(encoding="utf-8"))
            comparison.run(about, wanted, arguments.rounds)
    return {
        "history": {name: about[name] for name in ("versions", "tasks", "operations")},
        "sent_tasks": min(arguments.sent_tasks, len(wanted)),
        "baseline": baseline,
        "load_average": round(os.getloadavg()[0], 2),
        "checked": comparison.checked,
        "rounds": comparison.times,
        "summary": summarize(comparison.times, baseline),
    }


def add_arguments(parser):
    parser.add_argument("--versions", type=bounded(int, 2, 1_000_000), default=10_000, help="default: %(default)s")
    parser.add_argument("--tasks", type=bounded(int, 1, 1_000_000), default=20_000, help="default: %(default)s")
    parser.add_argument(
        "--sent-tasks",
        type=bounded(int, 1, 100_000),
        default=2_000,
        help="for `commit` and `send` (default %(default)s)",
    )
    parser.add_argument("--rounds", type=bounded(int, 1, ROUNDS_MAX), default=5, help="default: %(default)s")
    parser.add_argument(
        "--python",
        metavar="PYTHON",
        help=f"a Python with {replicas.PACKAGE} {replicas.PACKAGE_VERSION} (default: an environment in the build "
        "directory, which is made from PyPI)",
    )
    parser.add_argument("--without-taskchampion", action="store_true", help="leave TaskChampion's replica out")
    parser.add_argument("--task", metavar="COMMAND", help="also the real Taskwarrior, 3.1 or later")
    parser.add_argument(
        "--task-root",
        type=pathlib.Path,
        default=pathlib.Path("/"),
        metavar="DIR",
        help="the directory that is / for COMMAND, as with chroot; the replicas' directories are made below it",
    )
    parser.add_argument(
        "--data-dir", type=pathlib.Path, help="on the disk to be used (default: that of temporary files)"
    )
    parser.add_argument(
        "--build-dir", type=pathlib.Path, default=ROOT / "build", help="with -DTCSYNC_BENCH=ON (default: %(default)s)"
    )


def find_contenders(arguments):
    contenders = [replicas.tcsync(arguments.build_dir / "bin")]
    if not arguments.without_taskchampion:
        python = arguments.python or replicas.make_environment(arguments.build_dir.resolve() / "replicas-venv")
        contenders.append(replicas.taskchampion(python))
    if arguments.task:
        command = shlex.split(arguments.task)
        if shutil.which(command[0]) is None:
            raise replicas.Unavailable(f"--task: there is no command {command[0]}")
        contenders.append(replicas.Taskwarrior(command, arguments.task_root))
        if arguments.data_dir is None and arguments.task_root != pathlib.Path("/"):
            arguments.data_dir = arguments.task_root / "tmp"
    return contenders


def main():
    parser = argparse.ArgumentParser(
        prog="compare-replicas.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="gets every number")
    arguments = parser.parse_args()
    if not (arguments.build_dir / "bin" / "tcsync-bench-replica").exists():
        raise replicas.Unavailable(
            f"{arguments.build_dir}/bin has no tcsync-bench-replica; build with -DTCSYNC_BENCH=ON, or give --build-dir"
        )
    contenders = find_contenders(arguments)
    # The first that is not ours.
    baseline = contenders[1].name if len(contenders) > 1 else None
    report = compare(arguments, contenders, baseline, lambda text: print(text, file=sys.stderr, flush=True))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    print(table(report["summary"], baseline))


if __name__ == "__main__":
    try:
        main()
    except replicas.WrongTasks as error:
        sys.exit(f"compare-replicas.sh: wrong: {error}")
    except (OSError, replicas.Unavailable) as error:
        print(f"compare-replicas.sh: {error}", file=sys.stderr)
        sys.exit(2)
