"""The container image: built as people build it, run as engines run it, with the real Taskwarrior as the client.

If one of these fails, docs/deploy.md promises something that the image does not do.
"""

import contextlib
import os
import shutil

import admin
import image as image_module
import pytest
import web
import wire
from image import Container

URL = "http://127.0.0.1:8080"
UNPRIVILEGED_USER = "12345:54321"
CLIENTS = ("7f9c9c60-0000-4000-8000-000000000001", "7f9c9c60-0000-4000-8000-000000000002")
SEPARATE_BYTES = 100_000  # over the limit for values that are stored inline
HEALTHCHECK = image_module.DOCKERFILE.parent / "tcsync-healthcheck"


@pytest.fixture(scope="module")
def image():
    image_module.build()
    with image_module.mounted() as built:
        yield built


@pytest.fixture
def volume(image, tmp_path):
    """A new volume: an engine makes it with the owner and the mode of the image's directory there."""
    data = image.root / "data"
    path = tmp_path / "volume"
    path.mkdir()
    shutil.chown(path, data.stat().st_uid, data.stat().st_gid)
    path.chmod(data.stat().st_mode & 0o7777)
    return path


@pytest.fixture
def run(image, volume, tmp_path):
    """Starts containers with that volume, which are gone at the end."""
    containers = []

    def start(*command, **options):
        log = tmp_path / f"container{len(containers)}.log"
        containers.append(Container(image, options.pop("volume", volume), log, *command, **options))
        return containers[-1]

    yield start
    for container in containers:
        container.kill()


def add_to(url, client, chain, step):
    """Adds versions of all forms that storage has for them."""
    latest = wire.history(url, client)[-1].version_id if chain else wire.NIL_VERSION
    for size in (100, 15_000, SEPARATE_BYTES):
        chain.append(bytes([step]) * 10 + os.urandom(size))
        added = wire.add_version(url, client, latest, chain[-1])
        assert added.status == 200
        latest = added.headers["X-Version-Id"]


def served(container):
    container.wait_until_listening()
    return container


class TestImage:
    def test_contains_the_runtime_and_no_compiler(self, image):
        # If this fails, the image is ten times as large, or carries tools that an intruder would like to find.
        present = [
            name
            for name in ("gcc", "g++", "cmake", "ninja", "git", "curl")
            if shutil.which(name, path=f"{image.root}/usr/bin")
        ]
        assert not present
        assert not (image.root / "src").exists()
        assert not list((image.root / "usr/local").rglob("*.h"))

    def test_starts_as_an_unprivileged_user(self, image):
        # If this fails, the server runs as root unless the operator thinks of it.
        uid, gid = image.config["User"].split(":")
        assert int(uid) > 0
        assert int(gid) > 0
        assert image.config["StopSignal"] == "SIGTERM"
        assert "8080/tcp" in image.config["ExposedPorts"]


class TestContainer:
    def test_any_user_can_run_it_and_the_data_outlives_it(self, run, volume, user, new_replica):
        # If this fails, a container with another user, a read-only file system and no capabilities does
        # not work, or loses tasks when it is replaced.
        first = served(run(user=UNPRIVILEGED_USER))
        laptop = new_replica(URL, user, entering=first.network)
        laptop.add("Buy milk")
        laptop.sync()
        assert first.stop() == 0
        assert (volume / "tcsync").stat().st_uid == int(UNPRIVILEGED_USER.split(":")[0])
        assert (volume / "tcsync").stat().st_mode & 0o077 == 0

        second = served(run(user=UNPRIVILEGED_USER))
        desktop = new_replica(URL, user, entering=second.network)
        desktop.sync()
        assert desktop.descriptions() == {"Buy milk"}
        assert second.stop() == 0

    def test_its_file_system_is_read_only(self, run):
        # If this fails, the other tests show nothing about a read-only root.
        container = served(run())
        for directory in ("/tmp", "/var/tmp", "/usr/local/bin", "/root", "/run"):
            done = container.exec("touch", f"{directory}/x")
            assert done.returncode != 0, directory
        # Where a restore drill works.
        made = container.exec("mktemp")
        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith("/data/")
        assert container.exec("rm", made.stdout.strip()).returncode == 0

    def test_drops_root_after_taking_over_the_volume(self, run, volume, user, new_replica):
        # If this fails, it does not start on Fly and Railway, which mount volumes that only root can write, or it
        # serves as root there.
        os.chown(volume, 0, 0)
        volume.chmod(0o755)
        container = served(run(user="0:0"))
        status = container.exec("cat", "/proc/1/status").stdout
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == ["65532"] * 4
        assert fields["Gid"].split() == ["65532"] * 4
        assert fields["Groups"].split() == []
        assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert fields["NoNewPrivs"] == "1"
        new_replica(URL, user, entering=container.network).sync()
        assert container.stop() == 0
        # Files that a command left there as root do not stop the next start.
        for path in (volume / "tcsync").rglob("*"):
            os.chown(path, 0, 0)
        assert served(run(user="0:0")).stop() == 0

    def test_warns_without_a_volume(self, run):
        # If this fails, an operator who forgot the volume learns of it when the container is replaced.
        assert "no volume" not in served(run()).log
        without = run("--version", volume=None)
        assert without.wait() == 0
        assert "no volume is mounted at /data" in without.log

    def test_passes_its_arguments_to_the_server(self, run):
        # If this fails, `docker run IMAGE --memory-budget 64M` and `docker run IMAGE credentials` differ from
        # the docs.
        container = run("credentials", "--url", "https://sync.example.org")
        assert container.wait() == 0
        assert "sync.server.url=https://sync.example.org" in container.log


class Hosts:
    """One data directory, served by turns on this machine and in the container, whose Debian has another RocksDB."""

    def __init__(self, start_server, run, volume):
        self._start_server = start_server
        self._run = run
        self.volume = volume
        self.data_dir = volume / "tcsync"

    @contextlib.contextmanager
    def machine(self):
        """Ends in a crash: the next host has to read the log that this one wrote."""
        server = self._start_server(data_dir=self.data_dir)
        yield server.url
        server.kill()

    @contextlib.contextmanager
    def container(self):
        """Likewise. Its network is its own, so it listens on a socket in the volume as well."""
        (self.volume / "s").unlink(missing_ok=True)
        container = served(self._run(user="0:0", env=("LISTEN=127.0.0.1:8080,unix:/data/s",)))
        yield f"unix:{self.volume}/s"
        container.kill()

    def run_in_container(self, *arguments):
        done = self._run(*arguments, user="0:0")
        assert done.wait() == 0, done.log


class TestMoving:
    def test_a_data_directory_moves_into_the_image_and_back(self, start_server, run, volume, tmp_path):
        # If this fails, a new image, or a new Debian, cannot read the data of the one before; or there is no way back.
        hosts = Hosts(start_server, run, volume)
        chains = {client: [] for client in CLIENTS}
        snapshots = {}
        for step, host in enumerate((hosts.machine, hosts.container, hosts.machine, hosts.container)):
            with host() as url:
                for client, chain in chains.items():
                    assert [version.segment for version in wire.history(url, client)] == chain
                    assert wire.get_snapshot(url, client).body == snapshots.get(client, b"")
                    add_to(url, client, chain, step)
                    latest = wire.history(url, client)[-1].version_id
                    snapshots[client] = os.urandom(SEPARATE_BYTES)
                    assert wire.add_snapshot(url, client, latest, snapshots[client]).status == 200
            # The data of the crash is read back here, and every file of the other release is read.
            if host == hosts.machine:
                hosts.run_in_container("verify")
            else:
                assert admin.as_json(hosts.data_dir, "verify")["problems"] == []
        with hosts.machine() as url:
            for client, chain in chains.items():
                assert [version.segment for version in wire.history(url, client)] == chain
                assert wire.get_snapshot(url, client).body == snapshots[client]

    def test_a_backup_can_be_restored_in_the_other_environment(self, start_server, run, volume, tmp_path):
        # If this fails, a backup is of use only on machines like the one that made it.
        hosts = Hosts(start_server, run, volume)
        chain = []
        with hosts.machine() as url:
            add_to(url, CLIENTS[0], chain, 0)
        # A directory of backups serves both, one after the other.
        admin.succeed(hosts.data_dir, "backup", volume / "backups")
        with hosts.container() as url:
            add_to(url, CLIENTS[0], chain, 1)
        hosts.run_in_container("backup", "/data/backups")
        hosts.run_in_container("restore", "--drill", "/data/backups")
        admin.succeed(tmp_path / "restored", "restore", volume / "backups", "--yes")
        restored = start_server(data_dir=tmp_path / "restored")
        assert [version.segment for version in wire.history(restored.url, CLIENTS[0])] == chain


class TestHealth:
    def test_the_check_reports_the_state_of_the_server(self, image, run):
        # If this fails, an engine restarts a server that is well, or keeps one that is not.
        assert image.healthcheck["Test"][0] == "CMD"
        command = image.healthcheck["Test"][1:]
        container = served(run())
        done = container.exec(*command)
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize(("status", "exit_status"), [(200, 0), (503, 1), (404, 1)])
    def test_only_200_is_healthy(self, status, exit_status):
        # If this fails, the container's supervisor takes a failing server for a healthy one.
        with web.backend(status) as backend:
            environment = {**os.environ, "LISTEN": f"{backend.url.removeprefix('http://')},unix:/elsewhere"}
            done = image_module.run_bounded([str(HEALTHCHECK)], env=environment, timeout_s=60)
        assert done.returncode == exit_status
        assert bool(done.stdout) == bool(exit_status)

    def test_is_unhealthy_when_nothing_listens(self, image, run):
        # If this fails, the tests above show nothing.
        container = served(run(env=("LISTEN=127.0.0.1:8081,127.0.0.1:8080",)))
        command = image.healthcheck["Test"][1:]
        assert container.exec("env", "LISTEN=127.0.0.1:9", *command).returncode == 1
