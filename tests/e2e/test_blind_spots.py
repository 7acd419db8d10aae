"""An operator's view of a server: the options in force, the busiest clients, and more or less of its log."""

import os
import uuid

import admin
import pytest
import server as server_module
import wire
from support import run_bounded, wait_until

RUN_TIMEOUT_S = 30


def start_refused(*flags, **variables):
    """Starts a server that must refuse to; returns its one line."""
    command = [str(server_module.BINARY), *flags]
    done = run_bounded(command, env=server_module.environment(**variables), timeout_s=RUN_TIMEOUT_S)
    assert done.returncode in (1, 2), (done.returncode, done.stdout, done.stderr)
    (line,) = done.stderr.splitlines()
    return done.returncode, line


class TestMisspeltVariables:
    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            ("TCSYNC_LOGLEVEL", "TCSYNC_LOG_LEVEL"),
            ("TCSYNC_MEMORY_BUDGTE", "TCSYNC_MEMORY_BUDGET"),
            ("tcsync_connections_max", "TCSYNC_CONNECTIONS_MAX"),
            ("TCSYNC_DATA_DIR", "DATA_DIR"),
            ("TCSYNC_LISTEN", "LISTEN"),
        ],
    )
    def test_the_correct_name_is_suggested_and_works(self, tmp_path, start_server, given, meant):
        """If this fails, a setting is ignored without a word."""
        data_dir = tmp_path / "data"
        status, line = start_refused("--data-dir", str(data_dir), "--listen", "127.0.0.1:0", **{given: "debug"})
        assert status == 2 and given in line and meant in line
        assert not data_dir.exists()
        # A command is as deaf as the server.
        assert meant in admin.refusal(data_dir, "clients", "list", status=2, **{given: "debug"})

    def test_unknown_variables_are_reported_and_ignored(self, start_server):
        """If this fails, another program's variable keeps a server from starting, or an odd one is not told."""
        server = start_server(env={"TCSYNC_SOMETHING_ELSE": "1", "TCSYNC_LIBRARY": "/x"})
        assert "warning: the environment variable TCSYNC_SOMETHING_ELSE sets nothing" in server.log
        assert "TCSYNC_LIBRARY" not in server.log
        admin.succeed(server.data_dir, "clients", "list", TCSYNC_SOMETHING_ELSE="1")

    def test_an_empty_misspelt_variable_is_reported(self, tmp_path):
        """If this fails, a misspelt variable is found only once it has a value."""
        assert "TCSYNC_LOG_LEVEL" in start_refused("--data-dir", str(tmp_path / "d"), TCSYNC_LOG_LEVLE="")[1]


class TestOptionsInForce:
    def test_each_option_names_its_source(self, start_server):
        """If this fails, an operator cannot find out which options a server runs with."""
        server = start_server(
            "--snapshot-days", "7", "--no-invite-only",
            env={"TCSYNC_MEMORY_BUDGET": "64M", "SNAPSHOT_DAYS": "9", "SNAPSHOT_VERSIONS": "50"},
        )  # fmt: skip
        options = {row["name"]: row for row in admin.as_lines(server.data_dir, "options-in-force")}

        def value_and_source(name):
            return options[name]["value"], options[name]["source"], options[name]["variable"]

        assert value_and_source("snapshot-days") == ("7", "flag", None)
        assert value_and_source("invite-only") == ("false", "flag", None)
        assert value_and_source("memory-budget") == (str(64 << 20), "environment", "TCSYNC_MEMORY_BUDGET")
        assert value_and_source("snapshot-versions") == ("50", "environment", "SNAPSHOT_VERSIONS")
        assert value_and_source("idle-timeout") == ("75000", "default", None)
        assert value_and_source("memtable-bytes") == (str(4 << 20), "derived", None)
        assert value_and_source("data-dir") == (str(server.data_dir), "flag", None)
        assert int(options["event-loops"]["value"]) >= 1
        table = run_bounded(
            [str(server_module.BINARY), "--help"], env=server_module.environment(), timeout_s=RUN_TIMEOUT_S
        ).stdout
        assert all(f"--{name}" in table for name in options)
        text = admin.succeed(server.data_dir, "options-in-force")
        assert "running server" in text and "environment TCSYNC_MEMORY_BUDGET" in text

    def test_shows_the_options_of_a_server_that_does_not_run(self, tmp_path):
        """If this fails, options can be looked at only when it is too late, or looking makes a data directory."""
        data_dir = tmp_path / "data"
        text = admin.succeed(data_dir, "options-in-force", "--log-level", "error", TCSYNC_IDLE_TIMEOUT="5000")
        assert "No server is running" in text
        rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
        assert rows["log-level"] == ["error", "flag"]
        assert rows["idle-timeout"] == ["5000", "environment", "TCSYNC_IDLE_TIMEOUT"]
        assert rows["log-format"] == ["text", "default"]
        (level,) = [row for row in admin.as_lines(data_dir, "options-in-force") if row["name"] == "log-level"]
        assert (level["value"], level["source"]) == ("info", "default")
        assert not data_dir.exists()


class TestLogLevel:
    def test_the_level_changes_while_serving(self, start_server):
        """If this fails, an operator must restart the server to see more of its log, which may hide the fault."""
        server = start_server()
        client_id = str(uuid.uuid4())

        def lines_of_a_request():
            before = len(server.log)
            assert wire.add_version(server.url, client_id, segment=b"x").status in (200, 409)
            return server.log[before:]

        assert lines_of_a_request() == ""
        assert admin.as_json(server.data_dir, "log-level") == {"level": "info"}
        assert admin.as_json(server.data_dir, "log-level", "debug") == {"level": "debug", "before": "info"}
        assert "debug: " in lines_of_a_request()
        admin.succeed(server.data_dir, "log-level", "error")
        assert lines_of_a_request() == ""
        wire.request(server.url, "GET", "/nothing/here")
        assert "/nothing/here" not in server.log
        # SIGHUP brings back the option's level.
        server.send_signal(1)
        wait_until(lambda: admin.as_json(server.data_dir, "log-level") == {"level": "info"}, 30, "the level is back")
        wire.request(server.url, "GET", "/nothing/there")
        assert "/nothing/there" in server.log
        levels = [line for line in server.log.splitlines() if "log level is" in line]
        assert len(levels) == 3, levels

    def test_invalid_levels_are_refused(self, start_server):
        """If this fails, a mistyped level silences the log."""
        server = start_server()
        assert "verbose" in admin.refusal(server.data_dir, "log-level", "verbose", status=2)
        server.stop()
        assert "no server is running" in admin.refusal(server.data_dir, "log-level", "debug")
        assert "no server is running" in admin.refusal(server.data_dir, "top")


class TestTop:
    def test_ranks_the_clients_with_the_most_requests(self, start_server):
        """If this fails, an operator cannot find a client that keeps the server busy under the limits."""
        server = start_server("--trusted-proxy", "127.0.0.1")
        busy, large, wrong = (str(uuid.uuid4()) for _ in range(3))

        def ask(client_id, source, path="/v1/client/snapshot", body=None):
            method, kind = ("POST", wire.SEGMENT_TYPE) if body else ("GET", None)
            return wire.request(server.url, method, path, client_id, body, kind, {"X-Forwarded-For": source}).status

        assert "no requests" in admin.succeed(server.data_dir, "top")
        for _ in range(20):
            ask(busy, "203.0.113.1")
        assert ask(large, "203.0.113.2", f"/v1/client/add-version/{wire.NIL_VERSION}", b"x" * 300_000) == 200
        for _ in range(3):
            ask(wrong, "2001:db8:1:2::7", "/nothing/here")
        top = admin.as_json(server.data_dir, "top")
        assert next(place["source"] for place in top["sources"]["requests"]) == "203.0.113.1"
        assert top["sources"]["requests"][0]["count"] == 20
        assert top["sources"]["bytes"][0]["source"] == "203.0.113.2" and top["sources"]["bytes"][0]["count"] >= 300_000
        assert [place["source"] for place in top["sources"]["refusals"]] == ["2001:db8:1:2::/64"]
        name = admin.as_json(server.data_dir, "clients", "show", large)["pseudonym"]
        assert top["clients"]["bytes"][0]["client"] == name
        assert top["clients"]["requests"][0]["count"] == 20
        text = admin.succeed(server.data_dir, "top", "--limit", "1")
        assert (
            "203.0.113.1" in text and name in text and "203.0.113.1" not in text.split("BYTES")[1].split("AT LEAST")[1]
        )
        # On the operator's terminal alone, and by pseudonym.
        assert "203.0.113" not in server.log
        assert all(client_id not in text for client_id in (busy, large, wrong))


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("http://localhost:8080", "localhost:8080 is probably meant"),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080 is probably meant"),
        ("http://example.org/tasks", "example.org:80 is probably meant"),
        ("https://example.org", "example.org:443 is probably meant (TLS is served with tls-cert and tls-key)"),
        ("https://[::1]", "[::1]:443 is probably meant"),
        ("http://ada:hunter2@example.org:80", "is a URL"),
        ("127.0.0.1:8080/", "base-path"),
        ("127.0.0.1:8080/tasks", "base-path"),
        ("/run/tcsync.sock", "unix:/run/tcsync.sock is probably meant"),
        ("8080", "0.0.0.0:8080"),
        ("localhost", "has no port"),
        ("localhost:99999", "0 to 65535"),
        ("no-such-host.invalid:8080", "no-such-host.invalid"),
        ("unix:/" + "x" * 120, "bytes, longer than the"),
    ],
)
def test_an_invalid_listen_address_is_explained(tmp_path, value, hint):
    """If this fails, the message about a mistake in the first option that people set does not help."""
    _, line = start_refused("--data-dir", str(tmp_path / "data"), LISTEN=value)
    assert hint in line and "IPv6" not in line.replace("[IPV6]", ""), line
    assert "hunter2" not in line
    assert not (tmp_path / "data").exists()


def test_the_proposed_listen_address_works(tmp_path, start_server):
    """If this fails, the value that a message proposes for LISTEN is refused as well."""
    for meant in ("localhost:0", "127.0.0.1:0", f"unix:{tmp_path}/a.sock"):
        server = start_server(listen=None, env={"LISTEN": meant})
        server.stop()
    assert os.path.isdir(server.data_dir)
