"""The protection of a public server, with the real program: rates, proxies, tokens in the URL, and the log."""

import json
import re
import uuid

import admin
import server as server_module
import wire
from support import run_bounded

TOKEN = "0123456789abcdef0123456789abcdef"
PSEUDONYM = re.compile(r"client-[0-9a-f]{12}\b")
TRIES_MAX = 1000


def new_id():
    return str(uuid.uuid4())


def pseudonyms(log):
    return set(PSEUDONYM.findall(log))


def refused_for_rate(url, client_id):
    """Asks until the answer is 429, and returns that."""
    for _ in range(TRIES_MAX):
        answer = wire.get_snapshot(url, client_id)
        if answer.status != 404:
            break
    assert answer.status == 429
    return answer


def test_a_client_beyond_its_rate_is_refused(start_server):
    """If this fails, one client that runs wild takes the server from all others, or fills its disk with log lines."""
    server = start_server("--client-requests-per-second", "1", "--client-requests-burst", "3")
    client_id = new_id()
    answer = refused_for_rate(server.url, client_id)
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.body.startswith(b"This client makes too many requests")
    assert wire.get_snapshot(server.url, new_id()).status == 404, "another client pays for it"
    lines = [line for line in server.log.splitlines() if "status=429" in line]
    assert len(lines) == 1
    assert re.search(
        r"warning: status=429 reason=client-rate endpoint=snapshot client=client-\w+.*: This client", lines[0]
    )


def test_every_request_counts_against_its_addresss_rate(start_server):
    """If this fails, one address asks for pages without end, for nothing."""
    for method, path in [
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/no-such-page"),
        ("POST", "/"),
        ("GET", "/v1/client/snapshot"),
    ]:
        server = start_server("--address-requests-per-second", "1", "--address-requests-burst", "3")
        answers = [wire.request(server.url, method, path) for _ in range(TRIES_MAX)]
        refused = [answer for answer in answers if answer.status == 429]
        assert len(refused) > TRIES_MAX // 2, f"{method} {path}"
        assert int(refused[0].headers["Retry-After"]) >= 1
        server.stop()


def test_an_untrusted_proxy_is_reported_once(start_server):
    """If this fails, all people behind a proxy share one address' limits, and the log does not say why."""
    server = start_server()
    assert "notes" not in json.loads(wire.request(server.url, "GET", "/health").body)
    for number in range(3):
        wire.request(server.url, "GET", "/", more_headers={"X-Forwarded-For": f"198.51.100.{number}"})
    assert len(re.findall(r"through a proxy at 127\.0\.0\.1 that option trusted-proxy does not name", server.log)) == 1
    answer = wire.request(server.url, "GET", "/health")
    assert (answer.status, list(json.loads(answer.body)["notes"])) == (200, ["proxy"])
    assert re.search(r"^unnamed proxy +127\.0\.0\.1:", admin.succeed(server.data_dir, "stats"), re.MULTILINE)

    # The cure that the log names.
    server.stop()
    server = start_server("--trusted-proxy", "127.0.0.1")
    wire.request(server.url, "GET", "/", more_headers={"X-Forwarded-For": "198.51.100.1"})
    assert "notes" not in json.loads(wire.request(server.url, "GET", "/health").body)
    assert "unnamed proxy" not in admin.succeed(server.data_dir, "stats")


def test_the_defaults_do_not_limit_a_normal_user(server, user, new_replica):
    """If this fails, users with ordinary habits cannot sync."""
    first, second = new_replica(server.url, user), new_replica(server.url, user)
    for number in range(20):
        first.add(f"Task {number}")
        first.sync()
    second.sync()
    assert second.export() == first.export()
    assert "status=429" not in server.log


def test_a_url_with_a_token_works_in_taskwarrior(server, user, new_replica):
    """If this fails, neither invites nor tokens reach today's Taskwarrior, which can send nothing but a URL."""
    first, second = new_replica(f"{server.url}/i/{TOKEN}", user), new_replica(server.url, user)
    first.add("Buy milk")
    first.sync()
    second.sync()
    assert len(second.export()) == 1
    assert TOKEN not in server.log


def test_an_invalid_trusted_proxy_is_refused_before_any_file_is_created(tmp_path):
    """If this fails, a mistake in the option is silent, and the limits are not where they seem to be."""
    command = [str(server_module.BINARY), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")]
    done = run_bounded([*command, "--trusted-proxy", "10.0.0.0/99"], timeout_s=20)
    assert done.returncode > 0
    assert "'10.0.0.0/99'" in done.stderr and "10.0.0.0/8" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = run_bounded([*command, "--invite-only", "--no-create-clients"], timeout_s=20)
    assert done.returncode > 0
    assert "invite-only" in done.stderr and "create-clients" in done.stderr
    assert not (tmp_path / "data").exists()


def test_each_source_behind_a_trusted_proxy_has_its_own_limit(start_server):
    """If this fails, all people behind a proxy share one limit, or a stranger chooses its own address."""

    def add_from(server, source):
        path = f"/v1/client/add-version/{wire.NIL_VERSION}"
        return wire.request(
            server.url, "POST", path, new_id(), b"x", wire.SEGMENT_TYPE, {"X-Forwarded-For": source}
        ).status

    trusting = start_server("--new-clients-per-address-day", "1", "--trusted-proxy", "127.0.0.1")
    assert [add_from(trusting, source) for source in ("203.0.113.1", "203.0.113.2", "203.0.113.1")] == [200, 200, 429]
    assert "source=203.0.113.1: " in trusting.log
    assert "203.0.113.2" not in trusting.log, "an address that did nothing wrong is kept in the log"
    plain = start_server("--new-clients-per-address-day", "1")
    assert [add_from(plain, source) for source in ("203.0.113.1", "203.0.113.2")] == [200, 429]
    assert "203.0.113" not in plain.log


def test_the_log_names_clients_by_pseudonyms(start_server):
    """If this fails, a reader of the log can enter histories, or cannot follow one client through it."""
    server = start_server("--log-level", "debug")
    ids = [new_id(), new_id()]
    for client_id in ids:
        wire.add_version(server.url, client_id)
        wire.get_child_version(server.url, client_id, new_id())  # 410
        wire.request(server.url, "GET", f"/{client_id}/v1/client/snapshot", client_id)
        wire.request(server.url, "GET", f"/i/{TOKEN}/v1/client/snapshot", client_id)
        wire.request(server.url, "GET", f"/i/{TOKEN}x/v1/client/snapshot", client_id)
        wire.request(server.url, "POST", f"/i/{TOKEN}/v1/client/snapshot?{TOKEN}", client_id)
    names = pseudonyms(server.log)
    assert len(names) == 2
    assert server.log.count("status=410") == 2
    server.restart()
    wire.get_child_version(server.url, ids[0], new_id())
    assert pseudonyms(server.log) == names, "after a restart a client has another name"
    for secret in (*ids, TOKEN):
        assert secret not in server.log

    elsewhere = start_server("--log-level", "debug")
    for client_id in ids:
        wire.add_version(elsewhere.url, client_id)
    assert len(pseudonyms(elsewhere.log)) == 2
    assert not pseudonyms(elsewhere.log) & names, "two servers' logs can be put together"

    full = start_server("--log-level", "debug", "--log-client-ids", "full")
    wire.add_version(full.url, ids[0])
    assert f"client={ids[0]}" in full.log


def test_the_json_log_has_a_field_for_each_fact(start_server):
    """If this fails, a program that collects logs finds lines that do not parse, or no fields to look for."""
    server = start_server(
        "--log-format",
        "json",
        "--log-level",
        "debug",
        "--client-requests-per-second",
        "1",
        "--client-requests-burst",
        "3",
    )
    client_id = new_id()
    wire.request(server.url, "GET", "/nowhere", client_id)
    refused_for_rate(server.url, client_id)
    server.stop()
    lines = [json.loads(line) for line in server.log.splitlines()]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("debug", "info", "warning", "error")
        assert line["message"]
    assert lines[-1]["message"] == "stopped"
    (scan,) = (line for line in lines if line.get("reason") == "no-such-path")
    assert scan["status"] == 404 and "/nowhere" in scan["message"]
    (refusal,) = (line for line in lines if line.get("status") == 429)
    assert refusal["level"] == "warning"
    assert refusal["reason"] == "client-rate"
    assert refusal["endpoint"] == "snapshot"
    assert PSEUDONYM.fullmatch(refusal["client"])
    assert refusal["message"].startswith("This client makes too many requests")
    assert next(line["status"] for line in lines if line.get("endpoint") == "snapshot") == 404
    assert client_id not in server.log
