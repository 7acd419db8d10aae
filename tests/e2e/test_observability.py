"""An operator's view: metrics as a real Prometheus reads them, the health, the alert rules, the dashboard."""

import http.client
import json
import re
import resource
import socket
import subprocess
import urllib.parse
import urllib.request
import uuid

import pytest
import wire
from server import ANY_PORT
from support import REPOSITORY, wait_until

MONITORING = REPOSITORY / "examples" / "deploy" / "monitoring"
DOCUMENT = REPOSITORY / "docs" / "metrics.md"
RUN_TIMEOUT_S = 60
PROMETHEUS_TIMEOUT_S = 120

# Exported only by servers with TLS.
ONLY_WITH_TLS = {"tcsync_tls_certificate_expiry_timestamp_seconds"}
# Of Prometheus itself.
PROMETHEUS_OWN = {"up"}


def get(address, path, method="GET"):
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, body


def samples(text):
    """The series of a scrape: {'name{labels}': value}."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            found[series] = float(value)
    return found


def families(text):
    """The families of a scrape: {name: (type, help)}."""
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.M))
    return {name: (kind, helps[name]) for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)}


class Observed:
    """A server with metrics."""

    def __init__(self, start_server, *flags, **options):
        self.server = start_server("--metrics-listen", ANY_PORT, *flags, **options)
        self.address = self.server.metrics_url.removeprefix("http://")

    def scrape(self):
        status, headers, body = get(self.address, "/metrics")
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return body

    def send_traffic(self):
        """Three versions, one conflict, a catch-up of three, a snapshot, two refusals."""
        url, client, parent = self.server.url, str(uuid.uuid4()), wire.NIL_VERSION
        for _ in range(3):
            answer = wire.add_version(url, client, parent)
            assert answer.status == 200
            parent = answer.headers["X-Version-Id"]
        assert wire.add_version(url, client, wire.NIL_VERSION).status == 409
        assert len(wire.history(url, client)) == 3
        address = self.server.addresses[0]
        assert get(address, "/v1/client/snapshot")[0] == 400  # without a client ID
        assert get(address, "/nothing/here")[0] == 404


@pytest.fixture
def observed(start_server):
    return Observed(start_server)


def promtool(*arguments, stdin=None):
    done = subprocess.run(
        ["promtool", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=RUN_TIMEOUT_S
    )
    return done.returncode, done.stdout + done.stderr


def metric_names(expression):
    """The names of tcsync's and the process' metrics in a PromQL expression."""
    return set(re.findall(r"\b((?:tcsync|process)_[a-z0-9_]+)(?=[{\[\s)]|$)", expression))


def without_suffix(name, known):
    """A histogram's series have suffixes that its family has not."""
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and name.removesuffix(suffix) in known:
            return name.removesuffix(suffix)
    return name


class TestMetrics:
    def test_promtool_accepts_the_metrics(self, observed):
        """If this fails, names or types break Prometheus' conventions."""
        observed.send_traffic()
        assert promtool("check", "metrics", stdin=observed.scrape()) == (0, "")

    def test_counters_match_the_sent_requests(self, observed):
        """If this fails, graphs and alerts show wrong traffic."""
        observed.send_traffic()
        found = samples(observed.scrape())

        def requests(route, status):
            return found[f'tcsync_http_requests_total{{route="{route}",status="{status}"}}']

        assert requests("add-version", 200) == 3
        assert requests("add-version", 409) == 1
        assert requests("get-child-version", 200) == 3
        assert requests("get-child-version", 404) == 1
        assert requests("snapshot", 400) == 1
        assert requests("other", 404) == 1
        assert sum(value for name, value in found.items() if name.startswith("tcsync_http_requests_total")) == 10
        assert found['tcsync_http_request_duration_seconds_count{route="add-version"}'] == 4
        assert found['tcsync_refusals_total{reason="bad-request"}'] == 1
        assert found['tcsync_refusals_total{reason="no-such-path"}'] == 1
        assert found["tcsync_clients"] == 1
        # Each write was alone; the health check's own write is counted as one, too.
        assert found["tcsync_commit_batch_writes_sum"] >= 4
        assert found["tcsync_commit_sync_seconds_count"] >= 3
        assert found['tcsync_health_ok{check="storage"}'] == 1
        assert found["tcsync_disk_free_bytes"] > 0
        assert found["process_resident_memory_bytes"] > 1_000_000
        assert found['tcsync_connections_accepted_total{outcome="served"}'] >= 1

    def test_the_addresses_for_clients_serve_no_metrics(self, observed):
        """If this fails, strangers read the server's traffic and load."""
        assert get(observed.server.addresses[0], "/metrics")[0] == 404

    def test_the_page_lists_every_metric(self, observed):
        """If this fails, docs/metrics.md and the server disagree: change the table."""
        observed.send_traffic()
        exported = families(observed.scrape())
        rows = re.findall(r"^\| `([a-z0-9_]+)` \| (counter|gauge|histogram) \|", DOCUMENT.read_text("utf-8"), re.M)
        documented = dict(rows)
        assert len(rows) == len(documented)
        assert {name: kind for name, kind in documented.items() if name not in ONLY_WITH_TLS} == {
            name: kind for name, (kind, _) in exported.items()
        }


class TestHealth:
    def test_every_address_serves_it(self, start_server):
        """If this fails, a supervisor that can reach only one address takes the server for dead."""
        observed = Observed(start_server, "--base-path", "/tasks")
        for address in (observed.server.addresses[0], observed.address):
            for path in ("/health", "/health/live"):
                status, _, body = get(address, path)
                assert (status, json.loads(body)["status"]) == (200, "ok")
                assert get(address, path, "HEAD")[::2] == (200, "")
        assert get(observed.server.addresses[0], "/tasks/health")[0] == 200

    def test_a_full_file_system_is_unhealthy(self, start_server):
        """If this fails, a server that can store nothing looks healthy, and no alert comes."""
        observed = Observed(start_server)
        address = observed.server.addresses[0]
        assert get(address, "/health")[0] == 200
        limits = resource.prlimit(observed.server.pid, resource.RLIMIT_FSIZE)
        # No file may become longer than it is: as on a disk without room. SIGXFSZ comes with it,
        # which the server must survive.
        resource.prlimit(observed.server.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
        try:
            _, body = wait_until(
                lambda: (lambda answer: answer[::2] if answer[0] == 503 else None)(get(address, "/health")),
                RUN_TIMEOUT_S,
                "/health fails",
            )
            assert json.loads(body)["status"] == "failing"
            assert json.loads(body)["checks"]["storage"] != "ok"
            assert str(observed.server.data_dir) not in body
            assert get(address, "/health/live")[0] == 200
            assert samples(observed.scrape())['tcsync_health_ok{check="storage"}'] == 0
        finally:
            # Not stopped: RocksDB is compiled with assertions, one of which ends a process that closes
            # a log which could not be written.
            observed.server.kill()

    def test_low_disk_space_is_unhealthy(self, start_server):
        """If this fails, an operator learns of a filling disk when it is full."""
        observed = Observed(start_server, "--disk-free-bytes-min", str(1 << 60))
        status, _, body = get(observed.server.addresses[0], "/health")
        assert status == 503
        checks = json.loads(body)["checks"]
        assert checks["storage"] == "ok"
        assert checks["disk_space"] != "ok"


class TestMonitoring:
    def test_configuration_and_rules_are_valid(self):
        """If this fails, files that operators copy do not work."""
        assert promtool("check", "config", MONITORING / "prometheus.yml")[0] == 0
        assert promtool("check", "rules", MONITORING / "alerts.yml")[0] == 0

    def test_each_alert_fires_exactly_when_it_should(self):
        """If this fails, a failing server pages nobody, or a healthy one pages its operator at night."""
        status, output = promtool("test", "rules", MONITORING / "alerts_test.yml")
        assert status == 0, output

    def test_every_alert_is_tested_and_gives_advice(self):
        """If this fails, an alert may never fire, or wakes an operator without advice."""
        text = (MONITORING / "alerts.yml").read_text("utf-8")
        alerts = re.findall(r"- alert: (\w+)\n(.*?)(?=\n      - alert|\Z)", text, re.S)
        tested = (MONITORING / "alerts_test.yml").read_text("utf-8")
        assert alerts
        for name, rule in alerts:
            assert f'alertname="{name}"' in tested, name
            assert "summary: " in rule and re.search(r"docs/operating\.md#[a-z-]+", rule), name

    def test_rules_and_dashboards_use_existing_metrics(self, observed):
        """If this fails, an alert or a panel is silent for ever."""
        observed.send_traffic()
        known = set(families(observed.scrape())) | ONLY_WITH_TLS
        dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text("utf-8"))
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
        assert len(expressions) > 20
        alerts = (MONITORING / "alerts.yml").read_text("utf-8")
        rules = re.findall(r"expr: (.*?)\n        (?:for|labels)", alerts, re.S)
        assert len(rules) == alerts.count("- alert: ")
        names = set().union(*map(metric_names, [*expressions, *rules]))
        assert len(names) > 30
        assert {without_suffix(name, known) for name in names} <= known
        # And all that the table promises to alert on can be graphed: nothing but the sums is left out.
        for panel in dashboard["panels"]:
            assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"


class Prometheus:
    """A real Prometheus that scrapes one target, on a port of its own."""

    def __init__(self, directory, target):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        configuration = (MONITORING / "prometheus.yml").read_text("utf-8")
        assert "127.0.0.1:9464" in configuration
        configuration = configuration.replace("127.0.0.1:9464", target).replace("interval: 15s", "interval: 1s")
        (directory / "prometheus.yml").write_text(configuration)
        (directory / "alerts.yml").write_text((MONITORING / "alerts.yml").read_text("utf-8"))
        self._log = open(directory / "prometheus.log", "wb")  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address={self.address}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def value(self, expression):
        """The one value of the expression; None when there is none yet."""
        url = f"http://{self.address}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                result = json.load(answer)["data"]["result"]
        except OSError:
            assert self._process.poll() is None, "Prometheus has ended"
            return None
        return float(result[0]["value"][1]) if result else None

    def stop(self):
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


def test_prometheus_scrapes_the_server(observed, tmp_path):
    """If this fails, operators get no metrics at all."""
    observed.send_traffic()
    prometheus = Prometheus(tmp_path, observed.address)
    try:
        query = 'sum(tcsync_http_requests_total{job="tcsync"})'
        wait_until(lambda: prometheus.value(query) == 10, PROMETHEUS_TIMEOUT_S, "Prometheus has the requests")
        assert prometheus.value('up{job="tcsync"}') == 1
        assert prometheus.value('tcsync_http_request_duration_seconds_count{route="add-version"}') == 4
        quantile = "histogram_quantile(0.99, sum by (le) (tcsync_http_request_duration_seconds_bucket))"
        assert 0 < prometheus.value(quantile) <= 30
        assert prometheus.value('tcsync_health_ok{check="storage"}') == 1
    finally:
        prometheus.stop()
