"""An operator's commands that look at clients and remove them, while a server runs and while none does."""

import os
import socket
import stat
import uuid

import admin
import pytest
import wire

UNKNOWN_ID = "0f0f0f0f-0000-4000-8000-000000000001"


@pytest.fixture(params=["served", "alone"])
def target(request, server):
    """A server; its `stop_if_offline` stops it, if this is the run in which the commands find no server."""
    server.stop_if_offline = (lambda: None) if request.param == "served" else server.stop
    return server


@pytest.fixture
def two_clients(target):
    """Clients of 3 and of 1 versions, the first with a snapshot; returns their IDs."""
    ids = ["11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"]
    versions = admin.add_chain(target.url, ids[0], 3)
    assert wire.add_snapshot(target.url, ids[0], versions[2], b"sealed snapshot").status == 200
    admin.add_chain(target.url, ids[1], 1)
    target.stop_if_offline()
    return ids


@pytest.mark.usefixtures("each_storage")
class TestList:
    def test_clients_are_listed_as_a_table_and_as_json(self, target, two_clients):
        """If this fails, an operator does not see the clients of the server."""
        table = admin.succeed(target.data_dir, "clients", "list").splitlines()
        assert len(table) == 3 and table[0].startswith("CLIENT ID")
        assert [line.split()[0] for line in table[1:]] == two_clients
        listed = admin.as_lines(target.data_dir, "clients", "list")
        assert [client["client_id"] for client in listed] == two_clients
        assert [client["versions"] for client in listed] == [3, 1]
        assert listed[0]["snapshot"]["bytes"] == len(b"sealed snapshot")
        assert listed[0]["snapshot"]["number"] == 3
        assert listed[1]["snapshot"] is None
        # The name in the log is there beside the ID, and is none of its characters.
        assert all(client["pseudonym"].startswith("client-") for client in listed)
        assert listed[0]["pseudonym"] != listed[1]["pseudonym"]

    def test_many_clients_take_several_pages(self, target):
        """If this fails, an operator of many clients sees only some of them, or one twice."""
        ids = sorted(str(uuid.uuid4()) for _ in range(25))
        for client_id in ids:
            admin.add_chain(target.url, client_id, 1)
        found, after = [], ""
        while after is not None:
            status, page = admin.api(target, "GET", f"clients?limit=10{after and '&after=' + after}")
            assert status == 200 and len(page["clients"]) <= 10
            found += [client["client_id"] for client in page["clients"]]
            after = page["next"]
        assert found == ids


@pytest.mark.usefixtures("each_storage")
class TestShow:
    def test_finds_a_client_by_id_prefix_and_pseudonym(self, target, two_clients):
        """If this fails, the name in the log does not lead an operator to the client."""
        summary = admin.as_json(target.data_dir, "clients", "show", two_clients[0])
        assert summary["versions"] == 3
        assert summary["history_bytes"] == 3 * len(b"sealed segment0")
        for name in (two_clients[0][:8], two_clients[0][:20].upper(), summary["pseudonym"]):
            assert admin.as_json(target.data_dir, "clients", "show", name) == summary
        text = admin.succeed(target.data_dir, "clients", "show", two_clients[0])
        assert two_clients[0] in text and summary["pseudonym"] in text

    def test_an_unknown_client_is_reported(self, target, two_clients):
        """If this fails, a mistyped name gets an operator another client, or a riddle."""
        show = ("clients", "show")
        assert UNKNOWN_ID in admin.refusal(target.data_dir, *show, UNKNOWN_ID)
        assert "33333333" in admin.refusal(target.data_dir, *show, "33333333")
        assert "client-000000000000" in admin.refusal(target.data_dir, *show, "client-000000000000")
        assert "too short" in admin.refusal(target.data_dir, *show, "1111111", status=2)
        assert "neither" in admin.refusal(target.data_dir, *show, "somebody", status=2)
        assert "CLIENT" in admin.refusal(target.data_dir, *show, status=2)

    def test_an_ambiguous_prefix_is_refused(self, target):
        """If this fails, an operator bans or deletes the wrong one of two clients."""
        ids = ["abcdef01-0000-4000-8000-000000000001", "abcdef01-0000-4000-8000-000000000002"]
        for client_id in ids:
            admin.add_chain(target.url, client_id, 1)
        target.stop_if_offline()
        others = (["ban"], ["delete", "--yes"], ["rewind", "--to", "1"], ["restore", "--from", "/backups"])
        for command in (["show"], *others):
            line = admin.refusal(target.data_dir, "clients", *command, "abcdef01")
            assert all(client_id in line for client_id in ids), command
        assert len(admin.as_lines(target.data_dir, "clients", "list")) == 2


@pytest.mark.usefixtures("each_storage")
class TestDelete:
    def test_deleting_requires_yes(self, target, two_clients):
        """If this fails, a script's mistake removes a person's tasks."""
        line = admin.refusal(target.data_dir, "clients", "delete", two_clients[0], status=2)
        assert "--yes" in line and "3 versions" in line
        assert len(admin.as_lines(target.data_dir, "clients", "list")) == 2
        admin.succeed(target.data_dir, "clients", "delete", two_clients[0], "--yes")
        assert [c["client_id"] for c in admin.as_lines(target.data_dir, "clients", "list")] == [two_clients[1]]
        assert two_clients[0] in admin.refusal(target.data_dir, "clients", "delete", two_clients[0], "--yes")
        if target.pid_or_none() is None:
            target.start()
        # A deleted client is gone for the protocol, too, and the other one is whole.
        assert wire.get_child_version(target.url, two_clients[0], wire.NIL_VERSION).status == 404
        assert wire.get_snapshot(target.url, two_clients[0]).status == 404
        assert len(wire.history(target.url, two_clients[1])) == 1

    def test_deleting_asks_at_a_terminal(self, target, two_clients):
        """If this fails, a person at a terminal is not asked, or is not listened to."""
        for answer, status, left in (("n", 1, 2), ("", 1, 2), ("y", 0, 1)):
            assert answer_on_terminal(target.data_dir, answer, "clients", "delete", two_clients[0]) == status
            assert len(admin.as_lines(target.data_dir, "clients", "list")) == left


def answer_on_terminal(data_dir, answer, *arguments):
    """Runs a command at a terminal, answers its question, and returns its exit status."""
    with admin.at_a_terminal(data_dir, *arguments) as (process, person):
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(person, 1000)
        os.write(person, answer.encode() + b"\n")
        return process.wait(60)


class TestStats:
    def test_figures_add_up(self, target, two_clients):
        """If this fails, an operator plans with wrong figures."""
        stats = admin.as_json(target.data_dir, "stats")
        assert stats["clients"] == 2
        assert stats["bytes_on_disk"] > 0 and stats["disk_bytes_total"] > stats["disk_bytes_free"] > 0
        totals = stats["totals"]
        assert (totals["clients"], totals["versions"], totals["snapshots"]) == (2, 4, 1)
        assert totals["clients_without_snapshot"] == 1
        assert [client["client_id"] for client in totals["biggest"]] == two_clients
        assert two_clients[0] in admin.succeed(target.data_dir, "stats")


class TestDataDirectory:
    def test_a_missing_directory_is_reported_and_not_created(self, tmp_path):
        """If this fails, a mistyped path makes an empty data directory, and an operator believes all data is lost."""
        for command in (["clients", "list"], ["stats"], ["verify"], ["prune", "--dry-run"]):
            assert "no data" in admin.refusal(tmp_path / "nowhere", *command)
        assert not (tmp_path / "nowhere").exists()
        (tmp_path / "empty").mkdir()
        assert "no data" in admin.refusal(tmp_path / "empty", "stats")
        assert not any((tmp_path / "empty").iterdir())

    def test_the_socket_is_for_its_owner_only(self, server):
        """If this fails, every user of the machine can delete every client."""
        mode = os.stat(server.data_dir / "admin.sock").st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600

    def test_a_stale_socket_does_not_prevent_offline_use(self, server):
        """If this fails, nothing works on the data after a server was killed."""
        admin.add_chain(server.url, UNKNOWN_ID, 1)
        server.kill()
        assert (server.data_dir / "admin.sock").exists()
        assert len(admin.as_lines(server.data_dir, "clients", "list")) == 1

    def test_a_server_without_a_socket_is_explained(self, start_server):
        """If this fails, an operator who turned the socket off gets no hint at the reason."""
        server = start_server("--no-admin-socket")
        assert not (server.data_dir / "admin.sock").exists()
        line = admin.refusal(server.data_dir, "stats")
        assert "in use" in line and "admin-socket" in line and "stopped" in line

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
    def test_a_socket_of_another_user_is_reported(self, server):
        """If this fails, an operator who runs the command as the wrong user does not learn so."""
        os.chmod(server.data_dir / "admin.sock", 0)
        assert "user" in admin.refusal(server.data_dir, "stats")

    def test_unknown_commands_and_flags_are_refused(self, tmp_path):
        """If this fails, a mistyped command serves, or a mistyped flag is ignored."""
        assert "list" in admin.refusal(tmp_path, "clients", status=2)
        assert "frobnicate" in admin.refusal(tmp_path, "clients", "frobnicate", status=2)
        assert "--frobnicate" in admin.refusal(tmp_path, "stats", "--frobnicate", status=2)
        assert "unexpected argument 'extra'" in admin.refusal(tmp_path, "stats", "extra", status=2)
        assert "--keep" in admin.refusal(tmp_path, "backup", "there", "--keep", "none", status=2)
        assert "memory" in admin.refusal(tmp_path, "stats", "--storage", "memory", status=2)


class TestApi:
    def test_invalid_requests_are_refused(self, server):
        """If this fails, a program's mistake does something else than was meant."""
        for method, path, body, status, text in (
            ("GET", "nothing", None, 404, "nothing"),
            ("DELETE", "clients", None, 405, "GET"),
            ("GET", "clients/no-uuid", None, 400, "no-uuid"),
            ("GET", f"clients/{UNKNOWN_ID}", None, 404, UNKNOWN_ID),
            ("GET", "clients?limit=0", None, 400, "limit"),
            ("GET", "clients?limit=1001", None, 400, "1001"),
            ("GET", "clients?after=x", None, 400, "after"),
            ("GET", "clients?before=x", None, 400, "before"),
            ("POST", f"clients/{UNKNOWN_ID}/ban", {"reason": 7}, 400, "reason"),
            ("POST", f"clients/{UNKNOWN_ID}/ban", {"reason": "a\nb"}, 400, "reason"),
            ("POST", f"clients/{UNKNOWN_ID}/ban", {"cause": "x"}, 400, "cause"),
            ("POST", f"clients/{UNKNOWN_ID}/ban", "no json", 400, "JSON"),
            ("POST", f"clients/{UNKNOWN_ID}/reset-token", {}, 404, UNKNOWN_ID),
            ("POST", "backups", {"directory": "relative"}, 400, "relative"),
            ("POST", "backups", {}, 400, "directory"),
            ("POST", "restore", {"directory": "/tmp"}, 409, "stop"),
            ("POST", "prune", {"retention_days": -1}, 400, "retention_days"),
            ("GET", "jobs/1", None, 404, "1"),
            ("DELETE", "invites/abc", None, 400, "abc"),
            ("DELETE", "invites/abcdef", None, 404, "abcdef"),
        ):
            got, answer = admin.api(server, method, path, body)
            assert got == status and text in answer["error"], (method, path, got, answer)

    def test_clients_cannot_reach_the_api(self, server):
        """If this fails, a stranger can do everything with all data."""
        for path in ("/v1/admin/stats", "/v1/admin/clients"):
            assert wire.request(server.url, "GET", path, UNKNOWN_ID).status == 404

    def test_a_body_over_the_limit_is_refused(self, start_server):
        """If this fails, one request can take all the memory."""
        server = start_server("--body-bytes-max", "1M")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(wire.TIMEOUT_S)
            connection.connect(str(server.data_dir / "admin.sock"))
            connection.sendall(b"POST /v1/admin/import HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
