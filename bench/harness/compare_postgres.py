"""The storage in PostgreSQL beside others, in one new cluster with its default settings. Rounds alternate, so that
other load on the machine affects all alike:

- pgbench, with the least that a compare-and-append can be: an update of the head, whose result the insert takes, in
  one statement with one commit each. It has no HTTP, no check of the parent, no limits and no totals.
- with --reference-server, the reference server's storage in PostgreSQL (bench/reference-server).
- with --population, tcsync with that many other clients in the tables, which is judged beside tcsync without.

tcsync and the reference server are asked through HTTP, by tcsync-load, which checks every answer. The last table has
the cost of a version: the bytes of tables and indexes, and those of PostgreSQL's log (WAL)."""

import argparse
import contextlib
import math
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

import servers
from compare import bounded
from load import WrongAnswer, answers, run_load

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLUSTER_PROGRAM = ROOT / "tests" / "postgres" / "cluster.py"
ROUNDS_MAX = 50
SECONDS_MAX = 60.0
CATCH_UP_CONNECTIONS = 8

HEADS = 10_000
PGBENCH_TABLES = f"""
CREATE TABLE head (client bigint PRIMARY KEY, number bigint NOT NULL);
CREATE TABLE version (client bigint, number bigint, segment bytea NOT NULL, PRIMARY KEY (client, number));
ALTER TABLE version ALTER COLUMN segment SET STORAGE EXTERNAL;
INSERT INTO head SELECT client, 0 FROM generate_series(1, {HEADS}) AS client;
"""
# The segment is a variable, so that its bytes cross the connection as in tcsync's statement.
PGBENCH_SCRIPT = f"""
\\set client random(1, {HEADS})
WITH moved AS (UPDATE head SET number = number + 1 WHERE client = :client RETURNING client, number)
INSERT INTO version SELECT client, number, :segment::text::bytea FROM moved;
"""

# Each with one version, as docs/storage-format.md describes the tables.
POPULATION = """
CREATE TEMPORARY TABLE new_client AS
  SELECT gen_random_uuid() AS client_id, gen_random_uuid() AS random_id FROM generate_series(1, {count});
INSERT INTO tcsync.clients
  SELECT client_id, 1, 1, 1, 1, ('000000000001' || right(random_id::text, 23))::uuid, 1, {segment_bytes}, false,
    NULL, 0, 0, 0, NULL, 0 FROM new_client;
INSERT INTO tcsync.versions
  SELECT client_id, 1, ('000000000001' || right(random_id::text, 23))::uuid, '00000000-0000-0000-0000-000000000000',
    true, 1, {segment_bytes}, convert_to(repeat('x', {segment_bytes}), 'UTF8'), NULL, 0 FROM new_client;
ANALYZE;
"""

# What the reference's storage expects, with its names.
REFERENCE_TABLES = """
CREATE TABLE clients (
  client_id uuid PRIMARY KEY, latest_version_id uuid DEFAULT '00000000-0000-0000-0000-000000000000',
  snapshot_version_id uuid, versions_since_snapshot integer, snapshot_timestamp bigint, snapshot bytea);
CREATE TABLE versions (
  client_id uuid NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE, version_id uuid NOT NULL,
  parent_version_id uuid, history_segment bytea, PRIMARY KEY (client_id, version_id));
CREATE INDEX versions_by_parent ON versions (parent_version_id);
"""


class Cluster:
    """A new cluster that syncs its commits to the disk, for use in a `with`."""

    def __init__(self, directory):
        self._directory = directory

    def __enter__(self):
        subprocess.run([sys.executable, "-B", CLUSTER_PROGRAM, "start", "--durable", self._directory], check=True)
        self._url = (self._directory / "url").read_text(encoding="ascii").strip()
        return self

    def __exit__(self, *_):
        subprocess.run([sys.executable, "-B", CLUSTER_PROGRAM, "stop", self._directory], check=True)

    def make_database(self, name):
        self.query("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database):
        return f"{self._url} dbname={database}"

    def query(self, database, sql):
        done = subprocess.run(
            ["psql", self.url(database), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
             "--set=ON_ERROR_STOP=1", "--file=-"],
            input=sql, stdout=subprocess.PIPE, text=True, check=True)  # fmt: skip
        return done.stdout.strip()


class Pgbench:
    database = "pgbench"

    def __init__(self, cluster, directory, segment_bytes):
        self._url = cluster.make_database(self.database)
        cluster.query(self.database, PGBENCH_TABLES)
        self._script = directory / "append.sql"
        self._script.write_text(PGBENCH_SCRIPT, encoding="ascii")
        self._segment = "x" * segment_bytes
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pgbench"), key=lambda path: int(path.parts[4]))
        self._program = found[-1] if found else shutil.which("pgbench")
        if not self._program:
            raise OSError("there is no pgbench; it comes with PostgreSQL's server")

    def rate(self, _load, connections, seconds):
        """Commits per second, and their count."""
        done = subprocess.run(
            [self._program, "--no-vacuum", "--protocol=prepared", f"--client={connections}", "--jobs=1",
             f"--time={max(1, round(seconds))}", f"--file={self._script}", f"--define=segment={self._segment}",
             self._url],
            capture_output=True, text=True, check=True)  # fmt: skip
        return (
            float(re.search(r"tps = (\S+) \(without initial", done.stdout).group(1)),
            int(re.search(r"actually processed: ([0-9]+)", done.stdout).group(1)),
        )


class HttpServer:
    def __init__(self, database, server, program, segment_bytes, tolerates_faults=False):
        self.database = database
        self.faults = 0
        self._server = server
        self._program = program
        self._options = {"segment_bytes": segment_bytes, "tolerates_faults": tolerates_faults}

    def rate(self, load, connections, seconds):
        """Wanted answers per second, and their count."""
        # What is to be read is written by one connection: the reference server's storage fails with several.
        result = run_load(self._program, self._server.url, load, connections, seconds=seconds, warmup_seconds=0.5,
                          prepare_connections=1, **self._options)  # fmt: skip
        self.faults += result["faults"]
        wanted = answers(result)
        return wanted["per_second"], wanted["count"]


class ReferenceServer:
    """Started anew for each load: once two of its transactions have met, also those of different clients, connections
    of its storage answer nothing but errors. Wrong answers are counted."""

    database = "reference"

    def __init__(self, cluster, program, log, load_program, segment_bytes):
        url = cluster.make_database(self.database)
        cluster.query(self.database, REFERENCE_TABLES)
        self.faults = 0
        self._start = lambda: servers.reference_over_postgres(program, url, log)
        self._load_program = load_program
        self._segment_bytes = segment_bytes

    def rate(self, load, connections, seconds):
        with self._start() as server:
            asked = HttpServer(self.database, server, self._load_program, self._segment_bytes, tolerates_faults=True)
            measured = asked.rate(load, connections, seconds)
            self.faults += asked.faults
            return measured


def start_tcsync(program, url, data_dir, log):
    options = ["--storage", "postgres", "--postgres-url", url]
    subprocess.run([program, "storage", "upgrade", *options], stdout=subprocess.DEVNULL, check=True)
    return servers.tcsync(program, data_dir, log, *options)


def compare(contenders, load, connections, arguments):
    """The rates of each round: [{name: rate}, ...]."""
    rounds = []
    for number in range(arguments.rounds):
        # A later one meets a machine that an earlier one has just used; so they take turns.
        order = list(contenders.items())
        order = order[number % len(order) :] + order[: number % len(order)]
        rounds.append({name: contender.rate(load, connections, arguments.seconds)[0] for name, contender in order})
    return rounds


def print_comparison(contenders, judged, load, connections, arguments):
    """A line for each other contender, with the ratio of the judged one's rate to it."""
    rounds = compare(contenders, load, connections, arguments)
    ours = statistics.median(rates[judged] for rates in rounds)
    for name in contenders:
        if name != judged:
            ratios = [rates[judged] / rates[name] if rates[name] else math.inf for rates in rounds]
            theirs = statistics.median(rates[name] for rates in rounds)
            print(f"{judged:<22} {load + ':' + str(connections):<14} {ours:>7.0f}  {name:<10} {theirs:>7.0f} "
                  f"{min(ratios):>9.2f} {statistics.median(ratios):>7.2f} {max(ratios):>7.2f}", flush=True)  # fmt: skip


def print_cost(cluster, name, contender, connections, arguments):
    def measured():
        return [int(cluster.query(contender.database, f"SELECT {expression}")) for expression in (
            "sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace >= 16384 OR "
            "relkind = 'r' AND relnamespace = 'public'::regnamespace",
            "pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")]  # fmt: skip

    # A checkpoint makes the next change of each page log the whole page; in a long run that is rare.
    contender.rate("add-version", connections, arguments.seconds)
    tables, log = measured()
    _, count = contender.rate("add-version", connections, arguments.seconds)
    new_tables, new_log = measured()
    if count == 0:
        return
    print(f"{name:<22} {connections:>11} {(new_tables - tables) / count:>12.0f} {(new_log - log) / count:>12.0f}",
          flush=True)  # fmt: skip


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="compare-postgres.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=bounded(int, 1, 256), nargs="*", default=[1, 8, 64])
    parser.add_argument("--rounds", type=bounded(int, 1, ROUNDS_MAX), default=5, help="default %(default)s")
    parser.add_argument(
        "--seconds", type=bounded(float, 1, SECONDS_MAX), default=3.0, help="of each round (default %(default)s)"
    )
    parser.add_argument("--segment-bytes", type=bounded(int, 1, 1 << 20), default=1024)
    parser.add_argument("--population", type=bounded(int, 1, 10_000_000), help="other clients in the tables")
    parser.add_argument("--reference-server", type=pathlib.Path, help="the program that bench/reference-server makes")
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--directory", type=pathlib.Path, help="where the cluster is; default: the working directory")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    server_program = arguments.build_dir / "bin" / "tcsync-server"
    load_program = arguments.build_dir / "bin" / "tcsync-load"
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="compare-postgres-", dir=arguments.directory or os.getcwd())
            )
        )
        log = directory / "log"
        cluster = stack.enter_context(Cluster(directory / "cluster"))

        def started_tcsync(database):
            url = cluster.make_database(database)
            server = stack.enter_context(start_tcsync(server_program, url, directory / database, log))
            return HttpServer(database, server, load_program, arguments.segment_bytes)

        tcsync = started_tcsync("tcsync")
        contenders = {
            "tcsync": tcsync,
            "pgbench": Pgbench(cluster, directory, arguments.segment_bytes),
        }
        if arguments.reference_server:
            contenders["reference"] = ReferenceServer(
                cluster, arguments.reference_server, log, load_program, arguments.segment_bytes
            )
        print(
            f"{'judged':<22} {'load':<14} {'/s':>7}  {'beside':<10} {'/s':>7} {'ratio min':>9} {'median':>7} {'max':>7}"
        )
        if "reference" in contenders:
            readers = {name: contenders[name] for name in ("tcsync", "reference")}
            print_comparison(readers, "tcsync", "catch-up", CATCH_UP_CONNECTIONS, arguments)
        for connections in arguments.connections:
            print_comparison(contenders, "tcsync", "add-version", connections, arguments)
        if arguments.population:
            populated = started_tcsync("populated")
            cluster.query(
                populated.database, POPULATION.format(count=arguments.population, segment_bytes=arguments.segment_bytes)
            )
            others = f"with {arguments.population} others"
            pair = {"tcsync": tcsync, others: populated}
            for connections in arguments.connections:
                print_comparison(pair, others, "add-version", connections, arguments)
            print_comparison(pair, others, "catch-up", CATCH_UP_CONNECTIONS, arguments)
            contenders[others] = populated
        print(f"\n{'a version in':<22} {'connections':>11} {'table bytes':>12} {'WAL bytes':>12}")
        for name, contender in contenders.items():
            for connections in arguments.connections:
                print_cost(cluster, name, contender, connections, arguments)
        if "reference" in contenders:
            print(f"\nwrong answers of the reference server in all: {contenders['reference'].faults}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, WrongAnswer, subprocess.CalledProcessError) as error:
        sys.exit(f"compare-postgres.sh: {error}")
