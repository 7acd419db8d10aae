"""The cluster of docs/cluster.md: three machines with PostgreSQL, Patroni and etcd, two tcsync-servers and Caddy, with
Debian's programs and the files of examples/deploy/cluster. Only directories, passwords in files and the domain differ.

It needs the private network (private_network.py), in which the addresses are those of the files:

    10.0.0.1, .2, .3    db1, db2, db3: machines of their own, which can be cut off
    10.0.0.11, .12      sync1, which finds the primary by libpq's list of hosts, and sync2, which uses HAProxy
    10.0.0.21           Caddy

A service that ends is started again, as systemd does it with Debian's units. PostgreSQL refuses root, so that root's
databases run as the user postgres or nobody.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import private_network
from campaign import REPOSITORY, Missing

import server as server_module
import wire
from support import wait_until

sys.path.insert(0, str(REPOSITORY / "tests" / "postgres"))
import cluster as throw_away

EXAMPLES = REPOSITORY / "examples" / "deploy" / "cluster"
PROGRAMS = ("patroni", "patronictl", "etcd", "haproxy", "caddy", "psql")
DATABASES = {"db1": "10.0.0.1", "db2": "10.0.0.2", "db3": "10.0.0.3"}
SERVERS = {"sync1": "10.0.0.11", "sync2": "10.0.0.12"}
CADDY_ADDRESS = "10.0.0.21"
CADDY_URL = f"https://{CADDY_ADDRESS}:8443"
SUPERUSER_PASSWORD = "change-me-superuser"
OWNER_PASSWORD, SERVER_PASSWORD = "owner's password", "server's password"
START_TIMEOUT_S = 180
RESTART_POLL_S = 0.1
REST_TIMEOUT_S = 2
# The load of the campaign comes from a few addresses and clients.
LIMITLESS = ("--client-requests-per-second", "0", "--address-requests-per-second", "0",
             "--new-clients-per-address-day", "0")  # fmt: skip
FLAGS = ("--memory-budget", "64M", "--log-level", "debug", *LIMITLESS)
# What systemd does with Debian's units, and with tcsync's.
PATRONI_RESTART_S, ETCD_RESTART_S, HAPROXY_RESTART_S, SERVER_RESTART_S = 0.1, 0.1, 0.1, 2


def require():
    """Raises Missing if a program is not installed."""
    for name in PROGRAMS:
        if not shutil.which(name, path=private_network.PATH):
            raise Missing(f"{name} is not installed: see src/cmake/debian-packages.txt")
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        raise Missing("PostgreSQL is not installed: see src/cmake/debian-packages.txt")


def example(name, **replacements):
    """The text of an example's file. `replacements` are made, and each must be possible."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for old, new in replacements.items():
        if old not in text:
            raise AssertionError(f"{name} has no {old!r}: this harness must follow it")
        text = text.replace(old, new)
    return text


def variables_of(text):
    """Of an environment file as systemd reads it."""
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class Service:
    """A process that is started again when it ends, until it is stopped."""

    def __init__(self, name, command, environment, log_path, restart_s):
        self.name = name
        self._command = list(map(str, command))
        self._environment = environment
        self._log_path = log_path
        self._restart_s = restart_s
        self._process = None
        self._is_wanted = False
        self._lock = threading.Lock()
        self._ended_at = None

    @property
    def process_id(self):
        with self._lock:
            return self._process.pid

    def start(self):
        with self._lock:
            self._is_wanted = True
            self._start()

    def _start(self):
        with open(self._log_path, "ab") as log:
            log.write(f"---- {time.strftime('%F %T')} start\n".encode())
            self._process = subprocess.Popen(self._command, env=self._environment, cwd="/", stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, start_new_session=True)  # fmt: skip
        self._ended_at = None

    def do_not_restart(self):
        """Until `start`."""
        with self._lock:
            self._is_wanted = False

    def kill(self):
        with self._lock:
            if self._process and self._process.poll() is None:
                self._process.kill()

    def supervise(self):
        with self._lock:
            if not self._is_wanted or self._process.poll() is None:
                return
            now = time.monotonic()
            self._ended_at = self._ended_at or now
            if now - self._ended_at >= self._restart_s:
                self._start()

    def end(self):
        with self._lock:
            self._is_wanted = False
            if self._process:
                self._process.kill()
                self._process.wait()


class DatabaseMachine(private_network.Machine):
    """PostgreSQL, Patroni and etcd."""

    def __init__(self, name, address, directory):
        super().__init__(name, address)
        self.directory = directory / name
        user = throw_away.server_user()
        throw_away.make_directory_of(self.directory, user)
        entering = self.entering
        if user:
            entering = [*entering[:-1], f"--setuid={user['user']}", f"--setgid={user['group']}", "--"]
        base = {"PATH": private_network.PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(self.directory)}
        etcd = base | variables_of(self._own(example("etcd.env"), except_line="ETCD_INITIAL_CLUSTER="))
        self.etcd = Service("etcd", [*entering, "etcd"], etcd | {"ETCD_DATA_DIR": str(self.directory / "etcd")},
                            directory / f"{name}-etcd.log", ETCD_RESTART_S)  # fmt: skip
        self.configuration = self.directory / "config.yml"
        self.configuration.write_text(
            example("patroni.yml", **{"/var/lib/postgresql/15/tcsync": str(self.directory / "data"),
                                      "/usr/lib/postgresql/15/bin": str(throw_away.find_programs()),
                                      "/run/postgresql": str(self.directory)}),
            encoding="utf-8",
        )  # fmt: skip
        self.configuration.chmod(0o644)
        self.environment = base | variables_of(self._own(example("patroni.env")))
        self.patroni = Service("patroni", [*entering, "patroni", self.configuration], self.environment,
                               directory / f"{name}-patroni.log", PATRONI_RESTART_S)  # fmt: skip
        self._control = [*entering, "patronictl", "-c", str(self.configuration)]

    def _own(self, text, except_line=None):
        """An environment file of db1 as that of this machine."""
        lines = []
        for line in text.splitlines():
            if not except_line or not line.startswith(except_line):
                line = line.replace("db1", self.name).replace("10.0.0.1:", f"{self.address}:")
            lines.append(line)
        return "\n".join(lines)

    @property
    def services(self):
        return (self.etcd, self.patroni)

    def start(self):
        for service in self.services:
            service.start()

    def kill_all(self):
        """As a loss of power, but for what the kernel has not written."""
        for service in self.services:
            service.do_not_restart()
        # Twice: one that was about to start another one may have done so.
        self.signal(signal.SIGKILL)
        self.signal(signal.SIGKILL)

    def patronictl(self, *arguments):
        return subprocess.run([*self._control, *arguments], env=self.environment, capture_output=True, text=True,
                              cwd="/", timeout=120, check=False)  # fmt: skip

    def status(self):
        """What Patroni says of its PostgreSQL; None without an answer."""
        connection = http.client.HTTPConnection(self.address, 8008, timeout=REST_TIMEOUT_S)
        try:
            connection.request("GET", "/patroni")
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def is_etcd_leader(self):
        connection = http.client.HTTPConnection(self.address, 2379, timeout=REST_TIMEOUT_S)
        try:
            connection.request("POST", "/v3/maintenance/status", "{}")
            status = json.loads(connection.getresponse().read())
            return status["leader"] == status["header"]["member_id"]
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Cluster:
    """Started when the constructor returns. Ended by `end`, and with this process in any case."""

    def __init__(self, directory, other_binary=None):
        """`other_binary`: of sync2, when that is to be another release."""
        self.directory = directory
        self._binaries = {"sync1": server_module.BINARY, "sync2": other_binary or server_module.BINARY}
        directory.chmod(0o711)  # for the databases' user
        for address in (*SERVERS.values(), CADDY_ADDRESS):
            private_network.add_address(address)
        self.machines = {name: DatabaseMachine(name, address, directory) for name, address in DATABASES.items()}
        self.haproxy = self._haproxy()
        self.servers = {}
        self.caddy = None
        self.authority = None
        self._is_over = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    def _services(self):
        for machine in list(self.machines.values()):
            yield from machine.services
        yield from (self.haproxy, *self.servers.values(), *([self.caddy] if self.caddy else []))

    def _supervise(self):
        while not self._is_over.wait(RESTART_POLL_S):
            for service in list(self._services()):
                if not self._is_over.is_set() and service._process:
                    service.supervise()

    def _start(self):
        for machine in self.machines.values():
            machine.start()
        wait_until(self.is_whole, START_TIMEOUT_S, "the databases are a primary and two standbys")
        self.haproxy.start()
        self._make_database()
        for (name, address), through_haproxy in zip(SERVERS.items(), (False, True), strict=True):
            self.servers[name] = self._server(name, address, through_haproxy)
            self.servers[name].start()
        for name in SERVERS:
            wait_until(lambda name=name: self.health(name), START_TIMEOUT_S, f"{name} is healthy")
        self._start_caddy()

    def _haproxy(self):
        configuration = self.directory / "haproxy.cfg"
        # Only root can become another user.
        own_user = {} if os.geteuid() == 0 else {"  user haproxy\n  group haproxy\n": ""}
        configuration.write_text(example("haproxy.cfg", **own_user), encoding="utf-8")
        return Service("haproxy", ["haproxy", "-db", "-f", configuration], {"PATH": private_network.PATH},
                       self.directory / "haproxy.log", HAPROXY_RESTART_S)  # fmt: skip

    def psql(self, user, password, database, *arguments, **variables):
        environment = {"PATH": private_network.PATH, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "5"} | variables
        hosts = ",".join(DATABASES.values())
        url = f"host={hosts} user={user} dbname={database} target_session_attrs=read-write"
        done = subprocess.run(["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
                               "--dbname", url, *map(str, arguments)], env=environment, capture_output=True, text=True,
                              timeout=120, check=False)  # fmt: skip
        if done.returncode != 0:
            raise AssertionError(f"psql {arguments}: {done.stderr}")
        return done.stdout.strip()

    def _make_database(self):
        self.psql("postgres", SUPERUSER_PASSWORD, "postgres", "-f", EXAMPLES / "roles.sql", OWNER_PASSWORD=OWNER_PASSWORD,
                  SERVER_PASSWORD=SERVER_PASSWORD)  # fmt: skip
        variables = self._server_variables("sync1", SERVERS["sync1"], False) | {"PGUSER": "tcsync_owner"}
        upgrade = subprocess.run([server_module.BINARY, "storage", "upgrade"],
                                 env=server_module.environment(**variables),
                                 capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
        if upgrade.returncode != 0:
            raise AssertionError(f"storage upgrade: {upgrade.stderr}")
        self.psql("tcsync_owner", OWNER_PASSWORD, "tcsync", "-f", EXAMPLES / "rights.sql")

    def _server_variables(self, name, address, through_haproxy):
        password_file = self.directory / "pgpass"
        password_file.touch(mode=0o600)
        password_file.write_text(
            f"*:*:tcsync:tcsync_server:{SERVER_PASSWORD}\n*:*:tcsync:tcsync_owner:{OWNER_PASSWORD}\n", encoding="utf-8"
        )
        text = example("tcsync.env", **{SERVERS["sync1"]: address, "/etc/tcsync/pgpass": str(password_file)})
        if through_haproxy:
            lines = [line for line in text.splitlines() if not line.startswith("TCSYNC_POSTGRES_URL=")]
            text = "\n".join(lines).replace("#TCSYNC_POSTGRES_URL=", "TCSYNC_POSTGRES_URL=")
        return variables_of(text) | {"DATA_DIR": str(self.directory / name)}

    def _server(self, name, address, through_haproxy):
        return Service(name, [self._binaries[name], "serve", *FLAGS],
                       server_module.environment(**self._server_variables(name, address, through_haproxy)),
                       self.directory / f"{name}.log", SERVER_RESTART_S)  # fmt: skip

    def _start_caddy(self):
        configuration = self.directory / "Caddyfile"
        # As in tests/deploy/proxies.py: for this machine alone.
        configuration.write_text(
            f"{{\n admin off\n skip_install_trust\n auto_https disable_redirects\n}}\nimport {EXAMPLES / 'Caddyfile'}\n",
            encoding="utf-8",
        )
        home = self.directory / "caddy"
        environment = {"PATH": private_network.PATH, "HOME": str(home), "XDG_DATA_HOME": str(home / "data"),
                       "XDG_CONFIG_HOME": str(home / "config"), "TCSYNC_DOMAIN": CADDY_URL}  # fmt: skip
        self.caddy = Service("caddy", ["caddy", "run", "--adapter", "caddyfile", "--config", configuration], environment,
                             self.directory / "caddy.log", 0.1)  # fmt: skip
        self.caddy.start()
        self.authority = home / "data/caddy/pki/authorities/local/root.crt"
        # It listens before it has made its authority, and the certificate by that.
        wait_until(lambda: self.authority.exists() and self._answers_with_a_certificate(), START_TIMEOUT_S,
                   "Caddy has a certificate")  # fmt: skip

    def _answers_with_a_certificate(self):
        try:
            # The file may be there, and not yet written.
            connection = wire.connect(CADDY_URL, ssl.create_default_context(cafile=self.authority))
            with contextlib.closing(connection):
                connection.request("GET", "/")
                return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    @staticmethod
    def server_url(name):
        return f"http://{SERVERS[name]}:8080"

    def health(self, name):
        """Whether the server says that it is healthy."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return wire.request(self.server_url(name), "GET", "/health").status == 200
        return False

    def statuses(self):
        return {name: machine.status() for name, machine in self.machines.items()}

    def primary(self):
        """The machine whose Patroni is the leader and whose PostgreSQL takes writes; None while there is none, or while
        two say so."""
        found = [machine for machine in self.machines.values()
                 if (status := machine.status()) and status.get("role") == "master" and status["state"] == "running"]  # fmt: skip
        return found[0] if len(found) == 1 else None

    def synchronous_standby(self):
        for machine in self.machines.values():
            if (status := machine.status()) and status.get("sync_standby"):
                return machine
        return None

    def etcd_leader(self):
        return next((machine for machine in self.machines.values() if machine.is_etcd_leader()), None)

    def timeline(self):
        return max((status["timeline"] for status in self.statuses().values() if status and "timeline" in status),
                   default=0)  # fmt: skip

    def is_whole(self):
        """One primary, and two standbys that receive its log, one of them synchronous."""
        statuses = [status for status in self.statuses().values() if status]
        primaries = [status for status in statuses if status.get("role") == "master" and status["state"] == "running"]
        if len(statuses) != len(self.machines) or len(primaries) != 1:
            return False
        streams = primaries[0].get("replication", [])
        return (
            len([stream for stream in streams if stream["state"] == "streaming"]) == len(self.machines) - 1
            and any(stream["sync_state"] == "sync" for stream in streams)
            and any(status.get("sync_standby") for status in statuses)
        )

    def log_lines(self, *texts):
        """The number of lines in the logs of PostgreSQL and Patroni that have one of the texts."""
        lines = (line for path in self.directory.glob("*-patroni.log")
                 for line in path.read_text(encoding="utf-8", errors="replace").splitlines())  # fmt: skip
        return sum(any(text in line for text in texts) for line in lines)

    def end(self):
        self._is_over.set()
        self._supervisor.join()
        for machine in self.machines.values():
            machine.signal(signal.SIGCONT)
            for service in machine.services:
                service.do_not_restart()
        for service in list(self._services()):
            service.end()
        for machine in self.machines.values():
            machine.remove()
