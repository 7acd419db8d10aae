"""The files of examples/deploy agree with each other, with the server, and with the documents that name them.

If one of these fails, a setting that an operator relies on has no effect.
"""

import configparser
import ipaddress
import json
import re
from pathlib import Path

import prerequisites
import pytest
import server as server_module
import tomllib
import wire
import yaml
from support import REPOSITORY, run_bounded

DEPLOY = REPOSITORY / "examples/deploy"
DOCS = REPOSITORY / "docs"
PAGES = ("cluster", "deploy", "operating", "privacy", "threat-model", "public-server")


@pytest.fixture(scope="module")
def variables():
    """The environment variables that the server reads, by its own table."""
    page = run_bounded([str(server_module.BINARY), "options"], timeout_s=60).stdout
    found = set(re.findall(r"\| `([A-Z_]+)` \|", page))
    assert {"LISTEN", "TCSYNC_TRUSTED_PROXY"} <= found
    return found


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "docker/compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fly():
    return tomllib.loads((DEPLOY / "fly/fly.toml").read_text(encoding="utf-8"))


def unit_environment(path):
    text = path.read_text(encoding="utf-8")
    return dict(
        pair.split("=", 1) for line in re.findall(r"^Environment=(.+)$", text, re.MULTILINE) for pair in line.split()
    )


def environment_file(path, commented=False):
    """The variables of a file as systemd reads it; `commented`: also of lines that an operator may uncomment."""
    comment = "#?" if commented else ""
    text = path.read_text(encoding="utf-8")
    return dict(re.findall(rf"^{comment}([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))


class TestVariables:
    def test_every_variable_is_an_option_of_the_server(self, variables, compose, fly):
        # If this fails, a mistyped variable in an example sets nothing.
        units = [unit_environment(path) for path in (DEPLOY / "systemd").glob("*.service")]
        dockerfile = (DEPLOY / "docker/Dockerfile").read_text(encoding="utf-8")
        image = re.findall(r"([A-Z_]+)=", re.search(r"^ENV (DATA_DIR.*)$", dockerfile, re.MULTILINE)[1])
        cluster = environment_file(DEPLOY / "cluster/tcsync.env", commented=True)
        servers = {name for name in cluster if not name.startswith("PG")}  # these are libpq's
        servers.update(environment_file(DEPLOY / "systemd/tcsync.env", commented=True))
        used = set(image).union(compose["services"]["tcsync"]["environment"], fly["env"], servers, *units)
        assert "DATA_DIR" in used
        assert used - variables == set()

    def test_the_server_accepts_their_values(self, compose, fly, start_server):
        # If this fails, the server of that platform ends with "option makes no sense" instead of starting.
        for environment in (compose["services"]["tcsync"]["environment"], fly["env"]):
            elsewhere = {"LISTEN": "", "DATA_DIR": "", "TCSYNC_METRICS_LISTEN": ""}
            server = start_server(env={**environment, **elsewhere})
            assert wire.index(server.url).status == 200
        for path in (DEPLOY / "systemd").glob("tcsync-server*.service"):
            environment = {name: value.replace("%i", "ada") for name, value in unit_environment(path).items()}
            base_path = environment.get("TCSYNC_BASE_PATH", "")
            server = start_server(env={**environment, "LISTEN": "", "DATA_DIR": ""})
            assert wire.request(server.url, "GET", f"{base_path}/").status == 200


class TestCompose:
    def test_the_proxys_network_is_the_trusted_one(self, compose):
        # If this fails, every client has the proxy's address, and one flood stops all.
        server = compose["services"]["tcsync"]
        (network,) = compose["networks"]["front"]["ipam"]["config"]
        assert ipaddress.ip_network(network["subnet"]) == ipaddress.ip_network(
            server["environment"]["TCSYNC_TRUSTED_PROXY"]
        )
        for service in compose["services"].values():
            assert service["networks"] == ["front"]

    def test_only_the_proxy_is_published(self, compose):
        # If this fails, the internet reads the metrics, or gets at the server with any X-Forwarded-For.
        assert [name for name, service in compose["services"].items() if "ports" in service] == ["caddy"]

    def test_the_files_that_it_names_exist(self, compose):
        # If this fails, `docker compose up` stops at a missing file.
        folder = DEPLOY / "docker"
        build = compose["services"]["tcsync"]["build"]
        context = (folder / build["context"]).resolve()
        assert context == REPOSITORY
        assert (context / build["dockerfile"]).is_file()
        for service in compose["services"].values():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                assert (folder / source).is_file() if source.startswith(".") else source in compose["volumes"], volume
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]

    def test_a_compose_program_accepts_it(self):
        # If this fails, `docker compose up` ends with a message about the file.
        compose = prerequisites.program("docker-compose")
        command = [compose, "--file", str(DEPLOY / "docker/compose.yaml"), "config", "--quiet"]
        done = run_bounded(command, env={"PATH": "/usr/bin:/bin", "TCSYNC_DOMAIN": "sync.example.org"}, timeout_s=120)
        assert done.returncode == 0, done.stderr
        unnamed = run_bounded(command, env={"PATH": "/usr/bin:/bin"}, timeout_s=120)
        assert unnamed.returncode != 0
        assert "TCSYNC_DOMAIN" in unnamed.stderr


class TestPlatforms:
    def test_the_fly_configuration_matches_the_server(self, fly):
        # If this fails, a deployment on Fly.io is unreachable, unhealthy, or loses its data with the machine.
        assert fly["http_service"]["force_https"] is True
        assert fly["vm"][0]["memory"] == "256mb"
        assert fly["env"]["LISTEN"].endswith(f":{fly['http_service']['internal_port']}")
        assert fly["env"]["TCSYNC_METRICS_LISTEN"].endswith(f":{fly['metrics']['port']}")
        assert Path(fly["env"]["DATA_DIR"]).is_relative_to(fly["mounts"][0]["destination"])
        assert [check["path"] for check in fly["http_service"]["checks"]] == ["/health"]
        dockerfile = (DEPLOY / "docker/Dockerfile").read_text(encoding="utf-8")
        assert all(re.search(rf"^ARG {name}\b", dockerfile, re.MULTILINE) for name in fly["build"]["args"])

    def test_the_railway_configuration_matches_the_server(self):
        # If this fails, Railway refuses the Dockerfile, or takes a healthy server for a dead one.
        railway = json.loads((DEPLOY / "railway/railway.json").read_text(encoding="utf-8"))
        dockerfile = REPOSITORY / railway["build"]["dockerfilePath"]
        # Railway refuses such a Dockerfile.
        assert not re.search(r"^VOLUME|--mount=type=cache", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
        assert railway["deploy"]["healthcheckPath"] == "/health"

    def test_the_backup_timer_starts_the_backup(self):
        # If this fails, no nightly backup is made.
        timer = configparser.ConfigParser(strict=False)
        timer.optionxform = str
        timer.read(DEPLOY / "systemd/tcsync-backup.timer")
        assert "OnCalendar" in timer["Timer"]
        assert timer["Timer"].get("Unit", "tcsync-backup.service") == "tcsync-backup.service"
        assert (DEPLOY / "systemd/tcsync-backup.service").is_file()


class TestCluster:
    """tests/campaign/failover.py runs a cluster from these files; here is what it would not notice."""

    FOLDER = DEPLOY / "cluster"

    def test_the_files_name_the_same_machines(self):
        # If this fails, a machine is missing somewhere, and nobody notices before another one fails.
        patroni = yaml.safe_load((self.FOLDER / "patroni.yml").read_text(encoding="utf-8"))
        machines = {host.split(":")[0] for host in patroni["etcd"]["hosts"].split(",")}
        etcd = environment_file(self.FOLDER / "etcd.env")
        server = environment_file(self.FOLDER / "tcsync.env")
        haproxy = (self.FOLDER / "haproxy.cfg").read_text(encoding="utf-8")
        caddyfile = (self.FOLDER / "Caddyfile").read_text(encoding="utf-8")
        assert len(machines) == 3
        assert set(re.findall(r"http://([0-9.]+):2380", etcd["ETCD_INITIAL_CLUSTER"])) == machines
        assert set(re.findall(r"[0-9.]{7,}", server["TCSYNC_POSTGRES_URL"])) == machines
        assert set(re.findall(r"^  server \S+ ([0-9.]+):5432$", haproxy, re.MULTILINE)) == machines
        assert server["LISTEN"] in re.search(r"reverse_proxy (.*) \{", caddyfile)[1].split()

    def test_patroni_is_not_given_less_time_than_it_needs(self):
        # If this fails, a primary that is cut off may still acknowledge when another one does.
        patroni = yaml.safe_load((self.FOLDER / "patroni.yml").read_text(encoding="utf-8"))
        settings = patroni["bootstrap"]["dcs"]
        assert settings["ttl"] >= settings["loop_wait"] + 2 * settings["retry_timeout"]
        assert settings["synchronous_mode"] and settings["synchronous_mode_strict"]

    def test_patroni_accepts_its_file(self):
        # If this fails, Patroni ignores a setting, or does not start.
        variables = environment_file(self.FOLDER / "patroni.env")
        command = [prerequisites.program("patroni"), "--validate-config", str(self.FOLDER / "patroni.yml")]
        done = run_bounded(command, env={"PATH": "/usr/bin:/bin", **variables}, timeout_s=120)
        # It looks for the machines, and for a part of the file that it does not need.
        expected = re.compile(r"is not reachable|is already in use|Cannot assign|^bootstrap\.pg_hba +is not defined")
        assert [line for line in (done.stdout + done.stderr).splitlines() if not expected.search(line)] == []

    def test_the_proxies_accept_their_files(self):
        # If this fails, the proxy does not start.
        caddy = [prerequisites.program("caddy"), "validate", "--adapter", "caddyfile", "--config"]
        for command in (
            [prerequisites.program("haproxy"), "-c", "-f", str(self.FOLDER / "haproxy.cfg")],
            [*caddy, str(self.FOLDER / "Caddyfile")],
        ):
            done = run_bounded(command, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}, timeout_s=120)
            assert done.returncode == 0, done.stderr


class TestDocuments:
    @pytest.mark.parametrize("name", PAGES)
    def test_options_named_in_documents_exist(self, name, variables):
        # If this fails, an operator sets something that nothing reads, and believes to be protected.
        text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
        assert set(re.findall(r"\bTCSYNC_[A-Z_]+\b", text)) - variables - {"TCSYNC_DOMAIN", "TCSYNC_UPSTREAM"} == set()
