#!/usr/bin/env python3
"""Histories: two servers over one PostgreSQL; real Taskwarriors, TaskChampion's own replicas (taskchampion-py) and raw
writers and readers race on some clients at both servers, some of them now at this one and now at that. Meanwhile servers
are killed and stopped, PostgreSQL is restarted, killed, hangs, or loses a process, and the network loses answers. A proxy before
each server records every request and its answer, and linearizability.py decides from that record alone whether each
client's history is linearizable. In the end all replicas of a client, and a new one, have the same tasks, with every edit
in them.

Clients of real replicas also have readers, writers with a stale parent, and snapshots that come too late, none of which
changes anything. Clients without replicas have writers that race as fast as they can.

A run of less than two minutes has few replicas.
"""

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import uuid
from pathlib import Path

from campaign import Deck, Missing, run

import linearizability
import taskwarrior
import wire
from linearizability import NO_ANSWER
from model import Broken, payload
from postgres import Postgres
from recording import Proxy, Record
from server import Server
from taskwarrior import User

FLAGS = ("--memory-budget", "32M", "--snapshot-versions", "10", "--client-requests-per-second", "0",
         "--address-requests-per-second", "0", "--new-clients-per-address-day", "0")  # fmt: skip
WORKER = Path(__file__).with_name("taskchampion_worker.py")
ROUND_S = 600
QUIET_ROUNDS_MAX = 8
HANG_S_MAX = 8  # requests give up after five seconds, and what they have sent may be done later
RAW_CLIENTS = 2
RAW_WRITERS = 2  # of each raw client
NEW_REPLICA = 900  # the number of the first one that is made at the end
TASK_DATABASE = "taskchampion.sqlite3"


def add_arguments(parser):
    parser.add_argument("--clients", type=int, help="task histories with real replicas (3)")
    parser.add_argument("--replicas", type=int, help="by taskchampion-py (50)")
    parser.add_argument("--workers", type=int, help="processes that these share (16)")
    parser.add_argument("--taskwarriors", type=int, help="(4)")


class LossyProxy(Proxy):
    """The network: it loses an answer now and then, as long as there is a race."""

    loss = 0.01

    def __init__(self, record, server_url, source):
        super().__init__(record, server_url)
        self._random = source

    def pass_on(self, *arguments):
        answer = super().pass_on(*arguments)
        if self._random.random() < self.loss:
            raise OSError("lost")
        return answer


class Worker:
    """A process with some replicas. One order at a time, from any thread."""

    def __init__(self, python, directory, seed):
        self._lock = threading.Lock()
        self.directory = directory
        self.replicas = []
        directory.mkdir()
        self._errors = open(directory / "errors", "wb")  # noqa: SIM115  closed with the process
        # They keep a processor busy with their keys, which must not starve the servers.
        self._process = subprocess.Popen(["nice", python, "-B", WORKER, directory, str(seed)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=self._errors, text=True)  # fmt: skip

    def order(self, order):
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise AssertionError(f"a process with replicas has ended: {Path(self._errors.name).read_text()[-2000:]}")
        return json.loads(answer)

    def close(self):
        self._process.kill()
        self._process.communicate()
        self._errors.close()


class Replica:
    """What the two kinds share: the edits that have to be everywhere in the end."""

    def __init__(self, name, user):
        self.name = name
        self.user = user
        self.expected = {}  # (task, property) -> value; the property may be ANYWHERE

    def tasks(self):
        """{task: {property: value}} as its database has them."""
        database = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            return {task: json.loads(data) for task, data in database.execute("SELECT uuid, data FROM tasks")}
        finally:
            database.close()


class ChampionReplica(Replica):
    def __init__(self, name, user, worker):
        super().__init__(name, user)
        self.database = worker.directory / name / TASK_DATABASE
        self._worker = worker
        worker.order({"replica": name, "client_id": user.client_id, "secret": user.secret})

    def edit_and_sync(self, edits, url):
        """The cause when it did not sync."""
        answer = self._worker.order({"replica": self.name, "edits": edits, "url": url})
        self.expected |= {(task, name): value for task, name, value in answer["edits"]}
        return answer["error"]


class RealTaskwarrior(Replica):
    """It edits tasks of its own only: each of its changes sets `modified`, which two replicas must not race for."""

    def __init__(self, name, user, client, directory, source):
        super().__init__(name, user)
        self._random = source
        directory.mkdir()
        self._replica = taskwarrior.Replica(client, directory, "http://127.0.0.1:1", user)
        self.database = self._replica.data_directory / TASK_DATABASE
        self._own = []

    def edit_and_sync(self, edits, url):
        for _ in range(edits):
            self._edit()
        self._replica.use_server(url, self.user)
        done = self._replica.sync(check=False)
        return done.stderr if done.returncode else None

    def _edit(self):
        text = f"Käse {self._random.getrandbits(100):030x}"
        if not self._own or self._random.random() < 0.4:
            task = self._replica.add(text)
            self._own.append(task)
            self.expected[task, "description"] = text
            return
        task = self._random.choice(self._own)
        name = self._random.choice(["description", "project", "annotation"])
        if name == "annotation":
            self._replica.task(task, "annotate", text)
            self.expected[task, f"annotation {text}"] = text
        else:
            self._replica.task(task, "modify", f"{name}:{text}")
            self.expected[task, name] = text


def has(tasks, task, name, value):
    properties = tasks.get(task, {})
    if name.startswith("annotation "):  # Taskwarrior chose the rest of the name
        return value in properties.values()
    return properties.get(name) == value


class Crew:
    """Threads that do their turns until they are told to stop. A turn without an answer is one like any other."""

    def __init__(self):
        self.failures = []
        self._is_over = threading.Event()
        self._threads = []

    def add(self, turn, pause_s, source):
        def work():
            try:
                while not self._is_over.wait(source.uniform(0, pause_s)) and not self.failures:
                    turn()
            except Exception as failure:  # told by the main thread
                self.failures.append(failure)

        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def stop(self):
        self._is_over.set()
        for thread in self._threads:
            thread.join(120)
            if thread.is_alive():
                raise Broken("a request, or a sync, has not ended within two minutes")
        if self.failures:
            raise self.failures[0]


class Histories:
    """One round."""

    def __init__(self, campaign, directory, postgres):
        self.campaign = campaign
        self.random = campaign.random
        self.directory = directory
        self.postgres = postgres
        self.record = Record()
        self.servers = []
        self.proxies = []
        self.workers = []
        self.replicas = []
        self.users = []
        self.raw_client_ids = [str(uuid.uuid4()) for _ in range(RAW_CLIENTS)]
        self.serial = 0
        self.disruptions = Deck(
            campaign.random, "kill", "kill", "kill both", "stop", "restart", "kill postgres", "kill backend", "hang"
        )

    def own_random(self):
        """For one thread."""
        return random.Random(self.random.getrandbits(64))

    def start_servers(self):
        variables = self.postgres.new_database(self.directory / "none").variables
        for n in range(2):
            server = Server(self.directory / f"server{n}.log", self.directory / f"data{n}", *FLAGS, env=variables)
            self.servers.append(server)
            self.proxies.append(LossyProxy(self.record, server.url, self.own_random()))

    @property
    def client_ids(self):
        return [*(user.client_id for user in self.users), *self.raw_client_ids]

    def close(self):
        for worker in self.workers:
            worker.close()
        for proxy in self.proxies:
            proxy.close()
        for server in self.servers:
            server.kill()

    # ---- Replicas

    def make_replicas(self, python, client, homes):
        arguments = self.campaign.arguments
        is_short = self.campaign.seconds < 120
        clients = arguments.clients or (2 if is_short else 3)
        count = arguments.replicas or (6 if is_short else 50)
        workers = min(count, arguments.workers or (3 if is_short else 16))
        taskwarriors = (2 if is_short else 4) if arguments.taskwarriors is None else arguments.taskwarriors
        self.users = [User() for _ in range(clients)]
        for n in range(workers):
            self.workers.append(Worker(python, self.directory / f"worker{n}", self.random.getrandbits(32)))
        for n in range(count):
            worker = self.workers[n % workers]
            worker.replicas.append(ChampionReplica(f"champion-{n}", self.users[n % clients], worker))
            self.replicas.append(worker.replicas[-1])
        for n in range(taskwarriors):
            user = self.users[n % clients]
            self.replicas.append(
                RealTaskwarrior(f"taskwarrior-{n}", user, client, homes / f"taskwarrior-{n}", self.own_random())
            )
        self.campaign.figures |= {"clients": clients + RAW_CLIENTS, "replicas": count, "taskwarriors": taskwarriors}

    def url_for(self, replica, source):
        """Two thirds stay with one server."""
        number = self.replicas.index(replica)
        proxy = source.choice(self.proxies) if number % 3 == 0 else self.proxies[number // 3 % 2]
        return proxy.url_of(replica.name)

    def replica_turn(self, replicas, source):
        def turn():
            replica = source.choice(replicas)
            error = replica.edit_and_sync(source.choice([0, 1, 1, 2, 5]), self.url_for(replica, source))
            self.campaign.count("syncs that failed" if error else "syncs")
            if error and "out of sync" in error.lower():
                raise Broken(f"{replica.name} takes itself for diverged: {error}")

        return turn

    # ---- Requests by hand

    def bytes_for(self, source):
        self.serial += 1
        size = int(2 ** source.uniform(0, 12 if source.random() < 0.9 else 20)) + 1
        return payload(f"{self.campaign.seed} {source.random()} {self.serial}", size)

    def reader_turn(self, client_id, name, source):
        connections = [proxy.connection(name) for proxy in self.proxies]

        def turn():
            connection = source.choice(connections)
            known = self.record.known_parents(client_id)
            if source.random() < 0.2:
                self.request(lambda: connection.get_snapshot(client_id))
                return
            # Mostly near the end of the history; sometimes its beginning, or a version that was never here.
            version_ids = known[-8:] if known and source.random() < 0.8 else [wire.NIL_VERSION, str(uuid.uuid4())]
            version_id = source.choice(version_ids)
            answer = self.request(lambda: connection.get_child(client_id, version_id))
            if answer and answer.status == 200 and source.random() < 0.5:
                self.request(lambda: connection.get_child(client_id, answer.headers["X-Version-Id"]))

        return turn

    def late_turn(self, client_id, name, source):
        """Writes to a client with real replicas, which must not change anything."""
        connections = [proxy.connection(name) for proxy in self.proxies]

        def turn():
            connection = source.choice(connections)
            known = self.record.known_parents(client_id)
            if not known:
                return
            version_id = source.choice(known)
            if source.random() < 0.7:
                self.request(lambda: connection.add_version(client_id, version_id, self.bytes_for(source)))
            elif self.record.is_old(client_id, version_id):
                self.request(lambda: connection.add_snapshot(client_id, version_id, self.bytes_for(source)))

        return turn

    def writer_turn(self, client_id, name, source):
        connections = [proxy.connection(name) for proxy in self.proxies]
        state = {"latest": wire.NIL_VERSION}

        def turn():
            connection = source.choice(connections)
            if source.random() < 0.2 and state["latest"] != wire.NIL_VERSION:
                version_id = source.choice([state["latest"], *self.record.known_parents(client_id)[-7:]])
                self.request(lambda: connection.add_snapshot(client_id, version_id, self.bytes_for(source)))
                return
            answer = self.request(lambda: connection.add_version(client_id, state["latest"], self.bytes_for(source)))
            if answer and answer.status in (200, 409):
                state["latest"] = answer.headers["X-Version-Id" if answer.status == 200 else "X-Parent-Version-Id"]

        return turn

    @staticmethod
    def request(send):
        """None without an answer."""
        try:
            return send()
        except OSError:
            return None

    # ---- The round

    def race(self, seconds):
        crew = Crew()
        for worker in self.workers:
            source = self.own_random()
            crew.add(self.replica_turn(worker.replicas, source), 0.1, source)
        for replica in self.replicas:
            if isinstance(replica, RealTaskwarrior):
                source = self.own_random()
                crew.add(self.replica_turn([replica], source), 0.1, source)
        for number, user in enumerate(self.users):
            for turn in (self.reader_turn, self.late_turn):
                source = self.own_random()
                crew.add(turn(user.client_id, f"{turn.__name__}-{number}", source), 0.2, source)
        for number, client_id in enumerate(self.raw_client_ids):
            for turn in (self.reader_turn, *[self.writer_turn] * RAW_WRITERS):
                source = self.own_random()
                crew.add(turn(client_id, f"raw-{turn.__name__}-{number}", source), 0.05, source)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not crew.failures:
            time.sleep(min(left, self.random.uniform(0.3, 3)))
            self.disrupt()
        crew.stop()
        for proxy in self.proxies:
            proxy.loss = 0

    def disrupt(self):
        server = self.random.choice(self.servers)
        match self.disruptions.draw():
            case "kill":
                server.kill()
                server.start()
                self.campaign.count("servers killed")
            case "kill both":
                for server in self.servers:
                    server.kill()
                for server in self.servers:
                    server.start()
                self.campaign.count("servers killed", 2)
            case "stop":
                server.send_signal(signal.SIGSTOP)
                time.sleep(1)
                server.send_signal(signal.SIGCONT)
                self.campaign.count("servers stopped for a second")
            case "restart":
                self.postgres.restart_at_once()
                self.campaign.count("restarts of PostgreSQL")
            case "kill postgres":
                self.postgres.kill()
                self.campaign.count("kills of PostgreSQL")
            case "hang":
                self.postgres.stop_for(self.random.uniform(0.2, HANG_S_MAX if self.campaign.seconds > 60 else 1))
                self.campaign.count("hangs of PostgreSQL")
            case "kill backend":
                if self.postgres.kill_backend():
                    self.campaign.count("kills of a process of PostgreSQL")

    def appends(self):
        client_ids = {user.client_id for user in self.users}
        return sum(operation.kind == linearizability.APPEND and operation.status == 200
                   for client_id in client_ids for operation in self.record.of(client_id))  # fmt: skip

    def sync_until_quiet(self):
        for number in range(QUIET_ROUNDS_MAX):
            before = self.appends()
            self.sync_all(self.replicas, number)
            if self.appends() == before:
                self.campaign.count("last syncs", (number + 1) * len(self.replicas))
                return
        raise Broken(f"replicas still have something to send after {QUIET_ROUNDS_MAX} syncs of each")

    def sync_all(self, replicas, number):
        """The replicas of each process one after the other; the processes at once."""
        errors = []

        def sync(some):
            for replica in some:
                proxy = self.proxies[(self.replicas.index(replica) + number) % 2]
                if error := replica.edit_and_sync(0, proxy.url_of(replica.name)):
                    errors.append(f"{replica.name}: {error}")

        groups = [worker.replicas for worker in self.workers]
        groups += [[replica] for replica in replicas if isinstance(replica, RealTaskwarrior)]
        threads = [threading.Thread(target=sync, args=(group,)) for group in groups]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise Broken(f"{len(errors)} replicas did not sync in peace: {errors[:3]}")

    def compare(self):
        for number, user in enumerate(self.users):
            mine = [replica for replica in self.replicas if replica.user is user]
            worker = self.workers[number % len(self.workers)]
            name = f"new-{NEW_REPLICA + number}"
            newcomer = ChampionReplica(name, user, worker)
            if error := newcomer.edit_and_sync(0, self.random.choice(self.proxies).url_of(name)):
                raise Broken(f"a new replica does not sync: {error}")
            tasks = newcomer.tasks()
            for replica in mine:
                if (others := replica.tasks()) != tasks:
                    different = [task for task in tasks.keys() | others.keys() if tasks.get(task) != others.get(task)]
                    raise Broken(f"{replica.name} and a new replica differ in {len(different)} tasks: {different[:3]}")
                for (task, name), value in replica.expected.items():
                    if not has(tasks, task, name, value):
                        raise Broken(f"an edit of {replica.name} is lost: {task} {name}")
            self.campaign.count("tasks compared", len(tasks) * (len(mine) + 1))
            self.campaign.count("edits found", sum(len(replica.expected) for replica in mine))

    def walk(self):
        """Reads each history through both servers, which the check needs."""
        for client_id in self.client_ids:
            lengths = set()
            for number, proxy in enumerate(self.proxies):
                connection, parent_id, count = proxy.connection(f"walk-{number}"), wire.NIL_VERSION, 0
                while (answer := connection.get_child(client_id, parent_id)).status == 200:
                    parent_id = answer.headers["X-Version-Id"]
                    count += 1
                connection.get_snapshot(client_id)
                connection.close()
                if answer.status != 404:
                    raise Broken(f"client {client_id}: the walk ended with {answer.status}")
                lengths.add(count)
            if len(lengths) != 1:
                raise Broken(f"client {client_id} has {lengths} versions at the two servers")

    def keep(self):
        """Writes the records, which `linearizability.py FILE` checks again. Returns the verdict on them, for people: a
        replica may notice a fault first."""
        try:
            self.walk()
            self.check()
            verdict = "the record is linearizable"
        except Exception as failure:
            verdict = f"the record: {failure}"
        for client_id in self.client_ids:
            linearizability.write(self.directory / f"{client_id}.record", self.record.of(client_id))
        return verdict

    def check(self):
        count = self.campaign.count
        for client_id in self.client_ids:
            operations = self.record.of(client_id)
            chain = linearizability.check(operations)
            count("requests checked", len(operations))
            count("versions", len(chain.version_ids))
            count("appends without an answer that were done", chain.unanswered)
            for operation in operations:
                if operation.status is NO_ANSWER:
                    kind = "appends" if operation.kind == linearizability.APPEND else "other requests"
                    count(f"{kind} without an answer")
                elif operation.kind == linearizability.APPEND and operation.status == 409:
                    count("conflicts")
                elif operation.status == 503:
                    count("answers of 503")
                elif operation.status >= 500:
                    raise Broken(f"an answer of {operation.status}: {operation}")


def main(campaign):
    python = campaign.build_dir / "python-venv" / "bin" / "python"
    if not python.exists():
        raise Missing(f"there is no {python}; tests/run.sh makes one")
    try:
        client = taskwarrior.find_client()
    except taskwarrior.ClientUnavailable as reason:
        raise Missing(f"no Taskwarrior: {reason}") from None
    while campaign.has_time_left():
        with campaign.round() as directory, Postgres(directory / "postgres") as postgres:
            histories = Histories(campaign, directory, postgres)
            # Taskwarrior may see another root.
            homes = client.root / "tmp" / directory.name
            homes.mkdir()
            try:
                histories.start_servers()
                histories.make_replicas(python, client, homes)
                histories.race(min(campaign.seconds, ROUND_S))
                histories.sync_until_quiet()
                histories.walk()
                histories.check()
                histories.compare()
            except Exception as failure:
                raise Broken(f"{failure}\n{histories.keep()}") from failure
            finally:
                histories.close()
                shutil.move(homes, directory / "homes")


if __name__ == "__main__":
    run(__doc__, main, add_arguments)
