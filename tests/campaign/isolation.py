#!/usr/bin/env python3
"""Isolation: a model over clients whose IDs are neighbours, the nil and the highest ID among them, in one server with
restarts, deletions, removals of old versions, bans and exports in between. Every answer is the model's, to the byte: no client
ever sees, changes or removes the data of another.

With --storage postgres there are two servers over one PostgreSQL, and each request goes to one of them.
"""

import base64
import json
import uuid

from campaign import run

import admin
import storages
import wire
from model import Broken, Connection, payload

FLAGS = ("--memory-budget", "16M", "--client-requests-per-second", "0", "--address-requests-per-second", "0",
         "--new-clients-per-address-day", "0", "--disk-free-bytes-min", "0")  # fmt: skip
TURNS_PER_START = 150


def neighbours(random):
    """IDs that differ from another in their last bits, their first ones, or by a carry through whole bytes."""
    middle = random.getrandbits(128)
    numbers = {0, 1, 2, 0xFF, 0x100, (1 << 128) - 1, (1 << 128) - 2, 1 << 127, (1 << 127) - 1}
    for bit in (0, 1, 7, 8, 63, 64, 119, 120, 127):
        numbers.add(middle ^ (1 << bit))
    low = middle & ~0xFFFF
    numbers |= {low, low | 0xFF, low | 0x100, low | 0xFFFF, (low + 0x10000) % (1 << 128), (low - 1) % (1 << 128)}
    # The part of a key behind a client ID begins with these bytes, so an ID with them might be mistaken for it.
    for kind in (0x10, 0x20, 0x21, 0x30, 0x40, 0x50, 0x51, 0x60, 0x63, 0xFF):
        numbers.add(low | kind)
        numbers.add(kind << 120)
    return [str(uuid.UUID(int=number)) for number in sorted(numbers)]


class ExpectedClient:
    """All of one client, exactly."""

    def __init__(self):
        self.chain = []  # (version ID, parent ID, segment)
        self.snapshot = None  # (version ID, bytes)
        self.banned = False

    @property
    def latest(self):
        return self.chain[-1][0] if self.chain else wire.NIL_VERSION


class World:
    def __init__(self, campaign, storage):
        self.campaign = campaign
        self.random = campaign.random
        self.storage = storage
        self.connections = {}
        self.ids = neighbours(campaign.random)
        self.clients = {client_id: ExpectedClient() for client_id in self.ids}
        self.serial = 0

    @property
    def server(self):
        """Any of them."""
        return self.random.choice(self.storage.servers)

    @property
    def connection(self):
        """To any of them."""
        url = self.server.url
        return self.connections.setdefault(url, Connection(url))

    def expect(self, condition, client_id, fault):
        if not condition:
            raise Broken(f"client {client_id}: {fault}")

    def any_version_id(self, client_id):
        """Often another's, which must lead nowhere."""
        owner = client_id if self.random.random() < 0.4 else self.random.choice(self.ids)
        chain = self.clients[owner].chain
        return self.random.choice(chain)[0] if chain and self.random.random() < 0.9 else wire.NIL_VERSION

    def turn(self):
        client_id = self.random.choice(self.ids)
        # Two servers take seconds to agree on a ban.
        ban_weight = 0.6 if len(self.storage.servers) == 1 else 0.1
        action = self.random.choices(
            [self.add, self.add_after_any_version, self.get, self.snapshot, self.get_snapshot, self.delete, self.ban,
             self.export, self.list],
            [6, 3, 6, 2, 3, 0.6, ban_weight, 1, 0.2],
        )[0]  # fmt: skip
        self.campaign.count(action.__name__.replace("_", " "))
        action(client_id, self.clients[client_id])

    def bytes_for(self, client_id):
        self.serial += 1
        size = self.random.choice([1, 30, 300, 5000, 20_000])
        return f"{client_id} ".encode() + payload(f"{client_id} {self.serial}", size)

    def add(self, client_id, known, parent_id=None):
        parent_id = parent_id or known.latest
        segment = self.bytes_for(client_id)
        answer = self.connection.add_version(client_id, parent_id, segment)
        if known.banned:
            return self.expect(answer.status == 403, client_id, f"banned, and add-version was {answer.status}")
        if known.chain and parent_id != known.latest:
            self.expect(answer.status == 409 and answer.headers["X-Parent-Version-Id"] == known.latest, client_id,
                        f"{answer.status} {answer.headers['X-Parent-Version-Id']} behind {parent_id}; "
                        f"the latest is {known.latest}")  # fmt: skip
            return None
        self.expect(answer.status == 200, client_id, f"add-version was {answer.status} {answer.body}")
        known.chain.append((answer.headers["X-Version-Id"], parent_id, segment))
        return None

    def add_after_any_version(self, client_id, known):
        self.add(client_id, known, self.any_version_id(client_id))

    def get(self, client_id, known):
        parent_id = self.any_version_id(client_id)
        answer = self.connection.get_child(client_id, parent_id)
        if known.banned:
            return self.expect(answer.status == 403, client_id, f"banned, and a read was {answer.status}")
        child = next((version for version in known.chain if version[1] == parent_id), None)
        if child is None:
            wanted = 404 if not known.chain or parent_id == known.latest else 410
            return self.expect(answer.status == wanted, client_id, f"{answer.status}, not {wanted}, behind {parent_id}")
        seen = (answer.headers["X-Version-Id"], answer.headers["X-Parent-Version-Id"], answer.body)
        return self.expect(answer.status == 200 and seen == child, client_id,
                           f"behind {parent_id}: {answer.status} {seen[:2]}, not {child[:2]}")  # fmt: skip

    def snapshot(self, client_id, known):
        version_id = self.any_version_id(client_id)
        data = self.bytes_for(client_id)
        answer = self.connection.add_snapshot(client_id, version_id, data)
        if known.banned:
            return self.expect(answer.status == 403, client_id, f"banned, and add-snapshot was {answer.status}")
        if not known.chain:
            return self.expect(answer.status == 404, client_id, f"has nothing, and add-snapshot was {answer.status}")
        self.expect(answer.status == 200, client_id, f"add-snapshot was {answer.status}")
        ids = [version[0] for version in known.chain]
        before = ids.index(known.snapshot[0]) if known.snapshot else -1
        if version_id in ids[-5:] and ids.index(version_id) > before:
            known.snapshot = (version_id, data)
        return None

    def get_snapshot(self, client_id, known):
        answer = self.connection.get_snapshot(client_id)
        if known.banned:
            return self.expect(answer.status == 403, client_id, f"banned, and a read was {answer.status}")
        seen = (answer.headers["X-Version-Id"], answer.body) if answer.status == 200 else None
        return self.expect(answer.status in (200, 404) and seen == known.snapshot, client_id,
                           f"the snapshot is {answer.status} {seen and seen[0]}")  # fmt: skip

    def api(self, method, path, body=None):
        return admin.api(self.server, method, path, body)

    def delete(self, client_id, known):
        status, answer = self.api("DELETE", f"clients/{client_id}")
        self.expect(status == (200 if known.chain else 404), client_id, f"delete was {status} {answer}")
        self.clients[client_id] = ExpectedClient()
        self.clients[client_id].banned = known.banned

    def ban(self, client_id, known):
        verb = "unban" if known.banned else "ban"
        status, answer = self.api("POST", f"clients/{client_id}/{verb}", {})
        self.expect(status == 200, client_id, f"{verb} was {status} {answer}")
        known.banned = not known.banned
        self.storage.await_ban(client_id, known.banned)

    def export(self, client_id, known):
        socket = f"unix:{self.server.data_dir}/admin.sock"
        answer = wire.request(socket, "GET", f"/v1/admin/clients/{client_id}/export")
        if not known.chain:
            return self.expect(answer.status == 404, client_id, f"has nothing, and an export was {answer.status}")
        lines = [json.loads(line) for line in answer.body.splitlines()]
        page = answer
        while next_page := page.headers.get("X-Next-Page"):
            page = wire.request(socket, "GET", f"/v1/admin/clients/{client_id}/export?after={next_page}")
            lines += [json.loads(line) for line in page.body.splitlines()]
        owners = {line["client_id"] for line in lines if line["type"] == "client"}
        versions = [(line["version_id"], line["parent_version_id"], base64.b64decode(line["segment"]))
                    for line in lines if line["type"] == "version"]  # fmt: skip
        snapshots = [(line["version_id"], base64.b64decode(line["snapshot"]))
                     for line in lines if line["type"] == "snapshot"]  # fmt: skip
        self.expect(
            owners == {client_id} and versions == known.chain, client_id, f"an export has {owners}, {len(versions)}"
        )
        return self.expect(snapshots == ([known.snapshot] if known.snapshot else []), client_id, "an export's snapshot")

    def list(self, client_id, known):
        status, answer = self.api("GET", "clients?limit=1000")
        listed = {client["client_id"]: client["versions"] for client in answer["clients"]}
        wanted = {client_id: len(known.chain) for client_id, known in self.clients.items() if known.chain}
        self.expect(status == 200 and listed == wanted, client_id, f"the list is {listed}, not {wanted}")

    def restart(self):
        server = self.server
        if self.random.random() < 0.5:
            server.kill()
            server.start()
            self.campaign.count("kills")
        else:
            server.restart()
            self.campaign.count("restarts")
        if connection := self.connections.pop(server.url, None):
            connection.close()


def main(campaign):
    while campaign.has_time_left():
        with campaign.round() as directory, storages.open_storage(campaign, directory, FLAGS) as storage:
            world = World(campaign, storage)
            for _ in range(5):
                for _ in range(TURNS_PER_START):
                    world.turn()
                world.restart()
                if campaign.elapsed() > campaign.seconds:
                    break
            for client_id, known in world.clients.items():
                world.get_snapshot(client_id, known)
                world.export(client_id, known)
            world.list(world.ids[0], None)
            verified = admin.run(world.server.data_dir, "verify", "--json", **storage.variables)
            problems = json.loads(verified.stdout)["problems"]
            # Histories that begin behind a version of another client are foreseen: no new computer can start there.
            damage = [problem for problem in problems if not problem["new_replica_cannot_start"]]
            if damage:
                raise Broken(f"verify found {damage[:3]}")


if __name__ == "__main__":
    run(__doc__, main, storages.add_argument)
