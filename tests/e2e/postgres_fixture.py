"""PostgreSQL for tests of the server: a throw-away cluster for a file of tests, and a database for each test."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import admin
import pytest
import server as server_module
from support import REPOSITORY, run_bounded

CLUSTER = REPOSITORY / "tests" / "postgres" / "cluster.py"
SKIPPED = 77
TIMEOUT_S = 120


class Cluster:
    """The cluster in a directory, whose superuser everybody here is."""

    def __init__(self, directory):
        # As keywords: host=... port=... user=postgres
        self.keywords = dict(part.split("=", 1) for part in (directory / "url").read_text().split())

    def run(self, database, statement):
        """Runs SQL as the superuser; returns the rows, with | between columns."""
        command = ["psql", "--no-psqlrc", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]
        done = run_bounded(
            [*command, "--dbname", self.url(database), "--command", statement], timeout_s=TIMEOUT_S
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def url(self, database, role="postgres"):
        """The connection string for a role, which needs no password."""
        host, port = self.keywords["host"], self.keywords["port"]
        return f"host={host} port={port} user={role} dbname={database}"


@dataclass(frozen=True)
class Database:
    """A database of the cluster, without tables of tcsync."""

    cluster: Cluster
    name: str

    @property
    def url(self):
        return self.cluster.url(self.name)

    @property
    def variables(self):
        """The environment of a server or a command that uses it."""
        return self.variables_of("postgres")

    def variables_of(self, role):
        return {"TCSYNC_STORAGE": "postgres", "TCSYNC_POSTGRES_URL": self.cluster.url(self.name, role)}

    def run(self, statement):
        return self.cluster.run(self.name, statement)


@pytest.fixture(scope="module")
def postgres_cluster(tmp_path_factory):
    directory = Path(tmp_path_factory.mktemp("postgres"))
    command = [sys.executable, "-B", CLUSTER]
    started = subprocess.run([*command, "start", directory], capture_output=True, text=True, timeout=TIMEOUT_S)
    if started.returncode == SKIPPED:
        pytest.skip(started.stderr)
    assert started.returncode == 0, started.stderr
    yield Cluster(directory)
    subprocess.run([*command, "stop", directory], check=True, timeout=TIMEOUT_S)


@pytest.fixture
def new_database(postgres_cluster):
    """Makes a database, without tables of tcsync; all of them are dropped at the end."""
    made = []

    def make():
        name = f"test_{time.monotonic_ns()}"
        postgres_cluster.run("postgres", f"CREATE DATABASE {name}")
        made.append(name)
        return Database(postgres_cluster, name)

    yield make
    for name in made:
        postgres_cluster.run("postgres", f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["rocksdb", "postgres"])
def each_storage(request, monkeypatch):
    """For tests of what is the same on both. With PostgreSQL each data directory has a database of its own."""
    if request.param == "rocksdb":
        return
    new_database, databases = request.getfixturevalue("new_database"), {}

    def storage_variables(data_dir):
        if Path(data_dir) not in databases:
            databases[Path(data_dir)] = new_database()
            admin.succeed(data_dir, "storage", "upgrade")
        return databases[Path(data_dir)].variables

    monkeypatch.setattr(server_module, "storage_variables", storage_variables)
