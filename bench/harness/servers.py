"""Starts the measured servers, on loopback, and reads their use of memory."""

import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

START_SECONDS_MAX = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process, for use in a `with`. `command` gets the port and the data directory."""

    def __init__(self, name, make_command, data_dir, log):
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = pathlib.Path(log)
        self._command = [str(part) for part in make_command(self.port, data_dir)]
        self._process = None

    def __enter__(self):
        started = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() - started > START_SECONDS_MAX:
                self.__exit__()
                raise OSError(f"{self.name} did not start; see {self._log}")
            time.sleep(0.01)
        self.start_seconds = time.monotonic() - started
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _answers(self):
        try:
            urllib.request.urlopen(self.url + "/", timeout=START_SECONDS_MAX).close()
        except urllib.error.HTTPError:
            return True  # any answer is enough
        except OSError:
            return False
        return True

    def memory_mib(self):
        """Resident now and at its peak, of the process and its children, in MiB; None where the
        system does not report it."""
        resident, peak = 0, 0
        for process in [self._process.pid, *children_of(self._process.pid)]:
            try:
                status = pathlib.Path(f"/proc/{process}/status").read_text(encoding="ascii")
            except OSError:
                return {"resident_mib": None, "peak_mib": None}
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            resident += int(fields["VmRSS"].split()[0])
            peak += int(fields["VmHWM"].split()[0])
        return {"resident_mib": round(resident / 1024, 1), "peak_mib": round(peak / 1024, 1)}


def children_of(process):
    try:
        path = pathlib.Path(f"/proc/{process}/task/{process}/children")
        return [int(child) for child in path.read_text(encoding="ascii").split()]
    except OSError:
        return []


# A load program is one address, and sends more than any person.
UNLIMITED = [
    "--client-requests-per-second",
    "0",
    "--address-requests-per-second",
    "0",
    "--new-clients-per-address-day",
    "0",
]


def tcsync(program, data_dir, log, *options):
    def command(port, directory):
        return [
            program,
            "serve",
            "--listen",
            f"127.0.0.1:{port}",
            "--data-dir",
            directory,
            "--log-level",
            "warning",
            *UNLIMITED,
            *options,
        ]

    return Server("tcsync", command, data_dir, log)


def reference(program, data_dir, log):
    def command(port, directory):
        return [program, "--listen", f"127.0.0.1:{port}", "--data-dir", directory]

    return Server("reference", command, data_dir, log)


def reference_over_postgres(program, postgres_url, log):
    def command(port, url):
        return [program, "--listen", f"127.0.0.1:{port}", "--postgres", url]

    return Server("reference", command, postgres_url, log)


NGINX_CONFIGURATION = """
# Answers everything with a fixed 404, as get-child-version does when there is nothing new: what an
# HTTP server that does nothing else can do on this machine.
daemon off;
worker_processes auto;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port};
    add_header Cache-Control "no-store, max-age=0" always;
    default_type text/plain;
    return 404 "nothing new";
  }}
}}
"""


def find_nginx():
    """nginx is among root's programs, which may not be on the PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def nginx(directory, log):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)

    def command(port, where):
        configuration = where / "nginx.conf"
        configuration.write_text(NGINX_CONFIGURATION.format(directory=where, port=port))
        return [find_nginx(), "-p", where, "-e", where / "error.log", "-c", configuration]

    return Server("nginx", command, directory.resolve(), log)
