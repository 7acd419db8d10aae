"""The tests' cluster. If these fail, a test run leaves servers and files behind, or the next one does not start."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

CLUSTER = Path(__file__).with_name("cluster.py")
TIMEOUT_S = 120


def cluster(*arguments, **options):
    command = [sys.executable, "-B", CLUSTER, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, **options)


def start(directory, *flags, **options):
    """Starts one; returns the directory of its socket."""
    result = cluster("start", *flags, directory, **options)
    if result.returncode == 77:
        pytest.skip(result.stderr)
    assert result.returncode == 0, result.stderr
    return socket_directory(directory)


def socket_directory(directory):
    host = (directory / "url").read_text().split()[0]
    return Path(host.removeprefix("host="))


def query(directory, statement):
    command = ["psql", "--no-psqlrc", "--no-align", "--tuples-only", "--dbname", (directory / "url").read_text()]
    result = subprocess.run([*command, "--command", statement], capture_output=True, text=True, timeout=TIMEOUT_S)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def is_ready(directory):
    url = (directory / "url").read_text()
    return (
        subprocess.run(["psql", "--no-psqlrc", "--dbname", url, "--command", ""], capture_output=True).returncode == 0
    )


def postmaster_of(directory):
    data = query(directory, "SHOW data_directory")
    return int(Path(data, "postmaster.pid").read_text().split("\n")[0])


def parent_of(process_id):
    return int(Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[1])


def wait_until(condition):
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "cluster"
    yield path
    cluster("stop", path)


def test_serves_and_leaves_nothing_but_its_log(directory):
    socket = start(directory)
    assert query(directory, "SHOW fsync") == "off"
    assert query(directory, "SHOW listen_addresses") == ""
    assert cluster("stop", directory).returncode == 0
    assert {path.name for path in directory.iterdir()} == {"lock", "log"}
    assert not socket.exists()


def test_stops_what_does_not_run(directory):
    assert cluster("stop", directory).returncode == 0
    directory.mkdir()
    assert cluster("stop", directory).returncode == 0


def test_is_durable_on_request(directory):
    start(directory, "--durable")
    assert query(directory, "SHOW fsync") == "on"


def test_starts_again_in_place_of_one_that_runs(directory):
    old_socket = start(directory)
    old_postmaster = postmaster_of(directory)
    query(directory, "CREATE TABLE old ()")
    start(directory)
    assert query(directory, "SELECT to_regclass('old') IS NULL") == "t"
    assert not old_socket.exists()
    assert not runs(old_postmaster)


def test_starts_where_all_of_an_older_one_was_killed(directory):
    old_socket = start(directory)
    postmaster = postmaster_of(directory)
    os.kill(parent_of(postmaster), signal.SIGKILL)
    os.kill(postmaster, signal.SIGKILL)
    assert old_socket.exists()
    start(directory)
    assert query(directory, "SELECT 1") == "1"
    assert not old_socket.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's end")
def test_ends_with_its_supervisor(directory):
    start(directory)
    postmaster = postmaster_of(directory)
    os.kill(parent_of(postmaster), signal.SIGKILL)
    wait_until(lambda: not runs(postmaster))


def test_ends_with_a_postmaster_that_was_killed(directory):
    socket = start(directory)
    os.kill(postmaster_of(directory), signal.SIGKILL)
    wait_until(lambda: not socket.exists() and not (directory / "url").exists())


def test_revives_a_killed_postmaster_on_request(directory):
    """If this fails, a campaign that kills PostgreSQL has no PostgreSQL to look at."""
    socket = start(directory, "--durable", "--revive")
    query(directory, "CREATE TABLE kept ()")
    for number in (signal.SIGKILL, signal.SIGQUIT):
        postmaster = postmaster_of(directory)
        os.kill(postmaster, number)
        wait_until(lambda killed=postmaster: not runs(killed))
        wait_until(lambda: is_ready(directory))
        assert query(directory, "SELECT to_regclass('kept') IS NOT NULL") == "t"
    assert cluster("stop", directory).returncode == 0
    assert {path.name for path in directory.iterdir()} == {"lock", "log"}
    assert not socket.exists()


def test_ends_with_the_process_that_started_it(directory):
    """As ctest does: a test of it is its child, and it may be killed."""
    script = 'import subprocess, sys; subprocess.run(sys.argv[1:], check=True); print("started"); input()'
    command = [sys.executable, "-c", script, sys.executable, "-B", CLUSTER, "start", directory]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout.readline() == b"started\n"
        socket = socket_directory(directory)
        postmaster = postmaster_of(directory)
        owner.kill()
    wait_until(lambda: not runs(postmaster))
    wait_until(lambda: not socket.exists() and not (directory / "url").exists())


def test_stays_on_request(directory):
    command = [sys.executable, "-B", CLUSTER, "start", "--keep", directory]
    # The shell is the caller, and has ended.
    subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", *command], check=True, timeout=TIMEOUT_S)
    assert query(directory, "SELECT 1") == "1"


def test_starts_in_a_deep_directory(directory):
    deep = directory / "/".join(["d" * 50] * 4)
    start(deep)
    assert query(deep, "SELECT 1") == "1"
    assert cluster("stop", deep).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's directories are closed to the server")
def test_starts_in_a_directory_that_is_closed_to_the_servers_user(directory):
    directory.mkdir()
    directory.chmod(0o700)
    start(directory)
    assert query(directory, "SELECT 1") == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are of an ordinary user")
def test_starts_for_an_ordinary_user():
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # whose parents are open to all
        os.chown(name, nobody["user"], nobody["group"])
        directory = Path(name, "cluster")
        start(directory, **nobody)
        assert query(directory, "SELECT 1") == "1"
        assert (directory / "data").is_dir()
        assert cluster("stop", directory, **nobody).returncode == 0
