"""tcsync-server as a program: its flags and variables, where it listens, how it refuses to start."""

import os
import re
import socket
import stat
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest
import server as server_module
import wire
from server import ANY_PORT
from support import run_bounded

FLAGS = (
    "--listen", "--data-dir", "--allow-client-id", "--no-create-clients", "--snapshot-versions", "--snapshot-days",
    "--base-path", "--help", "--version",
)  # fmt: skip
VARIABLES = ("LISTEN", "DATA_DIR", "CLIENT_ID", "CREATE_CLIENTS", "SNAPSHOT_VERSIONS", "SNAPSHOT_DAYS")
RUN_TIMEOUT_S = 20


@pytest.fixture
def empty_dir(tmp_path):
    """The directory in which the binary runs: a stray file would show here."""
    directory = tmp_path / "cwd"
    directory.mkdir()
    return directory


@pytest.fixture
def socket_path():
    """A path for a unix socket, in a directory with a short name: such a path has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="e2e-") as directory:
        yield str(Path(directory) / "server.sock")


def run_binary(cwd, *arguments, **variables):
    environment = server_module.environment(**variables)
    command = [str(server_module.BINARY), *arguments]
    return run_bounded(command, env=environment, cwd=cwd, timeout_s=RUN_TIMEOUT_S)


def refusal(cwd, *arguments, **variables):
    """Runs the binary, which must refuse in one line; returns that line."""
    try:
        done = run_binary(cwd, *arguments, **variables)
    except subprocess.TimeoutExpired:
        pytest.fail("it started instead of refusing", pytrace=False)
    assert done.returncode > 0, f"status {done.returncode}"
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].strip(), f"not one line: {done.stderr!r}"
    return lines[0]


def add_chain(url, client_id, count, parent_id=wire.NIL_VERSION):
    """Adds versions one upon the other; returns the answers."""
    answers = []
    for _ in range(count):
        answers.append(wire.add_version(url, client_id, parent_id))
        assert answers[-1].status == 200
        parent_id = answers[-1].headers["X-Version-Id"]
    return answers


class TestHelp:
    def test_help_names_every_flag_and_variable(self, empty_dir):
        """If this fails, people cannot find out how to run the server."""
        done = run_binary(empty_dir, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        words = set(re.findall(r"--[a-z-]+|[A-Z_]+", done.stdout))
        assert words >= {*FLAGS, *VARIABLES}
        assert not any(empty_dir.iterdir())

    def test_version_is_one_line(self, empty_dir):
        """If this fails, a user cannot name the server's release in a report."""
        done = run_binary(empty_dir, "--version")
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(r"tcsync-server \d+\.\d+\.\d+\S*\n", done.stdout)
        assert not any(empty_dir.iterdir())

    def test_serve_is_the_default_command(self, start_server, empty_dir):
        """If this fails, `tcsync-server serve` in a unit file differs from `tcsync-server`."""
        assert run_binary(empty_dir, "serve", "--help").stdout == run_binary(empty_dir, "--help").stdout
        server = start_server(command=["serve"])
        assert wire.index(server.url).status == 200


class TestStart:
    def test_index_names_server_and_version(self, server, empty_dir):
        """If this fails, a person who opens the URL in a browser cannot tell that the server is there."""
        answer = wire.index(server.url)
        assert answer.status == 200
        name, version = run_binary(empty_dir, "--version").stdout.split()
        text = answer.body.decode()
        assert name.removesuffix("-server") in text and version in text

    def test_data_directory_is_private(self, start_server, tmp_path):
        """If this fails, other users of the machine can read the server's data."""
        server = start_server(data_dir=tmp_path / "new")
        assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700

    def test_serves_several_addresses(self, start_server, user, socket_path):
        """If this fails, only one of several --listen flags counts, or each has a history of its own."""
        server = start_server(listen=[ANY_PORT, ANY_PORT, f"unix:{socket_path}"])
        first, second = (f"http://{address}" for address in server.addresses)
        assert first != second
        assert wire.add_version(first, user.client_id).status == 200
        history = wire.history(first, user.client_id)
        assert len(history) == 1
        assert wire.history(second, user.client_id) == history
        assert wire.history(f"unix:{socket_path}", user.client_id) == history

    def test_serves_ipv6(self, start_server):
        """If this fails, the server cannot be reached over IPv6, or says its address in a form that no URL takes."""
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError as reason:
                pytest.skip(f"no IPv6 loopback: {reason}")
        server = start_server(listen=["[::1]:0"])
        assert server.url.startswith("http://[::1]:")
        assert wire.index(server.url).status == 200


class TestUnixSocket:
    def test_is_served_and_removed_at_exit(self, start_server, socket_path):
        """If this fails, a reverse proxy on a unix socket cannot reach the server, or finds a dead socket later."""
        server = start_server(listen=[f"unix:{socket_path}"])
        assert wire.index(f"unix:{socket_path}").status == 200
        server.stop()
        assert not os.path.lexists(socket_path)

    def test_a_stale_socket_is_replaced(self, start_server, socket_path):
        """If this fails, a server that crashed once does not start again until an operator removes a file."""
        server = start_server(listen=[f"unix:{socket_path}"])
        server.kill()
        assert os.path.lexists(socket_path)
        server.start()
        assert wire.index(f"unix:{socket_path}").status == 200

    def test_the_socket_of_a_running_server_is_refused(self, start_server, socket_path, empty_dir):
        """If this fails, a second server silently cuts off the first one's users."""
        start_server(listen=[f"unix:{socket_path}"])
        data_dir = empty_dir / "data"
        assert socket_path in refusal(empty_dir, "--data-dir", str(data_dir), "--listen", f"unix:{socket_path}")
        assert wire.index(f"unix:{socket_path}").status == 200
        assert not data_dir.exists()

    def test_a_file_at_its_path_is_refused(self, socket_path, empty_dir):
        """If this fails, a mistyped socket path deletes a user's file."""
        Path(socket_path).write_text("precious", encoding="utf-8")
        refusal(empty_dir, "--data-dir", str(empty_dir / "data"), "--listen", f"unix:{socket_path}")
        assert Path(socket_path).read_text(encoding="utf-8") == "precious"


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "named_part"),
        [
            ("--nope", "--nope"),
            ("--data-dri=elsewhere", "--data-dri"),
            ("frobnicate", "frobnicate"),
            ("--allow-client-id not-a-uuid", "not-a-uuid"),
            ("--allow-client-id ", "--allow-client-id"),
            ("--snapshot-versions many", "many"),
            ("--snapshot-versions -1", "-1"),
            ("--snapshot-versions 99999999999999999999", "99999999999999999999"),
            ("--snapshot-days 14d", "14d"),
            ("--snapshot-days 1.5", "1.5"),
            ("--snapshot-days", "--snapshot-days"),
            ("--listen nonsense", "nonsense"),
            ("--listen 127.0.0.1:99999", "99999"),
            ("--no-create-clients=maybe", "--no-create-clients"),
        ],
    )
    def test_an_invalid_flag_is_refused(self, empty_dir, arguments, named_part):
        """If this fails, a typing error starts a server that is not the one that was meant, or leaves a mess."""
        usable = ["--data-dir", str(empty_dir / "data"), "--listen", ANY_PORT]
        assert named_part in refusal(empty_dir, *usable, *arguments.split(" "))
        assert not any(empty_dir.iterdir())

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("LISTEN", "nonsense"),
            ("CLIENT_ID", "not-a-uuid"),
            ("CREATE_CLIENTS", "maybe"),
            ("SNAPSHOT_VERSIONS", "many"),
            ("SNAPSHOT_DAYS", "14d"),
        ],
    )
    def test_an_invalid_variable_is_refused(self, empty_dir, variable, value):
        """If this fails, an error in a unit or compose file passes unnoticed, or is not named."""
        variables = {"DATA_DIR": str(empty_dir / "data"), "LISTEN": ANY_PORT, variable: value}
        line = refusal(empty_dir, **variables)
        assert value in line
        assert not any(empty_dir.iterdir())

    def test_a_second_server_on_the_same_directory_is_refused(self, server, user, empty_dir):
        """If this fails, two servers write one directory and destroy it, or the refused one disturbs the other."""
        add_chain(server.url, user.client_id, 3)
        history = wire.history(server.url, user.client_id)
        names = {path.name for path in server.data_dir.iterdir()}
        line = refusal(empty_dir, "--data-dir", str(server.data_dir), "--listen", ANY_PORT)
        assert str(server.data_dir) in line
        assert {path.name for path in server.data_dir.iterdir()} == names
        assert wire.history(server.url, user.client_id) == history
        server.restart()
        assert wire.history(server.url, user.client_id) == history

    def test_a_port_in_use_is_refused(self, server, empty_dir):
        """If this fails, a server without its port seems to run, or does not say which port it is about."""
        data_dir = empty_dir / "data"
        address = server.addresses[0]
        assert address in refusal(empty_dir, "--data-dir", str(data_dir), "--listen", address)
        assert not data_dir.exists()
        assert wire.index(server.url).status == 200

    def test_a_data_directory_beneath_a_file_is_refused(self, empty_dir):
        """If this fails, a data directory that cannot exist is reported in a riddle, or not at all."""
        file = empty_dir / "file"
        file.write_text("precious", encoding="utf-8")
        data_dir = str(file / "data")
        assert data_dir in refusal(empty_dir, "--data-dir", data_dir, "--listen", ANY_PORT)
        assert file.read_text(encoding="utf-8") == "precious"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_data_directory_in_a_read_only_one_is_refused(self, empty_dir):
        """If this fails, a data directory without the right to write is reported in a riddle, or not at all."""
        empty_dir.chmod(0o500)
        data_dir = str(empty_dir / "data")
        assert data_dir in refusal(empty_dir, "--data-dir", data_dir, "--listen", ANY_PORT)


class TestVariables:
    def test_listen_and_data_dir_take_effect(self, start_server, tmp_path):
        """If this fails, a container that is set up by its environment listens or stores elsewhere."""
        data_dir = tmp_path / "from-variable"
        server = start_server(data_dir=None, listen=None, env={"LISTEN": ANY_PORT, "DATA_DIR": str(data_dir)})
        assert wire.index(server.url).status == 200
        assert any(data_dir.iterdir())

    def test_listen_accepts_several_addresses(self, start_server, socket_path):
        """If this fails, a setup of the reference server with several addresses in LISTEN does not start here."""
        server = start_server(listen=None, env={"LISTEN": f"{ANY_PORT},unix:{socket_path}"})
        assert wire.index(server.url).status == 200
        assert wire.index(f"unix:{socket_path}").status == 200

    def test_client_id_limits_the_clients(self, start_server):
        """If this fails, CLIENT_ID lets other clients use the server."""
        allowed = [str(uuid.uuid4()) for _ in range(2)]
        server = start_server(env={"CLIENT_ID": ",".join(allowed)})
        assert [wire.add_version(server.url, client_id).status for client_id in allowed] == [200, 200]
        assert wire.add_version(server.url, str(uuid.uuid4())).status == 403

    @pytest.mark.parametrize(("value", "status"), [("true", 200), ("false", 404)])
    def test_create_clients_decides_about_new_clients(self, start_server, user, value, status):
        """If this fails, CREATE_CLIENTS does not decide whether new users may come."""
        server = start_server(env={"CREATE_CLIENTS": value})
        assert wire.add_version(server.url, user.client_id).status == status

    @pytest.mark.parametrize(
        ("flags", "env", "target"),
        [
            (["--snapshot-versions", "4"], {}, 4),
            ([], {"SNAPSHOT_VERSIONS": "4"}, 4),
            (["--snapshot-versions", "4"], {"SNAPSHOT_VERSIONS": "2"}, 4),
        ],
        ids=["flag", "variable", "both"],
    )
    def test_snapshot_versions_decides_when_a_snapshot_is_requested(self, start_server, user, flags, env, target):
        """If this fails, the wish for more or fewer snapshots is not heeded."""
        server = start_server(*flags, env=env)
        (first,) = add_chain(server.url, user.client_id, 1)
        assert first.headers["X-Snapshot-Request"] == "urgency=high"
        version_id = first.headers["X-Version-Id"]
        assert wire.add_snapshot(server.url, user.client_id, version_id).status == 200
        later = add_chain(server.url, user.client_id, target + 1, version_id)
        asked = [answer.headers["X-Snapshot-Request"] for answer in later]
        # Whether the version just added counts among those since the snapshot is left open here.
        assert asked[: target - 1] == [None] * (target - 1)
        assert asked[target] == "urgency=low"

    def test_snapshot_days_is_accepted(self, start_server):
        """If this fails, SNAPSHOT_DAYS stops the server from starting. (A unit test has a clock for the days.)"""
        server = start_server(env={"SNAPSHOT_DAYS": "7"})
        assert wire.index(server.url).status == 200

    def test_flags_override_variables(self, start_server, user, tmp_path):
        """If this fails, a person at the command line cannot overrule the environment.

        A variable that a flag overrules is not even read: a mistake in it does not matter.
        """
        stranger = str(uuid.uuid4())
        ignored = tmp_path / "ignored"
        server = start_server(
            "--allow-client-id", user.client_id, "--snapshot-days", "14",
            env={
                "LISTEN": "nonsense",
                "DATA_DIR": str(ignored),
                "CLIENT_ID": stranger,
                "SNAPSHOT_DAYS": "nonsense",
            },
        )  # fmt: skip
        assert not ignored.exists()
        assert wire.add_version(server.url, user.client_id).status == 200
        assert wire.add_version(server.url, stranger).status == 403

    def test_no_create_clients_overrides_its_variable(self, start_server, user):
        """If this fails, --no-create-clients at the command line leaves the door open."""
        server = start_server("--no-create-clients", env={"CREATE_CLIENTS": "true"})
        assert wire.add_version(server.url, user.client_id).status == 404
