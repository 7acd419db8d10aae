"""The doctor's words about proxies and certificates, compared with the real `task sync`. If one of these fails, the
doctor says that all is well where `task sync` fails, or blames the wrong thing."""

import contextlib
import uuid

import pytest
from computers import TIMEOUT_S, failed, text_of
from servers import Counted, gateway, tls_front
from support import run_bounded

from tcsync import RemoteError, probe_server
from tcsync.wizard.doctor.proxies import VARIABLES, ProxyRules, taskwarrior_way, tcsync_way
from tcsync.wizard.findings import CommandStopped

# Values of proxy variables; {0} and {1} are the addresses of two proxies. The URL's scheme is in front.
PROXY_VARIABLES = [
    ("http", {}),
    ("http", {"HTTP_PROXY": "http://{0}"}),
    ("http", {"http_proxy": "http://{0}"}),
    ("http", {"HTTP_PROXY": "http://{0}", "http_proxy": "http://{1}"}),
    ("http", {"HTTP_PROXY": "http://{0}", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}),
    ("http", {"HTTP_PROXY": "http://{0}", "ALL_PROXY": "http://{1}"}),
    ("http", {"HTTPS_PROXY": "http://{0}"}),
    ("http", {"HTTPS_PROXY": "http://{0}", "ALL_PROXY": "http://{1}"}),
    ("http", {"HTTP_PROXY": ""}),
    ("http", {"HTTP_PROXY": "", "http_proxy": "http://{0}"}),
    ("http", {"http_proxy": ""}),
    ("http", {"HTTPS_PROXY": ""}),
    ("http", {"https_proxy": "no url"}),
    ("http", {"HTTP_PROXY": "http://"}),
    ("http", {"HTTP_PROXY": "{0}"}),
    ("http", {"HTTP_PROXY": " http://user:password@{0}/path"}),
    ("http", {"HTTP_PROXY": "ftp://{0}"}),
    ("http", {"HTTP_PROXY": "socks5://{0}"}),
    ("http", {"HTTPS_PROXY": "socks5://{0}"}),
    ("http", {"ALL_PROXY": "http://{0}"}),
    ("http", {"all_proxy": "http://{0}"}),
    ("http", {"ALL_PROXY": "", "all_proxy": "http://{0}"}),
    ("http", {"ALL_PROXY": "socks5://{0}"}),
    ("http", {"ALL_PROXY": "no url"}),
    ("http", {"ALL_PROXY": "http://{0}", "REQUEST_METHOD": "GET"}),
    ("http", {"ALL_PROXY": "http://{0}", "NO_PROXY": "example.org, 127.0.0.1"}),
    ("http", {"ALL_PROXY": "http://{0}", "no_proxy": "127.0.0.0/8"}),
    ("http", {"ALL_PROXY": "http://{0}", "NO_PROXY": "", "no_proxy": "127.0.0.1"}),
    ("http", {"ALL_PROXY": "http://{0}", "NO_PROXY": "*"}),
    ("http", {"http_proxy": "http://{0}", "no_proxy": "*"}),
    ("https", {"HTTP_PROXY": "http://{0}"}),
    ("https", {"HTTP_PROXY": "http://{0}", "ALL_PROXY": "http://{1}"}),
    ("https", {"HTTPS_PROXY": "http://{0}"}),
    ("https", {"HTTPS_PROXY": "http://{0}", "https_proxy": "http://{1}"}),
    ("https", {"HTTPS_PROXY": "http://{0}", "NO_PROXY": "127.0.0.1"}),
    ("https", {"ALL_PROXY": "http://{0}"}),
    ("https", {"ALL_PROXY": "http://{0}", "NO_PROXY": "127.0.0.1"}),
]


@pytest.fixture
def places():
    """A server and two proxies."""
    with Counted() as server, Counted() as proxy, Counted() as other_proxy:
        yield server, proxy, other_proxy


def reached(places):
    """The addresses that were connected to."""
    return [place.place for place in places if place.count]


def way_of(shown, server):
    """The address to which a way leads."""
    return shown.proxy.removeprefix("http://") or server.place


def test_both_programs_take_the_proxies_that_the_doctor_names(first, places, monkeypatch):
    """If this fails, the doctor names a way that `task sync` or tcsync does not take."""
    server, *proxies = places
    credentials = f"sync.server.client_id={uuid.uuid4()}\nsync.encryption_secret=secret\n"
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for scheme, templates in PROXY_VARIABLES:
        url = f"{scheme}://{server.place}"
        first.write_taskrc(f"sync.server.url={url}\n{credentials}")
        variables = {name: template.format(*(proxy.place for proxy in proxies)) for name, template in templates.items()}
        for place in places:
            place.count = 0
        done = run_bounded(["task", "sync"], env={**first.environment, **variables}, timeout_s=TIMEOUT_S)
        try:
            expected = [way_of(taskwarrior_way(url, variables, ProxyRules.OWN), server)]
        except CommandStopped as stop:
            assert stop.finding.as_json()["id"] == "proxy-unusable"
            assert next(name for name in variables if f"variable {name} " in stop.finding.text)
            assert done.returncode != 0, variables
            expected = []
        assert reached(places) == expected, (scheme, variables, done.stderr)

        if variables and all("no url" not in value and value != "http://" for value in variables.values()):
            for place in places:
                place.count = 0
            with monkeypatch.context() as changed, contextlib.suppress(RemoteError):
                for name, value in variables.items():
                    changed.setenv(name, value)
                probe_server(url)
            assert reached(places) == [way_of(tcsync_way(url, variables), server)], (scheme, variables)


@pytest.mark.parametrize(
    ("host", "no_proxy", "taskwarrior", "tcsync"),
    [
        ("tasks.example.org", "example.org", True, True),
        ("tasks.example.org", ".example.org", True, True),
        ("EXAMPLE.org", ".example.org", True, True),
        ("notexample.org", "example.org", False, False),
        ("tasks.example.org", "a.org example.org", False, True),
        ("tasks.example.org", "example.org:8080", False, True),
        ("tasks.example.org", "example.org:443", False, False),
        ("10.1.2.3", "10.0.0.0/8", True, True),
        ("10.1.2.3", "*", False, True),
        ("tasks.example.org", "*", True, True),
        ("[::1]", "::1", True, True),
    ],
)
def test_hosts_are_exempted_by_the_rules_of_each_program(host, no_proxy, taskwarrior, tcsync):
    """If this fails, the doctor names a proxy for a host that NO_PROXY exempts, or none for one that it does not.
    (The rules are those of Taskwarrior's HTTP library and of src/remote/proxy.cc.)"""
    url = f"https://{host}:8080"
    usual = {"ALL_PROXY": "http://proxy:3128", "HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": no_proxy}
    assert bool(taskwarrior_way(url, usual, ProxyRules.USUAL).proxy) is not taskwarrior
    assert bool(tcsync_way(url, usual).proxy) is not tcsync
    assert not taskwarrior_way(url, usual, ProxyRules.NONE).proxy


def test_the_doctor_reports_proxies(server, paired):
    """If this fails, a proxy that only Taskwarrior uses breaks `task sync`, and the doctor finds nothing."""
    dead = "http://user:password@127.0.0.1:1"
    report = paired.json("doctor", "--sync", HTTP_PROXY=dead, NO_PROXY="127.0.0.1")
    assert failed(report) == {"rehearsal": "sync-other-proxy"}
    assert "through the proxy http://127.0.0.1:1 (HTTP_PROXY), and tcsync goes directly" in text_of(report, "proxy")
    assert "password" not in str(report)
    report = paired.json("doctor", "--sync", HTTP_PROXY="")
    assert failed(report) == {"proxy": "proxy-unusable"}
    assert "HTTP_PROXY is set, but empty" in text_of(report, "proxy")
    # The opposite: Taskwarrior gets through, tcsync does not.
    with gateway(server.url, "CONNECT", None) as proxy:
        report = paired.json("doctor", "--sync", http_proxy=dead, HTTP_PROXY=proxy)
    assert failed(report) == {"connection": "remote-proxy-failed"}
    assert text_of(report, "rehearsal").startswith("Taskwarrior itself can fetch")


# Certificates by their kind: which file the server has, which the system trusts, and the failed check.
CERTIFICATES = {
    "by an authority of the system": (lambda a: (a.certificate(), a.file), {}),
    "by an unknown authority": (lambda a: (a.certificate(), None), {"tls": "remote-certificate-untrusted"}),
    "expired": (lambda a: (a.certificate(days=(-9, -1)), a.file), {"tls": "remote-certificate-expired"}),
    "of another host": (lambda a: (a.certificate("localhost"), a.file), {"tls": "remote-certificate-wrong-host"}),
    "self-signed": (lambda a: a.self_signed(is_authority=False), {}),
    "self-signed, an authority's": (
        lambda a: a.self_signed(is_authority=True),
        {"rehearsal": "sync-shown-authority"},
    ),
}


def test_the_verdict_on_certificates_is_that_of_task_sync(server, paired, authority):
    """If this fails, the doctor trusts a server that `task sync` does not trust, or the other way round."""
    settings = paired.taskrc.read_text(encoding="utf-8")
    for kind, (make, expected) in CERTIFICATES.items():
        certificate, trusted = make(authority)
        with tls_front(server.url, certificate) as url:
            paired.write_taskrc(settings.replace(server.url, url))
            paired.environment.pop("SSL_CERT_FILE", None)
            if trusted:
                paired.trust_file(trusted)
            report = paired.json("doctor")
            done = run_bounded(["task", "sync"], env=paired.environment, timeout_s=TIMEOUT_S)
            assert failed(report) == expected, kind
            assert (done.returncode == 0) is (not expected), (kind, done.stderr)
            if "tls" not in expected:
                assert text_of(report, "trust") == "Taskwarrior trusts the system's authorities"

            if kind == "by an authority of the system":
                # A Taskwarrior that was built with its own authorities ignores the variables that name others.
                paired.wrap_task("unset SSL_CERT_FILE SSL_CERT_DIR")
                paired.copy_task("real-task")
                report = paired.json("doctor")
                assert failed(report) == {"rehearsal": "sync-built-in-authorities"}
                assert "that it was built with" in text_of(report, "trust")
                paired.unwrap_task("real-task")
