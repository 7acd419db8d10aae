#!/usr/bin/env python3
"""Crashes: many owners, racers and an operator at once through the real server; SIGKILL at random moments, also during
starts; then everything that was acknowledged is compared, byte by byte.

Owners have a client each, racers share one, and the operator imports, bans, removes versions, deletes, and makes
backups. One backup of each data directory is restored at its end, and compared with the data acknowledged before it.

With --storage postgres there are two servers over one PostgreSQL. One of them dies or both, or a process of PostgreSQL,
which then starts all of its processes again, or all of PostgreSQL, which may also hang; everything is compared through
both servers.
PostgreSQL's own programs make backups there, so the operator makes none.
"""

import base64
import json
import threading
import time
import uuid
from types import SimpleNamespace

from campaign import run

import admin
import storages
import wire
from model import Broken, Client, Connection, digest, payload
from server import Server

OWNERS = 6
RACERS = 3
ROUNDS_PER_DIRECTORY = 8
FLAGS = ("--memory-budget", "32M", "--retention-days", "1", "--retention-versions", "3", "--replica-seen-days", "1",
         "--client-requests-per-second", "0", "--address-requests-per-second", "0",
         "--new-clients-per-address-day", "0", "--disk-free-bytes-min", "0")  # fmt: skip
DAY_S = 86400


class Worker(threading.Thread):
    """Does `turn` again and again, until the server is gone."""

    def __init__(self, turn, failures):
        super().__init__(daemon=True)
        self._turn = turn
        self._failures = failures
        self.is_over = threading.Event()

    def run(self):
        try:
            while not self.is_over.is_set():
                self._turn()
        except OSError:
            pass  # killed
        except Exception as failure:  # told by the main thread
            self._failures.append(failure)


class Load:
    """The users of one storage."""

    def __init__(self, campaign, directory, storage):
        self.campaign = campaign
        self.random = campaign.random
        self.directory = directory
        self.storage = storage
        self.owned = [Client() for _ in range(OWNERS)]
        self.shared = Client()
        self.operator_clients = {}  # client ID -> Client; the operator's alone to write to
        self.banned = {}  # client ID -> True, False, or None for "it was not answered"
        self.serial = 0
        self.failures = []

    def size(self):
        # Mostly small as real ones are; some too large to be stored inline, a few of many pages.
        return int(2 ** self.random.uniform(0, 13 if self.random.random() < 0.8 else 20)) + 1

    def bytes_for(self, label):
        self.serial += 1
        return payload(f"{self.campaign.seed} {label} {self.serial}", self.size())

    def owner_turn(self, client, url):
        connection = Connection(url)
        state = {"latest": None}

        def turn():
            if state["latest"] is None:
                state["latest"] = client.pull(connection, client.base)
            if state["latest"] is None:
                return self.pause()
            version_id = client.append(connection, state["latest"], self.bytes_for(client.client_id))
            state["latest"] = version_id
            if version_id is None:
                return self.pause()
            self.campaign.count("versions acknowledged")
            if self.random.random() < 0.1:
                client.store_snapshot(connection, version_id, self.bytes_for("snapshot"))
                self.campaign.count("snapshots acknowledged")
            return None

        return turn

    @staticmethod
    def pause():
        """After a refusal, which may be at once, as long as PostgreSQL is away."""
        time.sleep(0.01)

    def racer_turn(self, url):
        connection = Connection(url)
        state = {"latest": wire.NIL_VERSION}

        def turn():
            latest = self.shared.pull(connection, state["latest"])
            if latest is None:
                return self.pause()
            state["latest"] = latest
            version_id = self.shared.append(connection, latest, self.bytes_for("race"))
            self.campaign.count("versions acknowledged" if version_id else "races lost")
            return None

        return turn

    def operator_turn(self, server):
        actions = [self.import_client] * 3 + [self.ban, self.unban, self.delete, self.prune, self.read]
        if self.storage.has_backups:
            actions.append(self.backup)

        def turn():
            self.random.choice(actions)(server)
            time.sleep(0.005)

        return turn

    def api(self, server, method, path, body=None):
        try:
            return admin.api(server, method, path, body)
        except (OSError, ValueError) as failure:
            raise OSError(f"no answer: {failure!r}") from failure

    def is_busy(self, status):
        """Whether it is open if the request was done."""
        if status in self.storage.busy_statuses:
            self.campaign.count("an operator's requests that were refused")
            self.pause()
            return True
        return False

    def import_client(self, server):
        """A client with a snapshot and old versions before it, which may be removed: no replica was seen at them."""
        client = Client()
        lines = [{"type": "client", "client_id": client.client_id, "replicas_follow": True}]
        parent_id, now = wire.NIL_VERSION, int(time.time())
        for number in range(self.random.randint(1, 12)):
            version_id, segment = str(uuid.uuid4()), self.bytes_for("import")
            lines.append({"type": "version", "version_id": version_id, "parent_version_id": parent_id,
                          "appended": now - 10 * DAY_S + number, "segment": base64.b64encode(segment).decode()})  # fmt: skip
            client.unanswered[parent_id] = {digest(segment)}
            parent_id = version_id
        snapshot = self.bytes_for("snapshot")
        client.snapshots.append((parent_id, digest(snapshot)))
        lines.append({"type": "snapshot", "version_id": parent_id, "snapshot": base64.b64encode(snapshot).decode()})
        self.operator_clients[client.client_id] = client
        # Until it is answered, all of it or nothing may be there.
        client.may_be_gone = True
        status, answer = self.api(server, "POST", "import", "".join(json.dumps(line) + "\n" for line in lines))
        if status in (429, 503, 507):
            return
        if status != 200:
            raise Broken(f"import was answered {status} {answer}")
        versions = [line for line in lines if line["type"] == "version"]
        for line, (hashed,) in zip(versions, client.unanswered.values(), strict=True):
            client.acknowledged[line["parent_version_id"]] = (line["version_id"], hashed)
        client.may_be_gone = False
        client.acknowledged_snapshot = 0
        self.campaign.count("imports")

    def known_client(self):
        return self.random.choice(list(self.operator_clients.values())) if self.operator_clients else None

    def ban(self, server, verb="ban", outcome=True):
        client = self.known_client()
        if client is None:
            return
        before = self.banned.get(client.client_id, False)
        self.banned[client.client_id] = before if before == outcome else None
        status, answer = self.api(server, "POST", f"clients/{client.client_id}/{verb}", {})
        if self.is_busy(status):
            return
        if status != 200:
            raise Broken(f"{verb} was answered {status} {answer}")
        self.banned[client.client_id] = outcome
        self.campaign.count(f"{verb}s")

    def unban(self, server):
        self.ban(server, "unban", outcome=False)

    def delete(self, server):
        client = self.known_client()
        if client is None:
            return
        client.may_be_gone = True
        status, answer = self.api(server, "DELETE", f"clients/{client.client_id}")
        if self.is_busy(status):
            return
        if status not in (200, 404):
            raise Broken(f"delete was answered {status} {answer}")
        client.forget()
        self.campaign.count("deletions")

    def prune(self, server):
        """Removes old versions up to the snapshot: a history may then begin at any of its versions."""
        for client in self.operator_clients.values():  # also those whose import was not answered, and is there
            client.base_may_be |= set(client.acknowledged)
        after = None
        while True:
            status, answer = self.api(server, "POST", "prune", {"after": after} if after else {})
            if self.is_busy(status):
                return
            if status != 200:
                raise Broken(f"prune was answered {status} {answer}")
            self.campaign.count("versions pruned", sum(client["versions"] for client in answer["clients"]))
            after = answer["next"]
            if after is None:
                return

    def backup(self, server):
        status, answer = self.api(server, "POST", "backups", {"directory": str(self.directory / "backups"), "keep": 2})
        if status not in (202, 409, 503):
            raise Broken(f"backup was answered {status} {answer}")
        self.campaign.count("backups begun")

    def read(self, server):
        for path in ("stats", "clients?limit=1000", "bans"):
            status, answer = self.api(server, "GET", path)
            if self.is_busy(status):
                return
            if status != 200:
                raise Broken(f"GET {path} was answered {status} {answer}")

    def clients(self):
        return [*self.owned, self.shared, *self.operator_clients.values()]

    def run_until_crash(self, seconds):
        servers = self.storage.servers
        turns = [self.owner_turn(client, servers[n % len(servers)].url) for n, client in enumerate(self.owned)]
        turns += [self.racer_turn(servers[n % len(servers)].url) for n in range(RACERS)]
        turns.append(self.operator_turn(self.random.choice(servers)))
        workers = [Worker(turn, self.failures) for turn in turns]
        for worker in workers:
            worker.start()
        time.sleep(seconds)
        self.storage.crash()
        for worker in workers:
            worker.is_over.set()
        for worker in workers:
            worker.join(60)
        if self.failures:
            raise self.failures[0]

    def compare(self):
        self.take_bans_away()
        for server in self.storage.servers:
            connection = Connection(server.url)
            for client in self.clients():
                client.compare(connection, self.campaign.count)
            connection.close()

    def take_bans_away(self):
        """All are as they were acknowledged; then all data can be compared."""
        client_ids = [client.client_id for client in self.clients()]
        for client_id in client_ids:
            banned = self.banned.get(client_id, False)
            if banned is not None:
                self.storage.await_ban(client_id, banned)
        maybe_banned = [client_id for client_id in client_ids if self.banned.get(client_id, False) is not False]
        for client_id in maybe_banned:
            status, answer = self.api(
                self.random.choice(self.storage.servers), "POST", f"clients/{client_id}/unban", {}
            )
            if status != 200:
                raise Broken(f"unban was answered {status} {answer}")
        for client_id in maybe_banned:
            self.storage.await_ban(client_id, False)
        self.banned = {}


def verify(storage):
    for server in storage.servers:
        problems = admin.as_json(server.data_dir, "verify", **storage.variables)["problems"]
        if problems:
            raise Broken(f"verify found {problems[:3]}")


def restore_last_backup(campaign, load, directory):
    """A backup is whole after all that: it restores, and its histories are beginnings of the acknowledged ones."""
    if not load.storage.has_backups or not (directory / "backups").exists():
        return
    listed = admin.run(directory / "data", "backups", directory / "backups", "--json")
    if listed.returncode != 0 or not listed.stdout.strip():
        return
    restored = directory / "restored"
    admin.succeed(restored, "restore", directory / "backups", "--yes")
    server = Server(directory / "restored.log", restored, *FLAGS)
    try:
        connection = Connection(server.url)
        for client in [*load.owned, load.shared]:
            parent_id = wire.NIL_VERSION
            while (answer := connection.get_child(client.client_id, parent_id)).status == 200:
                if client.acknowledged.get(parent_id) != (answer.headers["X-Version-Id"], digest(answer.body)):
                    raise Broken(
                        f"a backup has a version of {client.client_id} behind {parent_id} that is not the server's"
                    )
                parent_id = answer.headers["X-Version-Id"]
            if answer.status != 404:
                raise Broken(f"the history of {client.client_id} in a backup ends with {answer.status}")
        verify(SimpleNamespace(servers=[server], variables={}))
        campaign.count("backups restored and compared")
    finally:
        server.kill()


def main(campaign):
    while campaign.has_time_left():
        with campaign.round() as directory:
            with storages.open_storage(campaign, directory, FLAGS) as storage:
                load = Load(campaign, directory, storage)
                for number in range(ROUNDS_PER_DIRECTORY):
                    load.run_until_crash(campaign.random.uniform(0.05, 1.5))
                    while campaign.random.random() < 0.4:
                        storage.kill_during_start()
                    storage.start()
                    load.compare()
                    if number > 0 and not campaign.has_time_left():
                        break
                verify(storage)
            restore_last_backup(campaign, load, directory)


if __name__ == "__main__":
    run(__doc__, main, storages.add_argument)
