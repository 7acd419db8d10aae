"""The real tcsync-server as a process: started on free ports, stopped by signal, restarted where it was.

The binary is TCSYNC_SERVER, else bin/tcsync-server of the build. It is ready when it has printed, for every TCP address
that it listens on, a line with `listening on http://HOST:PORT` (or https://), and every unix: socket accepts a
connection.
"""

import contextlib
import os
import re
import resource
import socket
import subprocess
from pathlib import Path

import wire
from server_process import ServerProcess
from support import BUILD_DIR, wait_until

BINARY = Path(os.environ.get("TCSYNC_SERVER") or BUILD_DIR / "bin" / "tcsync-server")
ANY_PORT = "127.0.0.1:0"
START_TIMEOUT_S = 30
PRINT_TIMEOUT_S = 30
METRIC_TIMEOUT_S = 60

# The server's own variables are never inherited, so that a test means the same on every machine.
OPTION_VARIABLES = (
    "LISTEN", "DATA_DIR", "CLIENT_ID", "CREATE_CLIENTS", "SNAPSHOT_VERSIONS", "SNAPSHOT_DAYS", "BASE_PATH",
)  # fmt: skip
LISTENING = re.compile(r"listening on https?://(\[[^\]\s]+\]:\d+|[^\s/:]+:\d+)")


def environment(**variables):
    """The environment to start the binary with: this process's, and of the server's own variables only these."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        # With the prefix there are those of the tests, too, of which the server would say that they set nothing.
        if name not in OPTION_VARIABLES and not name.startswith("TCSYNC_")
    }
    return {**inherited, **variables}


def storage_variables(data_dir):
    """Of a server and of a command on that directory. None: the storage is in it. postgres_fixture has others."""
    return {}


class Server(ServerProcess):
    """One data directory, and the process that serves it.

    `listen` is the value of --listen; None leaves the flag away and takes the addresses from the LISTEN in `env`.
    `data_dir` None likewise leaves --data-dir away. `flags` are further arguments, `command` those before all others.
    `memory_bytes_max` bounds the memory that the process can have of its own (RLIMIT_DATA), stacks and all.
    """

    def __init__(self, log_path, data_dir, *flags, listen=(ANY_PORT,), env=None, command=(), memory_bytes_max=None):
        self._log_path = Path(log_path)
        self.data_dir = data_dir and Path(data_dir)
        self._flags = flags
        self._listen = listen
        self._env = env or {}
        self._command = command
        self._memory_bytes_max = memory_bytes_max
        self.addresses = []
        self.start()

    @property
    def url(self):
        """The first TCP address as a URL, without a slash at the end."""
        scheme = "https" if "--tls-cert" in self._flags else "http"
        return f"{scheme}://{self.addresses[0]}"

    def pid_or_none(self):
        """None when it does not run."""
        return self._process and self._process.pid

    @property
    def log(self):
        """All that every process of this server has printed, to standard output and standard error.

        A thread prints the records, after the answers that they describe. It has printed them all when it sleeps.
        """
        wait_until(lambda: not self._is_printing(), PRINT_TIMEOUT_S, "the server has printed its log")
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def metrics_url(self):
        """Where the process that was started last serves its metrics; it has --metrics-listen."""
        return re.findall(r"metrics on (http://\S+)", self.log)[-1]

    def metric(self, name):
        """The present value of a metric without labels; None if there is none."""
        text = wire.request(self.metrics_url, "GET", "/metrics").body.decode()
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        return found and float(found[1])

    def await_metric(self, name, value):
        wait_until(lambda: self.metric(name) == value, METRIC_TIMEOUT_S, f"{name} is {value}")

    def start(self):
        arguments = [str(BINARY), *self._command]
        if self.data_dir:
            arguments += ["--data-dir", str(self.data_dir)]
        for address in self._listen or ():
            arguments += ["--listen", address]
        arguments += self._flags
        with open(self._log_path, "ab") as log:
            log_start = log.tell()
            self._process = subprocess.Popen(
                arguments,
                env=environment(**{**storage_variables(self.data_dir), **self._env}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if self._memory_bytes_max:
            resource.prlimit(self.pid, resource.RLIMIT_DATA, (self._memory_bytes_max, self._memory_bytes_max))
        try:
            wait_until(lambda: self._is_ready(log_start), START_TIMEOUT_S, "the server is listening")
        except BaseException:
            self.kill()
            raise
        if self._listen:  # A restart comes back on the same ports.
            self._listen = [*self.addresses, *filter(is_unix, self._listen)]

    def _is_printing(self):
        if not self._process or self._process.poll() is not None:
            return False
        for stat in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
                name, fields = stat.read_text().split("(", 1)[1].rsplit(")", 1)
                if name == "tcsync-log" and fields.split()[0] != "S":
                    return True
        return False

    def _is_ready(self, log_start):
        status = self._process.poll()
        output = self._log_path.read_bytes()[log_start:].decode("utf-8", "replace")
        assert status is None, f"the server ended with status {status} instead of starting:\n{output}"
        wanted = self._listen or self._env["LISTEN"].split(",")
        unix_paths = [address.removeprefix("unix:") for address in filter(is_unix, wanted)]
        self.addresses = LISTENING.findall(output)
        return len(self.addresses) == len(wanted) - len(unix_paths) and all(map(accepts_unix, unix_paths))


def is_unix(address):
    return address.startswith("unix:")


def accepts_unix(path):
    """Whether a server answers on this unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


def accepts_tcp(address):
    """Whether a server answers on HOST:PORT."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        return False
    return True
