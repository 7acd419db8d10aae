"""The Debian packages, made out of this build and installed by apt on a fresh Debian, with the real server and the real
Taskwarrior there. If one of these fails, people cannot install, upgrade or remove tcsync by docs/deploy.md, or lose
something by it.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import debian_machine
import prerequisites
import pytest
from debian_machine import Machine
from support import BUILD_DIR, REPOSITORY, run_bounded, wait_until

BUILD = REPOSITORY / "src/cmake/packages/build.sh"
INSTALL_PACKAGES = REPOSITORY / "src/cmake/install-packages.sh"
OUTPUT = BUILD_DIR / "packages"
NAMES = ("tcsync-server", "libtcsync0", "libtcsync-dev", "python3-tcsync")
BUILD_TIMEOUT_S = 600
START_TIMEOUT_S = 60
SERVICE, TIMER = "tcsync-server.service", "tcsync-backup.timer"
URL = "http://127.0.0.1:8080"
ENABLED = {
    SERVICE: f"/etc/systemd/system/multi-user.target.wants/{SERVICE}",
    TIMER: f"/etc/systemd/system/timers.target.wants/{TIMER}",
}
# What a build of the packages reads.
SOURCES = ("CMakeLists.txt", "LICENSE", "capi", "docs", "examples", "include", "src")
# Those of an operator; of all four packages they were 3.7 MB and 20 MB.
PACKED_BYTES_MAX, INSTALLED_KIB_MAX = 8_000_000, 40_000


def build(output, *options, script=BUILD, check=True, **variables):
    """Makes packages; their paths by name, or the messages of a refusal."""
    done = run_bounded(
        [str(script), *options, str(BUILD_DIR), str(output)], env={**os.environ, **variables}, timeout_s=BUILD_TIMEOUT_S
    )
    if not check:
        assert done.returncode != 0
        return done.stderr
    assert done.returncode == 0, done.stderr[-5000:]
    return {Path(line).name.split("_")[0]: Path(line) for line in done.stdout.splitlines()}


@pytest.fixture(scope="module")
def packages():
    if re.search(
        r"^CMAKE_BUILD_TYPE:\w+=Debug$", (BUILD_DIR / "CMakeCache.txt").read_text(encoding="utf-8"), re.MULTILINE
    ):
        prerequisites.lacking("packages are made of a build with optimisation")
    done = run_bounded([str(INSTALL_PACKAGES), "package"], timeout_s=BUILD_TIMEOUT_S)
    if done.returncode != 0:
        prerequisites.lacking(done.stderr)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    begin = time.monotonic()
    made = build(OUTPUT)
    print(
        f"\npackages in {time.monotonic() - begin:.1f} s:", {name: path.stat().st_size for name, path in made.items()}
    )
    assert set(made) == set(NAMES)
    return made


@pytest.fixture(scope="module")
def upgrades(packages):
    """The same release, packed again as the second revision."""
    return build(OUTPUT, "--revision", "2")


@pytest.fixture(scope="module")
def start_machine(packages, task_client, tmp_path_factory):
    debian_machine.prepare(list(packages.values()))
    machines = []

    def start():
        machines.append(Machine(tmp_path_factory.mktemp("machine"), OUTPUT, task_client))
        return machines[-1]

    yield start
    for machine in machines:
        machine.end()


@pytest.fixture
def machine(start_machine):
    return start_machine()


def wait_until_serving(machine):
    def is_serving():
        assert machine.is_active(SERVICE), machine.read(f"/var/log/{SERVICE}")
        return '"status":"ok"' in machine.health()

    wait_until(is_serving, START_TIMEOUT_S, "the packaged server answers")


def wait_until_ended(machine):
    wait_until(lambda: not machine.is_active(SERVICE), START_TIMEOUT_S, "the server ends")


class TestFiles:
    def test_lintian_finds_nothing(self, packages):
        # If this fails, the packages break a rule of Debian's, and with it somebody's system.
        lintian = prerequisites.program("lintian")
        done = run_bounded([lintian, "--allow-root", *map(str, packages.values())], timeout_s=BUILD_TIMEOUT_S)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr

    def test_another_directory_and_environment_give_the_same_bytes(self, packages, tmp_path):
        # If this fails, nobody can check that a package was made out of the sources that it names.
        elsewhere = tmp_path / "another place"
        elsewhere.mkdir()
        for name in SOURCES:
            source = REPOSITORY / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, elsewhere / name)
        epoch = run_bounded(
            ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY), "log", "-1", "--format=%ct"], timeout_s=60
        ).stdout.strip()
        variables = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "HOME": str(tmp_path), "DESTDIR": "/nowhere"}
        if epoch:
            variables["SOURCE_DATE_EPOCH"] = epoch
        script = elsewhere / BUILD.relative_to(REPOSITORY)
        again = build(tmp_path / "output", script=script, **variables)
        for name, path in packages.items():
            assert again[name].name == path.name
            assert again[name].read_bytes() == path.read_bytes(), name
        assert sorted(path.name for path in (tmp_path / "output").iterdir()) == sorted(
            path.name for path in packages.values()
        )

    @pytest.mark.parametrize("file", ["lib/libtcsync.so.0", "bin/tcsync-server"])
    def test_no_program_names_the_directory_of_its_build(self, file):
        # If this fails, another directory of the sources gives another build ID, and so other packages.
        content = (BUILD_DIR / file).read_bytes()
        assert str(REPOSITORY).encode() not in content
        assert str(BUILD_DIR).encode() not in content

    def test_their_size_is_that_of_programs_without_debug_information(self, packages):
        # If this fails, an upgrade takes a small machine's disk.
        fields = [
            run_bounded(["dpkg-deb", "--field", str(path), "Installed-Size"], timeout_s=30).stdout
            for path in packages.values()
        ]
        assert sum(map(int, fields)) < INSTALLED_KIB_MAX
        assert sum(path.stat().st_size for path in packages.values()) < PACKED_BYTES_MAX

    def test_what_cannot_be_packed_is_refused(self, tmp_path):
        # If this fails, a release has packages of another build than its name says.
        assert "the revision '0' is not a number" in build(tmp_path, "--revision", "0", check=False)
        copy = tmp_path / "sources"
        for name in ("capi/include/tcsync.h", "src/cmake"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            source = REPOSITORY / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        header = copy / "capi/include/tcsync.h"
        text = header.read_text(encoding="utf-8")
        header.write_text(re.sub(r"(TCSYNC_VERSION_MAJOR) \d+", r"\1 99", text), encoding="utf-8")
        refusal = build(tmp_path / "output", script=copy / "src/cmake/packages/build.sh", check=False)
        assert re.search(r"the sources are of tcsync 99\.\S+, but \S+ has tcsync-server .*: build again", refusal)
        assert list((tmp_path / "output").iterdir()) == []


class Person:
    """An ordinary user of a machine. Each of the person's computers is a home of its own."""

    def __init__(self, machine):
        self._machine = machine
        machine.run("useradd", "--create-home", "ada")

    def run(self, computer, *command, given=""):
        home = f"/home/ada/{computer}"
        self._machine.run("mkdir", "-p", home, user="ada")
        return self._machine.output(*command, user="ada", given=given, HOME=home)

    def set_up(self):
        """Sets both computers up, and syncs a task from the first to the second."""
        self._machine.run("install", "-D", "-o", "ada", "/dev/null", "/home/ada/laptop/.taskrc")
        self._machine.run("chown", "ada", "/home/ada/laptop")
        self.task("laptop", "add", "Buy milk")
        self.run("laptop", "tcsync", "setup", "--first-computer", "--server-url", URL, "--yes", "--no-auto")
        code = self.run("laptop", "tcsync", "pair")
        self.run("desktop", "tcsync", "setup", "--pairing-code-file", "-", "--yes", "--no-auto", given=code)
        assert self.descriptions("desktop") == {"Buy milk"}

    def task(self, computer, *words):
        return self.run(computer, "task", "rc.confirmation=off", *words)

    def pass_on(self, description):
        """Adds a task on the second computer, which must come to the first."""
        self.task("desktop", "add", description)
        self.task("desktop", "sync")
        self.task("laptop", "sync")
        assert description in self.descriptions("laptop")

    def descriptions(self, computer):
        return set(re.findall(r'"description":"([^"]*)"', self.task(computer, "export")))


class TestLife:
    """From the installation to the purge, and back, on one machine; the tests build on each other."""

    @pytest.fixture(scope="class")
    def machine(self, start_machine):
        return start_machine()

    @pytest.fixture(scope="class")
    def person(self, machine):
        return Person(machine)

    def test_one_command_installs_and_starts_everything(self, machine, packages):
        # If this fails, an operator has more to do after apt than docs/deploy.md says, or a server as root.
        begin = time.monotonic()
        machine.install(*packages.values())
        print(f"\ninstalled in {time.monotonic() - begin:.1f} s")
        for name in NAMES:
            assert machine.state_of(name) == "installed"
        for unit, link in ENABLED.items():
            assert machine.is_active(unit)
            assert machine.output("readlink", "-f", link).endswith(f"/lib/systemd/system/{unit}")
            assert machine.output("systemctl", "is-enabled", unit) == "enabled"
        wait_until_serving(machine)
        status = machine.read(f"/proc/{machine.main_pid(SERVICE)}/status")
        assert re.search(rf"^Uid:\s+{machine.output('id', '-u', 'tcsync')}\b", status, re.MULTILINE)
        assert machine.output("stat", "-c", "%U %a", "/var/lib/tcsync") == "tcsync 700"
        assert int(machine.output("id", "-u", "tcsync")) < 1000
        assert machine.output("dpkg-query", "--show", "--showformat=${Conffiles}", "tcsync-server").startswith(
            "/etc/tcsync/tcsync.env "
        )

    def test_the_services_are_restricted(self, machine):
        # If this fails, the packaged service is less protected than the one that was installed by hand.
        (drop_in,) = machine.output("find", "/usr/lib/systemd/system/tcsync-.service.d", "-type", "f").split()
        assert machine.read(drop_in) == (
            REPOSITORY / "examples/deploy/systemd/tcsync-.service.d/hardening.conf"
        ).read_text(encoding="utf-8")
        for unit in (SERVICE, "tcsync-server@.service", "tcsync-backup.service", TIMER):
            text = machine.read(f"/usr/lib/systemd/system/{unit}")
            assert "/usr/local" not in text
        assert "ExecStart=/usr/bin/tcsync-server serve" in machine.read(f"/usr/lib/systemd/system/{SERVICE}")

    def test_manual_pages_and_completions_are_there(self, machine):
        # If this fails, `man tcsync` finds nothing, or the Tab key does nothing.
        pages = {path.name for path in (REPOSITORY / "docs/man").iterdir()}
        found = machine.output("find", "/usr/share/man", "-name", "tcsync*", "-printf", "%f\\n")
        # Of minbase, dpkg may leave documentation out; the packages have it in any case.
        listed = machine.output("dpkg", "--listfiles", "tcsync-server", "python3-tcsync")
        assert {Path(line).name.removesuffix(".gz") for line in listed.splitlines() if "/share/man/" in line} >= pages
        assert len(found.splitlines()) == len(pages)
        for path, word in (
            ("bash-completion/completions/tcsync", "complete"),
            ("zsh/vendor-completions/_tcsync", "#compdef tcsync"),
            ("fish/vendor_completions.d/tcsync.fish", "complete --no-files --command tcsync"),
        ):
            assert word in machine.read(f"/usr/share/{path}")

    def test_two_computers_sync_through_it(self, machine, person):
        # If this fails, the packages are installed and of no use.
        person.set_up()
        person.pass_on("Call Ada")
        metadata = "import importlib.metadata as m; print(m.version('tcsync'), m.metadata('tcsync')['License'])"
        assert machine.output("python3", "-c", metadata) == f"{release()} MIT"

    def test_a_c_program_embeds_the_library(self, machine):
        # If this fails, a C program that was written by docs/c-abi.md cannot be built with the package.
        machine.write("/tmp/embed.c", (REPOSITORY / "examples/embed.c").read_text(encoding="utf-8"))
        machine.run("sh", "-ec", "cc /tmp/embed.c -o /tmp/embed $(pkg-config --cflags --libs tcsync)")
        assert machine.output("pkg-config", "--modversion", "tcsync") == release()
        machine.run("/tmp/embed", "/tmp/embedded")
        linked = machine.output("ldd", "/tmp/embed")
        assert re.search(r"libtcsync\.so\.0 => /(usr/)?lib/[^/]+-linux-gnu/libtcsync\.so\.0 ", linked)

    def test_a_backup_is_made_by_the_packaged_unit(self, machine):
        # If this fails, the timer starts a program that is not there.
        machine.run("systemctl", "start", "tcsync-backup.service")
        log = "/var/log/tcsync-backup.service"
        wait_until(lambda: not machine.is_active("tcsync-backup.service"), START_TIMEOUT_S, "the backup ends")
        assert machine.output("find", "/var/lib/tcsync/backups", "-mindepth", "1", "-maxdepth", "1"), machine.read(log)

    def test_an_upgrade_restarts_the_servers_and_keeps_the_operators_settings(self, machine, person, upgrades):
        # If this fails, the old version continues to run, or an operator's settings are gone.
        machine.run("sh", "-c", "echo SNAPSHOT_VERSIONS=7 >> /etc/tcsync/tcsync.env")
        machine.write("/etc/tcsync/bob.env", "LISTEN=127.0.0.1:8101\n")
        machine.run("systemctl", "start", "tcsync-server@bob.service")
        before = {unit: machine.main_pid(unit) for unit in (SERVICE, "tcsync-server@bob.service")}
        machine.install(*upgrades.values())
        wait_until_serving(machine)
        for unit, pid in before.items():
            assert machine.is_active(unit)
            assert machine.main_pid(unit) != pid
            assert not machine.is_there(f"/proc/{pid}/exe")
        assert "SNAPSHOT_VERSIONS=7\n" in machine.read("/etc/tcsync/tcsync.env")
        assert not machine.is_there("/etc/tcsync/tcsync.env.dpkg-dist")
        person.pass_on("Water plants")
        options = machine.output(
            "runuser", "-u", "tcsync", "--", "env", "DATA_DIR=/var/lib/tcsync/data", "tcsync-server", "options-in-force"
        )
        assert re.search(r"snapshot-versions\W+7\b", options)

    def test_new_defaults_do_not_replace_the_operators_settings(self, machine, upgrades, tmp_path):
        # If this fails, an unattended upgrade stops at a question, or overwrites the settings of a server.
        tree = tmp_path / "tree"
        subprocess.run(["dpkg-deb", "--raw-extract", upgrades["tcsync-server"], tree], check=True, timeout=60)
        with open(tree / "etc/tcsync/tcsync.env", "a", encoding="utf-8") as settings:
            settings.write("# A later release's words.\n")
        control = tree / "DEBIAN/control"
        text = control.read_text(encoding="utf-8")
        control.write_text(re.sub(r"^(Version: .*)-2~", r"\1-3~", text, flags=re.MULTILINE), encoding="utf-8")
        later = OUTPUT / "later.deb"
        subprocess.run(
            ["dpkg-deb", "--build", "-Zgzip", tree, later], check=True, timeout=60, stdout=subprocess.DEVNULL
        )
        try:
            machine.install(
                later, options=("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
            )
        finally:
            later.unlink()
        assert "SNAPSHOT_VERSIONS=7\n" in machine.read("/etc/tcsync/tcsync.env")
        assert "A later release's words." in machine.read("/etc/tcsync/tcsync.env.dpkg-dist")
        wait_until_serving(machine)

    def test_a_removal_stops_everything_and_keeps_data_and_settings(self, machine):
        # If this fails, a removed server still serves, or whoever installs it again begins from nothing.
        machine.apt("remove", "tcsync-server")
        for unit in (SERVICE, TIMER, "tcsync-server@bob.service"):
            assert not machine.is_active(unit)
        assert machine.health() == ""
        assert machine.is_there("/etc/tcsync/tcsync.env")
        assert machine.is_there("/var/lib/tcsync/data")
        assert machine.state_of("tcsync-server") == "config-files"

    def test_a_purge_removes_the_configuration_and_says_where_the_data_is(self, machine):
        # If this fails, a purge deletes the only copy of users' tasks, or leaves files that nobody knows of.
        said = machine.apt("purge", "tcsync-server")
        assert "the data of users and its backups are kept in /var/lib/tcsync." in said
        assert "the data of users and its backups are kept in /var/lib/tcsync-users." in said
        assert not machine.is_there("/etc/tcsync/tcsync.env")
        for link in ENABLED.values():
            assert machine.run("test", "-L", link, check=False).returncode != 0
        assert machine.output("stat", "-c", "%U", "/var/lib/tcsync/data") == "tcsync"

    def test_a_new_installation_continues_with_the_data(self, machine, person, packages):
        # If this fails, a purge by mistake costs the users their history after all.
        machine.install(*packages.values(), options=("--allow-downgrades",))
        wait_until_serving(machine)
        person.pass_on("Pay rent")


class TestOddMachines:
    def test_the_server_alone_brings_neither_python_nor_headers(self, machine, packages):
        # If this fails, a small server is filled with programs that it does not need.
        machine.install(packages["tcsync-server"], packages["libtcsync0"])
        wait_until_serving(machine)
        assert machine.state_of("python3") == ""
        assert not machine.is_there("/usr/include/tcsync.h")

    def test_the_wizard_alone_brings_no_server(self, machine, packages):
        # If this fails, everybody with a task list has a server running.
        machine.install(packages["python3-tcsync"], packages["libtcsync0"])
        assert machine.output("tcsync", "--version") == f"tcsync, version {release()}"
        assert not machine.is_there("/usr/bin/tcsync-server")
        assert machine.run("getent", "passwd", "tcsync", check=False).returncode != 0

    def test_a_user_of_that_name_is_used_and_not_changed(self, machine, packages):
        # If this fails, an installation changes an account that it did not make, or its service does not start.
        machine.run("useradd", "--create-home", "--gid", "users", "--no-user-group", "tcsync")
        before = machine.output("getent", "passwd", "tcsync")
        machine.install(packages["tcsync-server"], packages["libtcsync0"])
        wait_until_serving(machine)
        assert machine.output("getent", "passwd", "tcsync") == before
        machine.apt("purge", "tcsync-server")
        assert machine.output("getent", "passwd", "tcsync") == before

    def test_a_read_only_state_directory_stops_the_server_and_not_dpkg(self, machine, packages):
        # If this fails, a broken disk leaves apt unable to install anything at all.
        machine.run("mkdir", "-p", "/var/lib/tcsync")
        machine.run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/var/lib/tcsync")
        machine.install(packages["tcsync-server"], packages["libtcsync0"])
        assert machine.state_of("tcsync-server") == "installed"
        wait_until_ended(machine)
        machine.run("mount", "-o", "remount,rw", "/var/lib/tcsync")
        machine.run("systemctl", "restart", SERVICE)
        wait_until_serving(machine)

    def test_a_failing_start_leaves_the_package_installed(self, machine, packages, upgrades):
        # If this fails, a mistake in the settings leaves dpkg half-configured, on installation and at each upgrade.
        machine.run("touch", "/run/refuse-start")
        machine.install(packages["tcsync-server"], packages["libtcsync0"])
        assert machine.state_of("tcsync-server") == "installed"
        machine.install(upgrades["tcsync-server"], upgrades["libtcsync0"])
        assert machine.state_of("tcsync-server") == "installed"
        assert machine.output("dpkg", "--audit") == ""
        machine.run("rm", "/run/refuse-start")
        machine.run("systemctl", "start", SERVICE)
        wait_until_serving(machine)

    def test_a_disabled_service_stays_disabled(self, machine, packages, upgrades):
        # If this fails, an upgrade starts a server that its operator has switched off.
        machine.install(packages["tcsync-server"], packages["libtcsync0"])
        machine.run("systemctl", "stop", SERVICE)
        machine.run("systemctl", "disable", SERVICE)
        machine.install(upgrades["tcsync-server"], upgrades["libtcsync0"])
        assert not machine.is_active(SERVICE)
        assert machine.run("systemctl", "is-enabled", SERVICE, check=False).stdout == "disabled\n"

    def test_a_masked_service_is_not_started(self, machine, packages):
        # If this fails, a server of a cluster makes a data directory of its own, as docs/cluster.md warns.
        machine.run("systemctl.real", "--root=/", "mask", SERVICE, TIMER)
        said = machine.install(packages["tcsync-server"], packages["libtcsync0"]).stdout
        assert "installation by hand" not in said
        for unit in (SERVICE, TIMER):
            assert not machine.is_active(unit)
        assert not machine.is_there("/var/lib/tcsync/data")
        machine.run("systemctl.real", "--root=/", "unmask", SERVICE, TIMER)
        machine.run("systemctl", "enable", SERVICE)
        machine.run("systemctl", "start", SERVICE)
        wait_until_serving(machine)

    def test_an_installation_by_hand_is_named_and_can_be_removed_by_the_printed_line(self, machine, packages, tmp_path):
        # If this fails, an operator installs a package, and the old server continues to run unnoticed.
        by_hand = tmp_path / "prefix"
        done = run_bounded(["cmake", "--install", str(BUILD_DIR), "--prefix", str(by_hand)], timeout_s=BUILD_TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        shutil.copytree(by_hand, OUTPUT / "by-hand", symlinks=True, dirs_exist_ok=True)
        shutil.copytree(REPOSITORY / "examples/deploy/systemd", OUTPUT / "units", dirs_exist_ok=True)
        try:
            machine.run("cp", "-r", "/opt/packages/by-hand/.", "/usr/local")
            machine.run("sh", "-c", "cd /opt/packages/units && cp -r *.service *.timer *.d /etc/systemd/system")
        finally:
            shutil.rmtree(OUTPUT / "by-hand")
            shutil.rmtree(OUTPUT / "units")
        machine.run("systemctl", "enable", SERVICE, TIMER)

        said = machine.install(packages["tcsync-server"], packages["libtcsync0"]).stdout
        assert machine.output("sh", "-c", "command -v tcsync-server") == "/usr/local/bin/tcsync-server"
        (line,) = re.findall(r"^  (rm -r .*)$", said, re.MULTILINE)
        for file in ("/usr/local/bin/tcsync-server", "/usr/local/lib/libtcsync.so.0", f"/etc/systemd/system/{SERVICE}"):
            assert file in line.split()

        machine.run("sh", "-ec", line)
        wait_until_serving(machine)
        assert machine.output("sh", "-c", "command -v tcsync-server") == "/usr/bin/tcsync-server"
        assert machine.output("readlink", f"/proc/{machine.main_pid(SERVICE)}/exe") == "/usr/bin/tcsync-server"
        for unit, link in ENABLED.items():
            assert machine.output("readlink", "-f", link).endswith(f"/lib/systemd/system/{unit}")
        assert "/usr/local" not in machine.output("ldd", "/usr/bin/tcsync-server")


def release():
    text = (REPOSITORY / "capi/include/tcsync.h").read_text(encoding="utf-8")
    return ".".join(re.findall(r"^#define TCSYNC_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", text, re.MULTILINE))
