"""Measures everything on this machine and writes a report: first the machine, then each part by
itself (bench/micro), then whole servers under load. The server is tcsync, and beside it, where they
are given, the reference server and nginx. Everything runs on loopback and ends by itself."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import machine
import plots
import servers
import summary
from load import WrongAnswer, answers, run_load

ROOT = pathlib.Path(__file__).resolve().parents[2]
MICRO_PROGRAMS = ["write-path", "read-path", "crypto", "http"]
MICRO_TIMEOUT_SECONDS = 3600


class Plan:
    """The amount of measurement."""

    seconds = 5.0
    warmup_seconds = 1.0
    sync_count = 1000
    micro_arguments = ["--benchmark_min_time=0.5"]
    connections = [1, 2, 4, 8, 16, 32, 64, 128, 256]
    others = [("add-version-race", 8), ("new-clients", 8), ("catch-up", 8)]
    # As shares of the server's maximum with as many connections.
    offered = [0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0]
    offered_connections = 256
    # A connection for each request. The rates are shares of the server's highest rate with
    # crowd_closed connections at a time. The None is tcsync's default.
    crowd_offered = [0.5, 1.0, 2.0, 4.0]
    crowd_closed = 64
    crowd_connections = 8_000
    crowd_connections_max = [None, 500]
    populations = [1_000, 100_000]
    population_connections = 64
    reference_clients_used = 20_000


class QuickPlan(Plan):
    """Just enough to see that everything works; the numbers mean little."""

    seconds = 0.5
    warmup_seconds = 0.05
    sync_count = 20
    micro_arguments = [
        "--benchmark_min_time=0.001",
        "--benchmark_filter=segment:1024|clients:1000/|chain:10/|bytes:256$|handler",
    ]
    connections = [1, 8]
    others = [("new-clients", 2)]
    offered = [0.25, 1.0]
    offered_connections = 16
    crowd_offered = [0.5, 2.0]
    crowd_closed = 4
    crowd_connections = 64
    crowd_connections_max = [8]
    populations = [20, 200]
    population_connections = 8


def run_micro(bin_dir, plan, output, data_dir):
    """Every program of bench/micro; their numbers by program."""
    found = {}
    for name in MICRO_PROGRAMS:
        out = output / f"micro-{name}.json"
        subprocess.run(
            [
                bin_dir / f"tcsync-bench-{name}",
                f"--benchmark_out={out}",
                "--benchmark_out_format=json",
                *plan.micro_arguments,
            ],
            env={**os.environ, "TCSYNC_BENCH_DIR": str(data_dir)},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=MICRO_TIMEOUT_SECONDS,
        )
        found[name] = json.loads(out.read_text(encoding="utf-8"))["benchmarks"]
        for benchmark in found[name]:
            if benchmark.get("error_occurred"):
                raise WrongAnswer(f"{name}: {benchmark['name']}: {benchmark['error_message']}")
    return found


class Measurement:
    """The loads of one plan on one server."""

    def __init__(self, program, plan, say):
        self._program = program
        self._plan = plan
        self._say = say

    def load(self, server, load, connections, **options):
        options = {"seconds": self._plan.seconds, "warmup_seconds": self._plan.warmup_seconds, **options}
        result = run_load(self._program, server.url, load, connections, **options)
        wanted = answers(result)
        self._say(f"  {server.name} {load}:{connections} {wanted['per_second']:.0f}/s, p99 {wanted['p99_ms']:.3f} ms")
        return result

    def closed(self, server):
        """Throughput against connections, and the other loads."""
        plan = self._plan
        results = [
            self.load(server, load, connections)
            for load in ("add-version", "get-child-404")
            for connections in plan.connections
        ]
        return results + [self.load(server, load, connections) for load, connections in plan.others]

    def offered(self, server):
        """Latency against offered load: an open loop, up to more than the server's maximum."""
        plan = self._plan
        most = answers(self.load(server, "add-version", plan.offered_connections))["per_second"]
        return [
            self.load(server, "add-version", plan.offered_connections, rate=round(most * part, 1))
            for part in plan.offered
        ]

    def crowd(self, server):
        """More users than the server can serve, each with a connection of its own."""
        plan = self._plan
        most = answers(self.load(server, "add-version", plan.crowd_closed, connection_per_request=True))["per_second"]
        return [
            self.load(
                server, "add-version", plan.crowd_connections, connection_per_request=True, rate=round(most * part, 1)
            )
            for part in plan.crowd_offered
        ]

    def populations(self, server, clients_used_max=None):
        """Throughput against the number of clients in the directory, which grows."""
        plan = self._plan
        levels = []
        for population in plan.populations:
            options = {"population": population}
            if clients_used_max is not None:
                options["clients"] = max(plan.population_connections, min(population, clients_used_max))
            busy = plan.population_connections
            filled = self.load(server, "populate", busy, population=population)
            levels.append(
                {
                    "population": population,
                    "filled": filled,
                    "loads": [
                        self.load(server, "add-version", busy, prepare_connections=busy, **options),
                        self.load(server, "get-child-404", 8, prepare_connections=8, **options),
                        self.load(server, "new-clients", 8),
                        self.load(server, "catch-up", 8),
                    ],
                }
            )
        return levels


def measure_server(make, measurement, data_dir, clients_used_max=None):
    """Everything on one server; each theme begins with an empty directory."""
    found = {}
    for theme in ("closed", "offered", "populations"):
        directory = data_dir / theme
        with make(directory) as server:
            memory = {"idle_mib": server.memory_mib()["resident_mib"]}
            if theme == "populations":
                found[theme] = measurement.populations(server, clients_used_max)
            else:
                found[theme] = getattr(measurement, theme)(server)
            memory.update(server.memory_mib())
            found[theme + "_memory"] = memory
        if theme == "populations":
            with make(directory) as server:
                found["start_seconds_with_clients"] = round(server.start_seconds, 3)
        shutil.rmtree(directory)
    return found


def parse_arguments():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=ROOT / "build" / ("bench-" + time.strftime("%Y%m%d-%H%M%S")),
        help="the report's directory, which must not exist yet (default: %(default)s)",
    )
    parser.add_argument(
        "--data-dir",
        type=pathlib.Path,
        help="where the servers write, on the disk that is to be measured (default: the report's directory)",
    )
    parser.add_argument(
        "--build-dir",
        type=pathlib.Path,
        default=ROOT / "build",
        help="built with -DTCSYNC_BENCH=ON (default: %(default)s)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="a little of everything, in seconds; the numbers mean little"
    )
    parser.add_argument("--million", action="store_true", help="also with 1,000,000 clients")
    parser.add_argument(
        "--reference-server",
        type=pathlib.Path,
        metavar="PROGRAM",
        help="the program that bench/reference-server/build.sh makes",
    )
    parser.add_argument("--nginx", action="store_true", help="also nginx with a fixed 404 (Debian: nginx-light)")
    parser.add_argument("--skip-micro", action="store_true", help="whole servers only")
    return parser.parse_args()


def measure(arguments, plan, report, say):
    output, bin_dir = arguments.output, arguments.build_dir / "bin"
    data_dir = (arguments.data_dir or output) / "tcsync-bench-data"
    data_dir.mkdir(parents=True)
    try:
        report["machine"] = machine.describe(data_dir, plan.sync_count)
        if not arguments.skip_micro:
            say("each part by itself")
            report["micro"] = run_micro(bin_dir, plan, output, data_dir)
        measurement = Measurement(bin_dir / "tcsync-load", plan, say)
        log = output / "servers.log"
        say("whole servers")
        report["servers"]["tcsync"] = measure_server(
            lambda directory: servers.tcsync(bin_dir / "tcsync-server", directory, log), measurement, data_dir
        )
        if arguments.reference_server is not None:
            report["servers"]["reference"] = measure_server(
                lambda directory: servers.reference(arguments.reference_server, directory, log),
                measurement,
                data_dir,
                plan.reference_clients_used,
            )
        report["crowd"] = []
        for connections_max in plan.crowd_connections_max:
            options = [] if connections_max is None else ["--connections-max", connections_max]
            with servers.tcsync(bin_dir / "tcsync-server", data_dir / "crowd", log, *options) as server:
                report["crowd"].append({"connections_max": connections_max, "loads": measurement.crowd(server)})
            shutil.rmtree(data_dir / "crowd")
        if arguments.nginx:
            with servers.nginx(output / "nginx", log) as server:
                report["nginx"] = [
                    measurement.load(server, "get-child-unknown", connections) for connections in plan.connections
                ]
        report["machine"]["load_average_after"] = round(os.getloadavg()[0], 2)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def main():
    arguments = parse_arguments()
    if arguments.nginx and servers.find_nginx() is None:
        sys.exit("run.sh: --nginx needs nginx; on Debian: apt-get install nginx-light")
    missing = [
        program for program in ["tcsync-server", "tcsync-load"] if not (arguments.build_dir / "bin" / program).exists()
    ]
    if missing:
        sys.exit(
            f"run.sh: {arguments.build_dir}/bin has no {', '.join(missing)}; build with "
            "-DTCSYNC_BENCH=ON, or give --build-dir"
        )
    plan = QuickPlan() if arguments.quick else Plan()
    if arguments.million:
        plan.populations = [*plan.populations, 1_000_000]
    with contextlib.suppress(FileNotFoundError):
        if any(arguments.output.iterdir()):
            sys.exit(f"run.sh: {arguments.output} is not empty; choose another --output")
    arguments.output.mkdir(parents=True, exist_ok=True)
    # Programs may run in directories of their own.
    arguments.output = arguments.output.resolve()

    report = {"quick": arguments.quick, "seconds": plan.seconds, "servers": {}}
    measure(arguments, plan, report, lambda text: print(text, file=sys.stderr, flush=True))
    (arguments.output / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    plots.draw(report, arguments.output)
    (arguments.output / "summary.md").write_text(summary.write(report), encoding="utf-8")
    print(arguments.output)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WrongAnswer as error:
        sys.exit(f"run.sh: wrong: {error}")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        sys.exit(f"run.sh: {error}")
