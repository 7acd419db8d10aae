"""A server that speaks TLS with its database. PgBouncer has the certificate here, which is PostgreSQL's part of TLS."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import admin
import pytest
import wire
from certificates import Authority
from support import free_port, wait_until

CLIENT_ID = "0d3a35de-5a0b-4c1a-a5d0-5a52a45f4f0e"
PROGRAM = "/usr/sbin/pgbouncer"
TIMEOUT_S = 30
CONFIGURATION = """
[databases]
* = host={host} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
logfile = {directory}/log
{tls}
"""


class Pooler:
    """PgBouncer with TCP, and with TLS if it is given a certificate, for use in a `with`."""

    def __init__(self, cluster, authority=None):
        self._cluster = cluster
        self._authority = authority
        self._owner = os.stat(cluster.keywords["host"])
        self._directory = Path(tempfile.mkdtemp(prefix="tcsync-pgbouncer-"))
        self.port = free_port()

    def __enter__(self):
        tls = ""
        if self._authority:
            self._authority.issue(self._directory / "certificate", self._directory / "key")
            tls = "client_tls_sslmode = require\n" + "".join(
                f"client_tls_{kind}_file = {self._directory / name}\n"
                for kind, name in (("cert", "certificate"), ("key", "key"))
            )
        configuration = self._directory / "pgbouncer.ini"
        configuration.write_text(
            CONFIGURATION.format(**self._cluster.keywords, listen_port=self.port, directory=self._directory, tls=tls)
        )
        user = {}
        if os.geteuid() == 0:  # as which PgBouncer refuses to run
            for path in (self._directory, *self._directory.iterdir()):
                os.chown(path, self._owner.st_uid, self._owner.st_gid)
            user = {"user": self._owner.st_uid, "group": self._owner.st_gid, "extra_groups": []}
        self._process = subprocess.Popen([PROGRAM, "-q", configuration], stderr=subprocess.DEVNULL, **user)
        ready = ["pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        wait_until(lambda: subprocess.run(ready).returncode == 0, TIMEOUT_S, "PgBouncer accepts connections")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(TIMEOUT_S)
        shutil.rmtree(self._directory)


@pytest.fixture
def database(new_database, tmp_path):
    made = new_database()
    admin.succeed(tmp_path, "storage", "upgrade", **made.variables)
    return made


def variables(database, pooler, root, host="localhost"):
    return {
        "TCSYNC_STORAGE": "postgres",
        "TCSYNC_POSTGRES_URL": f"host={host} hostaddr=127.0.0.1 port={pooler.port} user=postgres "
        f"dbname={database.name} sslmode=verify-full sslrootcert={root}",
    }


def test_a_server_with_a_verified_certificate(postgres_cluster, database, start_server, tmp_path):
    """If this fails, the password and the sealed data cross the network for everybody to read."""
    authority = Authority(tmp_path)
    with Pooler(postgres_cluster, authority) as pooler:
        server = start_server(env=variables(database, pooler, authority.file))
        assert wire.add_version(server.url, CLIENT_ID).status == 200
        assert len(wire.history(server.url, CLIENT_ID)) == 1


@pytest.mark.parametrize(
    "case, message",
    [
        ("another authority", "certificate verify failed"),
        ("another name", "does not match host name"),
        ("no TLS", "does not support SSL"),
    ],
)
def test_what_is_not_verified_is_refused(postgres_cluster, database, tmp_path, case, message):
    """If this fails, a stranger between the server and its database can be both."""
    authority = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    root = Authority(tmp_path / "other").file if case == "another authority" else authority.file
    host = "db1.example.org" if case == "another name" else "localhost"
    with Pooler(postgres_cluster, None if case == "no TLS" else authority) as pooler:
        problem = admin.refusal(tmp_path, "storage", "check", **variables(database, pooler, root, host))
        assert message in problem, problem
