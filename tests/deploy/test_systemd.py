"""The units of examples/deploy/systemd, as far as they can be judged where systemd is not the first process: it reads
them as it would at a start, weighs their restrictions, and the server's own system calls are compared with those that
they allow.

If one of these fails, the service does not start, or is less protected than docs/deploy.md says.
"""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import prerequisites
import pytest
import server as server_module
import wire
from server import Server
from support import REPOSITORY, run_bounded

UNITS = REPOSITORY / "examples/deploy/systemd"
PAGE = REPOSITORY / "docs/deploy.md"
TIMEOUT_S = 120
SERVICES = ("tcsync-server.service", "tcsync-server@ada.service", "tcsync-backup.service")
# 0 is a service that can do nothing, 10 one that can do everything; below 2 systemd says that all is well. The rest
# is the network, which a server needs.
EXPOSURE_MAX = 1.5


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A system in a directory, with the units and the server where the commands in docs/deploy.md put them."""
    prerequisites.program("systemd-analyze")
    root = tmp_path_factory.mktemp("system")
    units = root / "etc/systemd/system"
    units.mkdir(parents=True)
    (block,) = re.findall(
        r"^### Compiled$.*?```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    lines = [line for line in block.splitlines() if line.startswith(("install ", "cp "))]
    assert len(lines) == 3
    subprocess.run(
        ["sh", "-ec", "\n".join(lines).replace(" /etc/", f" {root}/etc/")],
        cwd=REPOSITORY,
        check=True,
        timeout=TIMEOUT_S,
    )
    (units / "tcsync-server@ada.service").symlink_to("tcsync-server@.service")
    for folder in ("usr/local/bin", "usr/lib/systemd", "bin"):
        (root / folder).mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    shutil.copy(server_module.BINARY, root / "usr/local/bin/tcsync-server")
    shutil.copy("/bin/kill", root / "bin/kill")
    shutil.copytree("/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    return root


def analyze(root, *arguments):
    return run_bounded([prerequisites.program("systemd-analyze"), f"--root={root}", *arguments], timeout_s=TIMEOUT_S)


class TestUnits:
    @pytest.mark.parametrize("unit", [*SERVICES, "tcsync-backup.timer"])
    def test_systemd_reports_no_fault(self, root, unit):
        # If this fails, systemd ignores a mistyped line of a unit, and with it a protection.
        done = analyze(root, "verify", unit)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")

    def test_systemd_reports_a_broken_unit(self, root):
        # If this fails, the test above shows nothing.
        broken = root / "etc/systemd/system/broken.service"
        broken.write_text("[Service]\nExecStart=/usr/local/bin/tcsync-serve\nMemoryMaximum=1\n", encoding="utf-8")
        messages = analyze(root, "verify", "broken.service").stderr
        broken.unlink()
        assert "not executable" in messages
        assert "MemoryMaximum" in messages

    def test_the_drop_in_for_tls_is_valid(self, root):
        # If this fails, docs/deploy.md has lines that systemd does not know.
        (text,) = re.findall(r"```ini\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        drop_in = root / "etc/systemd/system/tcsync-server.service.d"
        drop_in.mkdir()
        (drop_in / "override.conf").write_text(text, encoding="utf-8")
        done = analyze(root, "verify", "tcsync-server.service")
        shutil.rmtree(drop_in)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")

    @pytest.mark.parametrize("unit", SERVICES)
    def test_the_exposure_of_a_service_is_low(self, root, unit):
        # If this fails, a hijacked server can do more to the machine than docs/deploy.md says.
        done = analyze(root, "security", "--offline=true", f"--threshold={round(EXPOSURE_MAX * 10)}", unit)
        assert done.returncode == 0, done.stdout
        found = re.search(r"Overall exposure level for (\S+): ([0-9.]+)", done.stdout)
        assert found[1] == unit
        assert float(found[2]) <= EXPOSURE_MAX

    def test_the_user_can_be_created(self, root):
        # If this fails, an operator who follows docs/deploy.md has no user for the service.
        (root / "etc/passwd").touch()
        (root / "etc/group").touch()
        done = run_bounded(
            [prerequisites.program("systemd-sysusers"), f"--root={root}", "tcsync.conf"], timeout_s=TIMEOUT_S
        )
        assert done.returncode == 0, done.stderr
        assert re.search(
            r"^tcsync:.*:/var/lib/tcsync:", (root / "etc/passwd").read_text(encoding="utf-8"), re.MULTILINE
        )

    @pytest.mark.parametrize("unit", SERVICES)
    def test_uses_the_same_program_and_directory_as_the_other_units(self, unit):
        # If this fails, the backup is of another directory than the server's.
        text = (UNITS / unit.replace("ada", "")).read_text(encoding="utf-8")
        program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)[1]
        data_dir = re.search(r"DATA_DIR=(\S+)", text)[1]
        state = re.search(r"^StateDirectory=(\S+)", text, re.MULTILINE)[1]
        assert program == "/usr/local/bin/tcsync-server"
        assert data_dir == f"/var/lib/{state}/data"
        assert "StateDirectoryMode=0700" in text


class TestSystemCalls:
    def test_the_filter_allows_the_servers_system_calls(self, tmp_path):
        # If this fails, the service is killed or gets errors from the system that no other way of running it has.
        strace = prerequisites.program("strace")
        trace = tmp_path / "trace"
        wrapper = tmp_path / "traced"
        wrapper.write_text(
            f'#!/bin/sh\nexec {strace} --follow-forks --summary-only --output {trace} {server_module.BINARY} "$@"\n',
            encoding="utf-8",
        )
        wrapper.chmod(0o755)
        self._serve(wrapper, tmp_path)
        used = set(re.findall(r"^\s*[0-9.]+ .*?([a-z_0-9]+)$", trace.read_text(encoding="utf-8"), re.MULTILINE)) - {
            "total"
        }
        assert {"fdatasync", "accept4", "epoll_wait"} & used, used
        refused = used - self._allowed()
        # Asked for at a start, and done without where it is refused.
        assert refused <= {"setrlimit"}

    @staticmethod
    def _serve(binary, tmp_path):
        """Starts the server, writes, reads, lets it write out its memtable, and stops it."""
        original = server_module.BINARY
        server_module.BINARY = binary
        try:
            server = Server(tmp_path / "log", tmp_path / "data", "--memtable-bytes", "64K")
        finally:
            server_module.BINARY = original
        parent_id = wire.NIL_VERSION
        client_id = "9d5cf1df-12b8-4def-872b-4e3c54ca091d"
        for _ in range(20):
            added = wire.add_version(server.url, client_id, parent_id, bytes(100_000))
            assert added.status == 200
            parent_id = added.headers["X-Version-Id"]
        assert wire.add_snapshot(server.url, client_id, parent_id).status == 200
        assert wire.get_child_version(server.url, client_id, wire.NIL_VERSION).status == 200
        # The signal is for the server, which is strace's child.
        pid = server.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        subprocess.run(["kill", "-s", str(int(signal.SIGTERM)), child], check=True, timeout=TIMEOUT_S)
        server.wait_for_exit(timeout_s=60)

    @staticmethod
    def _allowed():
        """The system calls that the drop-in's filter leaves, by systemd's own lists."""
        text = (UNITS / "tcsync-.service.d/hardening.conf").read_text(encoding="utf-8")
        allowed = set()
        for inverted, names in re.findall(r"^SystemCallFilter=(~?)(.+)$", text, re.MULTILINE):
            calls = set().union(*map(_calls_of, names.split()))
            allowed = allowed - calls if inverted else allowed | calls
        return allowed


def _calls_of(name):
    if not name.startswith("@"):
        return {name}
    done = run_bounded([prerequisites.program("systemd-analyze"), "syscall-filter", name], timeout_s=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    names = re.findall(r"^ +([@a-z_0-9-]+)$", done.stdout, re.MULTILINE)
    return set().union(*map(_calls_of, names))
