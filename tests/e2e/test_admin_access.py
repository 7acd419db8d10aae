"""Bans, tokens and invites: they count from the moment of the command on, and stay over a restart."""

import json
import re

import admin
import pytest
import wire

CLIENT_ID = "44444444-0000-4000-8000-000000000004"
NEW_IDS = [f"5555555{number}-0000-4000-8000-000000000005" for number in range(4)]


def read_status(url, prefix=""):
    return wire.request(url, "GET", f"{prefix}/v1/client/get-child-version/{wire.NIL_VERSION}", CLIENT_ID).status


def create_status(url, client_id, prefix=""):
    path = f"{prefix}/v1/client/add-version/{wire.NIL_VERSION}"
    return wire.request(url, "POST", path, client_id, b"segment", wire.SEGMENT_TYPE).status


@pytest.fixture
def client(server):
    admin.add_chain(server.url, CLIENT_ID, 2)
    return server


@pytest.mark.usefixtures("each_storage")
class TestBans:
    def test_a_ban_takes_effect_at_once(self, client):
        """If this fails, abuse continues until the server is restarted."""
        assert read_status(client.url) == 200
        banned = admin.as_json(client.data_dir, "clients", "ban", CLIENT_ID[:8], "--reason", "fills the disk")
        assert banned["is_client"] and banned["ban"]["reason"] == "fills the disk"
        assert read_status(client.url) == 403
        client.restart()
        assert read_status(client.url) == 403
        (listed,) = admin.as_lines(client.data_dir, "clients", "list")
        assert listed["ban"]["reason"] == "fills the disk"
        assert "banned" in admin.succeed(client.data_dir, "clients", "list")
        assert "fills the disk" in admin.succeed(client.data_dir, "clients", "show", CLIENT_ID)
        assert admin.as_json(client.data_dir, "clients", "unban", CLIENT_ID)["was_banned"]
        assert read_status(client.url) == 200
        assert not admin.as_json(client.data_dir, "clients", "unban", CLIENT_ID)["was_banned"]

    def test_a_ban_works_without_a_running_server(self, client):
        """If this fails, a server must be running to protect it."""
        client.stop()
        admin.succeed(client.data_dir, "clients", "ban", CLIENT_ID)
        client.start()
        assert read_status(client.url) == 403

    def test_an_unknown_client_can_be_banned(self, client):
        """If this fails, a client that was banned elsewhere can still come, and the list does not show its ban."""
        done = admin.run(client.data_dir, "clients", "ban", NEW_IDS[0])
        assert done.returncode == 0 and "no client" in done.stderr
        assert create_status(client.url, NEW_IDS[0]) == 403
        (ban,) = admin.as_lines(client.data_dir, "clients", "list", "--banned")
        assert ban["client_id"] == NEW_IDS[0]
        # Without any data here, too, it is found by each of its names.
        for name in (NEW_IDS[0][:8].upper(), ban["pseudonym"]):
            again = admin.as_json(client.data_dir, "clients", "ban", name)
            assert (again["client_id"], again["is_client"]) == (NEW_IDS[0], False)
        assert admin.as_json(client.data_dir, "clients", "unban", ban["pseudonym"])["was_banned"]


@pytest.mark.usefixtures("each_storage")
class TestTokens:
    def test_a_token_protects_a_leaked_client_id(self, client):
        """If this fails, there is no answer to a leaked client ID or a lost laptop but to lose the history."""
        first = admin.as_json(client.data_dir, "clients", "reset-token", CLIENT_ID)
        assert first["path"] == f"/i/{first['token']}"
        assert read_status(client.url) == 403
        assert read_status(client.url, first["path"]) == 200
        second = admin.as_json(client.data_dir, "clients", "reset-token", CLIENT_ID)
        assert second["token"] != first["token"]
        assert read_status(client.url, first["path"]) == 403
        assert read_status(client.url, second["path"]) == 200
        client.restart()
        assert read_status(client.url, second["path"]) == 200
        assert admin.as_json(client.data_dir, "clients", "clear-token", CLIENT_ID)["had_token"]
        assert read_status(client.url) == 200
        # Neither is anywhere but in the answer that showed it.
        for path in client.data_dir.rglob("*"):
            if path.is_file():
                assert first["token"].encode() not in path.read_bytes(), path
        assert first["token"] not in client.log and second["token"] not in client.log

    def test_the_command_explains_what_to_send_to_the_user(self, client):
        """If this fails, an operator does not know what to send to the user."""
        text = admin.succeed(client.data_dir, "clients", "reset-token", CLIENT_ID)
        assert re.search(r"sync\.server\.url=https://HOST/i/[0-9a-f]{32}/\n", text) and "once" in text


class TestInvites:
    @pytest.mark.usefixtures("each_storage")
    def test_an_invite_creates_its_clients(self, start_server):
        """If this fails, a server for invited people lets in no client, or every one."""
        server = start_server("--invite-only")
        assert create_status(server.url, NEW_IDS[0]) == 403
        invite = admin.as_json(
            server.data_dir, "invites", "create", "--label", "for Ann", "--uses", "2", "--expires-days", "7"
        )
        assert create_status(server.url, NEW_IDS[0], invite["path"]) == 200
        assert create_status(server.url, NEW_IDS[1], invite["path"]) == 200
        assert create_status(server.url, NEW_IDS[2], invite["path"]) in (403, 404)
        (listed,) = admin.as_lines(server.data_dir, "invites", "list")
        assert (listed["label"], listed["uses"], listed["uses_max"]) == ("for Ann", 2, 2)
        assert listed["state"] == "used up" and listed["expires"] == listed["created"] + 7 * 86400
        assert listed["invite"] == invite["invite"] and "token" not in listed
        assert "for Ann" in admin.succeed(server.data_dir, "invites", "list")

    @pytest.mark.usefixtures("each_storage")
    def test_a_revoked_invite_creates_no_client(self, start_server):
        """If this fails, an invite that got into the wrong hands cannot be taken back."""
        server = start_server("--invite-only")
        server.stop()
        invite = admin.as_json(server.data_dir, "invites", "create", "--uses", "0")
        server.start()
        assert create_status(server.url, NEW_IDS[0], invite["path"]) == 200
        admin.succeed(server.data_dir, "invites", "revoke", invite["invite"])
        assert create_status(server.url, NEW_IDS[1], invite["path"]) == 403
        # The client that came with it stays.
        assert len(admin.as_lines(server.data_dir, "clients", "list")) == 1
        assert invite["invite"] in admin.refusal(server.data_dir, "invites", "revoke", invite["invite"])

    def test_an_invite_can_be_made_before_the_first_start(self, start_server, tmp_path):
        """If this fails, an invite cannot be made before there is a server, or a mistyped path goes unnoticed."""
        made = admin.run(tmp_path / "new", "invites", "create", "--json")
        assert made.returncode == 0 and f"no data directory at '{tmp_path / 'new'}', so one was made" in made.stderr
        again = admin.run(tmp_path / "new", "invites", "create", "--json")
        assert (again.returncode, again.stderr) == (0, "")
        server = start_server("--invite-only", data_dir=tmp_path / "new")
        assert create_status(server.url, NEW_IDS[0], json.loads(made.stdout)["path"]) == 200

    @pytest.mark.usefixtures("each_storage")
    def test_invalid_invites_are_refused(self, server):
        """If this fails, a mistyped number makes an invite without a limit."""
        for flags in (("--uses", "many"), ("--uses", "-1"), ("--expires-days", "99999")):
            assert flags[1] in admin.refusal(server.data_dir, "invites", "create", *flags, status=2)
        assert admin.as_lines(server.data_dir, "invites", "list") == []
