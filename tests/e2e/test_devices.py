"""Tokens of single computers, with the real server and the real Taskwarrior: a lost computer is shut out, the others go
on."""

import json

import admin
import pytest
import wire

MEDIA_TYPE = "application/octet-stream"


class Computer:
    """A Taskwarrior, and the token of its URL."""

    def __init__(self, server, user, replica, token=None):
        self.server, self.user, self.replica = server, user, replica
        self.use(token)

    def use(self, token):
        self.token = token
        self.path = f"/i/{token}" if token else ""
        self.replica.use_server(f"{self.server.url}{self.path}/", self.user)

    def call(self, method, path="", body=None, keep=()):
        fields = {"Keep-Devices": ", ".join(keep)} if keep else {}
        if method == "POST":
            fields["Content-Type"] = MEDIA_TYPE
        return wire.request(
            self.server.url,
            method,
            f"{self.path}/v1/client/devices{path}",
            self.user.client_id,
            body,
            more_headers=fields,
        )

    def mint(self, label=b"sealed"):
        answer = self.call("POST", body=label)
        assert answer.status == 201, answer.body
        return json.loads(answer.body)

    def devices(self):
        answer = self.call("GET")
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def revoke(self, device, keep=()):
        answer = self.call("DELETE", f"/{device}", keep=keep)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)["revoked"]

    def syncs(self):
        done = self.replica.sync(check=False)
        if done.returncode == 0:
            return True
        assert "403" in done.stderr + done.stdout
        return False


@pytest.fixture
def pair(user, new_replica):
    """Gives a further computer, with the token that `by` mints for it."""

    def make(server, by=None):
        replica = new_replica(server.url, user)
        token = by.mint()["token"] if by else None
        return Computer(server, user, replica, token)

    return make


def first_computers(server, pair):
    """A desktop with a token, and a laptop that it has paired; both have synced."""
    desktop = pair(server)
    desktop.replica.add("From the desktop")
    assert desktop.syncs()
    desktop.use(desktop.mint()["token"])
    laptop = pair(server, by=desktop)
    for computer in (desktop, laptop):
        assert computer.syncs()
    return desktop, laptop


@pytest.mark.usefixtures("each_storage")
def test_a_lost_laptop_is_shut_out(start_server, pair):
    """If this fails, who holds a lost laptop reads and changes its owner's tasks, or the owner's others are out too."""
    server = start_server()
    desktop, laptop = first_computers(server, pair)
    old = pair(server)  # set up before there were tokens
    phone = pair(server, by=desktop)
    child = pair(server, by=laptop)  # the thief's
    for computer in (old, phone, child):
        assert computer.syncs()
    listed = desktop.devices()
    by_id = {device["device"]: device for device in listed["devices"]}
    assert len(by_id) == 4 and not listed["requires_token"] and listed["tokenless_last_seen"]
    assert all(device["last_seen"] for device in listed["devices"])
    own, lost, of_phone, of_child = by_id
    assert listed["this"] == own and by_id[of_phone]["minted_by"] == own and by_id[of_child]["minted_by"] == lost

    assert sorted(desktop.revoke(lost)) == sorted([lost, of_child])
    for computer in (laptop, child, old):
        computer.replica.add("Too late")
        assert not computer.syncs()
    for computer in (desktop, phone):
        computer.replica.add("From a computer that is in")
        assert computer.syncs()
    assert desktop.syncs() and "Too late" not in desktop.replica.descriptions()
    # The remedy of the sentence: the old computer gets a token of its own, and its task with it.
    old.use(phone.mint()["token"])
    assert old.syncs() and desktop.syncs()
    assert "Too late" in desktop.replica.descriptions()

    server.restart()
    assert not laptop.syncs() and not pair(server).syncs()
    assert desktop.syncs() and phone.syncs() and old.syncs()
    assert laptop.token not in server.log and desktop.token not in server.log


@pytest.mark.usefixtures("each_storage")
def test_the_operator_shuts_everybody_out_and_lets_everybody_in(start_server, pair, user):
    """If this fails, an operator cannot help a user whose only computer with a token is lost."""
    server = start_server()
    desktop, laptop = first_computers(server, pair)
    (lost,) = {device["device"] for device in desktop.devices()["devices"]} - {desktop.devices()["this"]}
    desktop.revoke(lost)
    shown = admin.succeed(server.data_dir, "clients", "show", user.client_id)
    assert "1 computer has a token of its own; requests without one are refused" in shown
    token = admin.as_json(server.data_dir, "clients", "reset-token", user.client_id)["token"]
    assert not desktop.syncs() and not laptop.syncs()
    desktop.use(token)
    assert desktop.syncs() and desktop.devices()["devices"] == []
    # The operator's token is every computer's; one of a computer's own is admitted beside it.
    phone = pair(server, by=desktop)
    assert phone.syncs() and not pair(server).syncs()
    assert admin.as_json(server.data_dir, "clients", "clear-token", user.client_id)["had_token"]
    assert laptop.syncs() and phone.syncs() and pair(server).syncs()
    assert desktop.devices()["devices"] == []
    admin.succeed(server.data_dir, "clients", "delete", user.client_id, "--yes")


@pytest.mark.usefixtures("each_storage")
def test_devices_move_with_their_client(start_server, pair, user):
    """If this fails, a computer that was shut out is back at the next server, or those that were in are out there."""
    source, target = start_server(), start_server()
    desktop, laptop = first_computers(source, pair)
    before = admin.succeed(source.data_dir, "clients", "export", user.client_id)
    (lost,) = {device["device"] for device in desktop.devices()["devices"]} - {desktop.devices()["this"]}
    desktop.revoke(lost)
    text = admin.succeed(source.data_dir, "clients", "export", user.client_id)
    assert desktop.token not in text
    for export in (text, text, before, text):
        done = admin.run_with_input(target.data_dir, export, "clients", "import", "--yes")
        assert done.returncode == 0, done.stderr
        for computer in (desktop, laptop):
            computer.server = target
            computer.use(computer.token)
        assert desktop.syncs() and not laptop.syncs() and not pair(target).syncs()
    (line,) = [line for line in map(json.loads, text.splitlines()) if line["type"] == "devices"]
    assert [device["digest"][:12] for device in line["devices"]] == [desktop.devices()["this"]]
