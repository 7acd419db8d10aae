"""A PostgreSQL cluster for a campaign, durable, whose processes die on request and come again with their data."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from campaign import Missing

import admin
from postgres_fixture import CLUSTER, SKIPPED, TIMEOUT_S, Cluster, Database
from support import wait_until


class Postgres(Cluster):
    """Use as a context: it is gone at its end, and when this process ends."""

    def __init__(self, directory):
        self._directory = directory
        self._databases = []
        done = self._command("start", "--durable", "--revive")
        if done.returncode == SKIPPED or "is not installed" in done.stderr:
            raise Missing(done.stderr.strip())
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        super().__init__(directory)
        self._data = Path(self.run("postgres", "SHOW data_directory"))

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure:  # its tables are evidence
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                for name in self._databases:
                    subprocess.run(["pg_dump", "--dbname", self.url(name), "--file", f"{self._directory}/{name}.sql"],
                                   capture_output=True, timeout=TIMEOUT_S, check=False)  # fmt: skip
        self._command("stop")

    def _command(self, command, *flags):
        return subprocess.run([sys.executable, "-B", CLUSTER, command, *flags, self._directory], capture_output=True,
                              text=True, timeout=TIMEOUT_S, check=False)  # fmt: skip

    def new_database(self, data_dir):
        """With tcsync's tables."""
        database = Database(self, f"campaign_{time.monotonic_ns()}")
        self.run("postgres", f"CREATE DATABASE {database.name}")
        self._databases.append(database.name)
        admin.succeed(data_dir, "storage", "upgrade", **database.variables)
        return database

    def restart_at_once(self):
        """PostgreSQL's immediate mode: no process finishes anything, and the next start recovers."""
        with self._replaced() as postmaster:
            os.kill(postmaster, signal.SIGQUIT)

    def kill(self):
        """All processes, so that none of them can finish anything."""
        with self._replaced() as postmaster:
            os.kill(postmaster, signal.SIGSTOP)  # it makes no more children
            for child in list(children_of(postmaster)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            os.kill(postmaster, signal.SIGKILL)

    def stop_for(self, seconds):
        """All processes, as on a machine that hangs; what they have been sent is done afterwards."""
        postmaster = self._postmaster()
        processes = [postmaster]
        os.kill(postmaster, signal.SIGSTOP)  # it makes no more children
        try:
            for child in list(children_of(postmaster)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGSTOP)
                    processes.append(child)
            time.sleep(seconds)
        finally:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)
        self.wait_until_ready()

    def kill_backend(self):
        """The process of one connection, after which PostgreSQL ends all of them and recovers. Whether there was one."""
        processes = self.run(
            "postgres",
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "
            "ORDER BY state = 'active' DESC, random() LIMIT 1",
        )
        if processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(processes), signal.SIGKILL)
            self.wait_until_ready()
        return bool(processes)

    def wait_until_ready(self):
        wait_until(self._is_ready, TIMEOUT_S, "PostgreSQL accepts statements")

    @contextlib.contextmanager
    def _replaced(self):
        """Until another postmaster accepts statements."""
        postmaster = self._postmaster()
        yield postmaster
        wait_until(lambda: self._postmaster() not in (None, postmaster), TIMEOUT_S, "another postmaster")
        self.wait_until_ready()

    def _postmaster(self):
        """Its process ID; None while there is none, or it has not written it."""
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            return int((self._data / "postmaster.pid").read_text(encoding="ascii").split("\n")[0])
        return None

    def _is_ready(self):
        command = ["psql", "--no-psqlrc", "--quiet", "--dbname", self.url("postgres"), "--command", "SELECT 1"]
        return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False).returncode == 0


def children_of(process_id):
    if Path("/proc/self/stat").exists():
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # The name before it, in parentheses, may hold anything.
                if int(stat.read_text(errors="replace").rpartition(")")[2].split()[1]) == process_id:
                    yield int(stat.parent.name)
    else:
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        yield from (int(child) for child, parent in map(str.split, listed.splitlines()) if int(parent) == process_id)
