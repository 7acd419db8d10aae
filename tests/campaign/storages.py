"""The storages that a campaign can run on (--storage): the servers over one, and the ways in which they die.

run(__doc__, main, storages.add_argument)

with storages.open_storage(campaign, directory, FLAGS) as storage:
    storage.servers         all of one storage; each is a Server
    storage.variables       the environment of a command beside them
    storage.crash()         something dies; whether all answers are lost is open
    storage.start()         all servers run again, and answer
"""

import contextlib
import subprocess
import time

from campaign import Deck

import admin
import server as server_module
import wire
from model import Broken
from postgres import Postgres
from server import Server
from support import wait_until

READY_TIMEOUT_S = 60
BAN_TIMEOUT_S = 30
SERVER_NAMES = ("first", "second")  # over PostgreSQL
HANG_S = 6  # longer than a request waits for the database


def add_argument(parser):
    parser.add_argument("--storage", choices=["rocksdb", "postgres"], default="rocksdb", help="(rocksdb)")


@contextlib.contextmanager
def open_storage(campaign, directory, flags):
    with contextlib.ExitStack() as stack:
        if campaign.arguments.storage == "rocksdb":
            storage = RocksdbStorage(campaign, directory, flags)
        else:
            postgres = stack.enter_context(Postgres(directory / "postgres"))
            storage = PostgresStorage(campaign, directory, flags, postgres)
        stack.callback(storage.close)
        yield storage


class _Storage:
    def __init__(self, campaign, directory, flags):
        self.campaign = campaign
        self._directory = directory
        self._flags = flags
        self.servers = []

    def close(self):
        for server in self.servers:
            server.kill()

    def start(self):
        for server in self.servers:
            if server.pid_or_none() is None:
                server.start()
                self.campaign.count("starts after a kill")

    def kill_during_start(self):
        """Begins to start, and kills that; acknowledged data must survive it as well."""
        process = subprocess.Popen(
            admin.command_line(self.starting_data_dir(), "--listen", "127.0.0.1:0", *self._flags),
            env=server_module.environment(**self.variables),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(self.campaign.random.uniform(0, 0.15))
        process.kill()
        process.wait()
        self.campaign.count("kills during a start")

    def end(self, server):
        """Nearly always as in a crash."""
        if self.campaign.random.random() < 0.85:
            server.kill()
            self.campaign.count("kills")
        else:
            server.stop()
            self.campaign.count("stops")


class RocksdbStorage(_Storage):
    """One server over a data directory."""

    variables = {}  # noqa: RUF012  of a command that works without them
    has_backups = True
    busy_statuses = ()  # of an operator's request that is to be made again

    def __init__(self, campaign, directory, flags):
        super().__init__(campaign, directory, flags)
        self.servers.append(Server(directory / "server.log", directory / "data", *flags))

    def crash(self):
        self.end(self.servers[0])

    def starting_data_dir(self):
        return self.servers[0].data_dir

    def await_ban(self, client_id, is_banned):
        """Until all servers know, which here is at once."""
        if (wire.get_snapshot(self.servers[0].url, client_id).status == 403) != is_banned:
            raise Broken(f"client {client_id} is {'not ' if is_banned else ''}banned")


class PostgresStorage(_Storage):
    """Two servers over one PostgreSQL, which may die as well."""

    has_backups = False
    busy_statuses = (503,)

    def __init__(self, campaign, directory, flags, postgres):
        super().__init__(campaign, directory, flags)
        self._postgres = postgres
        self._deaths = Deck(campaign.random, "server", "server", "both", "backend", "postgres", "postgres", "hang")
        self._database = postgres.new_database(directory / "none")
        self.variables = self._database.variables
        for name in SERVER_NAMES:
            url = f"{self._database.url} application_name={name}"
            variables = {**self.variables, "TCSYNC_POSTGRES_URL": url}
            try:
                self.servers.append(Server(directory / f"{name}.log", directory / name, *flags, env=variables))
            except BaseException:
                self.close()
                raise

    def crash(self):
        match self._deaths.draw():
            case "server":
                self.end(self.campaign.random.choice(self.servers))
            case "both":
                for server in self.servers:
                    self.end(server)
            case "backend":
                if self._postgres.kill_backend():
                    self.campaign.count("kills of a process of PostgreSQL")
                self._let_servers_work()
            case "postgres":
                self._postgres.kill()
                self.campaign.count("kills of PostgreSQL")
                self._let_servers_work()
            case "hang":
                # Some requests give up, and what they have sent may be done after that.
                self._postgres.stop_for(self.campaign.random.choice([0.5, HANG_S]))
                self.campaign.count("hangs of PostgreSQL")
                self._let_servers_work()

    def _let_servers_work(self):
        """Again, after PostgreSQL has recovered."""
        time.sleep(self.campaign.random.uniform(0, 1))
        if self.campaign.random.random() < 0.3:
            self.end(self.campaign.random.choice(self.servers))

    def start(self):
        # PostgreSQL finishes the statements of a server that has died. What it does after that nobody has asked for.
        wait_until(self._is_quiet, READY_TIMEOUT_S, "PostgreSQL has done what dead servers have sent")
        super().start()
        for server in self.servers:
            wait_until(lambda url=server.url: wire.request(url, "GET", "/health").status == 200, READY_TIMEOUT_S,
                       "a server uses the database again")  # fmt: skip

    def _is_quiet(self):
        alive = {name for server, name in zip(self.servers, SERVER_NAMES, strict=True) if server.pid_or_none()}
        rows = self._database.run("SELECT application_name, state FROM pg_stat_activity WHERE datname = current_database() "
                                  "AND backend_type = 'client backend' AND pid <> pg_backend_pid()")  # fmt: skip
        rows = [row.split("|") for row in rows.splitlines()]
        return all(name in alive and state == "idle" for name, state in rows)

    def starting_data_dir(self):
        return self._directory / "starting"

    def await_ban(self, client_id, is_banned):
        for server in self.servers:
            wait_until(lambda url=server.url: (wire.get_snapshot(url, client_id).status == 403) == is_banned,
                       BAN_TIMEOUT_S, f"a server knows that a client is {'' if is_banned else 'not '}banned")  # fmt: skip
