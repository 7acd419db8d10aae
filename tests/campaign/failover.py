#!/usr/bin/env python3
"""Failovers: the cluster of docs/cluster.md with Debian's Patroni, etcd, HAProxy and Caddy, in a network of its own
(patroni_cluster.py). Writers, racers on one client and readers work without a pause, through Caddy and directly at both
servers, while something dies, hangs, is cut off or is moved.

After each of these trials service resumes by itself, the database is whole again, and both servers have every
acknowledged version and snapshot, byte by byte, in linear chains. Meanwhile no reader misses what was acknowledged
before it asked, and nothing but 200, 404, 409 and 503 is answered. A connection may be lost without an answer only to a
server that was killed, and in the middle of a large body. Figures, for each kind of trial: the time without any acknowledged write, the time until the
database was whole, and how often another machine became the primary.
"""

import contextlib
import http.client
import itertools
import random
import signal
import ssl
import statistics
import threading
import time
from pathlib import Path

import private_network
from campaign import Missing, run
from model import Broken, Client, Connection, digest, payload
from patroni_cluster import CADDY_URL, SERVER_RESTART_S, SERVERS, Cluster, require

import wire
from support import POLL_INTERVAL_S

TRIALS_PER_CLUSTER = 12
OWNERS = 6
RACERS = 3
READERS = 3
PAUSE_S = 0.1  # between the requests of one thread: the load is to be light
WARM_UP_S = 3
FAULT_MIN_S, FAULT_MAX_S = 3, 40  # how long a machine is down, stopped or cut off
RESUME_TIMEOUT_S = 120
WHOLE_TIMEOUT_S = 240
# After an outage, on each way to the servers.
ACKNOWLEDGED_AFTERWARDS = 3
SNAPSHOT_RATE = 0.05
# Taken by the servers as pieces, in transactions of their own.
LARGE_RATE, LARGE_BYTES = 0.02, 400_000
CADDY = "caddy"


class Way:
    """One of the ways to the servers: directly, or through Caddy."""

    def __init__(self, name, url, context=None):
        self.name = name
        self.url = url
        self.context = context
        self.may_lose_answers = False  # a server behind it is being killed
        self.acknowledged_at = []

    def connect(self):
        return Connection(self.url, context=self.context)


class Load:
    """The clients of one trial."""

    def __init__(self, campaign, ways, seed):
        self.campaign = campaign
        self.random = random.Random(seed)
        self.name = f"{campaign.seed} {seed}"
        self.ways = ways
        self.owned = [Client() for _ in range(OWNERS)]
        self.shared = Client()
        self.failures = []
        self.longest_answer_s = 0
        self.connections = []
        self._serial = 0
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        ways = list(ways.values())
        turns = [self._owner(client, ways[number % len(ways)]) for number, client in enumerate(self.owned)]
        turns += [self._racer(ways[number % len(ways)]) for number in range(RACERS)]
        turns += [self._reader(ways[number % len(ways)]) for number in range(READERS)]
        self._threads = [threading.Thread(target=self._work, args=turn, daemon=True) for turn in turns]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for thread in self._threads:
            thread.join(2 * wire.TIMEOUT_S)
            if thread.is_alive():
                self.failures.append(Broken("a request was never answered"))

    def raise_failure(self):
        if self.failures:
            raise self.failures[0]

    def clients(self):
        return [*self.owned, self.shared]

    def _bytes(self):
        with self._lock:
            self._serial += 1
            serial = self._serial
            is_large = self.random.random() < LARGE_RATE
            size = LARGE_BYTES if is_large else int(2 ** self.random.uniform(0, 13)) + 1
        return payload(f"{self.name} {serial}", size)

    def _work(self, turn, way):
        """Repeats `turn(connection)`, which returns whether it was acknowledged a write."""
        connection = Observed(way, self)
        self.connections.append(connection)
        while not self._is_over.wait(PAUSE_S * (0.5 + self.random.random())):
            began = time.monotonic()
            try:
                if turn(connection):
                    way.acknowledged_at.append(time.monotonic())
            except OSError as failure:
                if isinstance(failure.__cause__, http.client.IncompleteRead):
                    # A large body comes from the database in pieces, and its answer has begun.
                    self.campaign.count(f"bodies cut off, {way.name}")
                    continue
                self.campaign.count(f"answers lost, {way.name}")
                if not way.may_lose_answers:
                    took = time.monotonic() - began
                    self.failures.append(Broken(f"{way.name}: no answer after {took:.1f} s: {failure}"))
                    return
            except Exception as failure:  # told by the main thread
                self.failures.append(failure)
                return
        connection.close()

    def _owner(self, client, way):
        state = {"latest": wire.NIL_VERSION, "is_known": True}

        def turn(connection):
            if not state["is_known"]:
                latest = client.pull(connection, state["latest"])
                if latest is None:
                    return False
                state.update(latest=latest, is_known=True)
            state["is_known"] = False  # until it was answered
            version_id = client.append(connection, state["latest"], self._bytes())
            if version_id is None:
                return False
            self.campaign.count("versions acknowledged")
            state.update(latest=version_id, is_known=True)
            if self.random.random() < SNAPSHOT_RATE:
                client.store_snapshot(connection, version_id, self._bytes())
                self.campaign.count("snapshots acknowledged")
            return True

        return turn, way

    def _racer(self, way):
        state = {"latest": wire.NIL_VERSION}

        def turn(connection):
            latest = self.shared.pull(connection, state["latest"])
            if latest is None:
                return False
            state["latest"] = latest
            version_id = self.shared.append(connection, latest, self._bytes())
            self.campaign.count("versions acknowledged" if version_id else "races lost")
            return version_id is not None

        return turn, way

    def _reader(self, way):
        def turn(connection):
            client = self.random.choice(self.clients())
            with client.lock:
                acknowledged = list(client.acknowledged.items())
            if acknowledged:
                # Mostly near the end, where a stale server lacks something.
                place = -1 if self.random.random() < 0.7 else self.random.randrange(len(acknowledged))
                parent_id, known = acknowledged[place]
                answer = connection.get_child(client.client_id, parent_id)
                if answer.status == 200 and (answer.headers["X-Version-Id"], digest(answer.body)) == known:
                    self.campaign.count("reads of acknowledged versions")
                elif answer.status != 503:
                    raise Broken(
                        f"{way.name}: client {client.client_id}: the child of {parent_id}, which was acknowledged as "
                        f"{known[0]}, was answered {answer.status} {answer.headers['X-Version-Id']}"
                    )
            return False

        return turn, way


class Observed(Connection):
    """A connection that notes what is answered, and when."""

    def __init__(self, way, load):
        super().__init__(way.url, context=way.context)
        self._way = way
        self._load = load
        self._next_url = way.url

    def move(self, url):
        """The next request goes to another address."""
        self._next_url = url

    def request(self, method, path, client_id, body=None, content_type=None):
        if self._next_url != self._url:
            self.close()
            self._url = self._next_url
        began = time.monotonic()
        answer = super().request(method, path, client_id, body, content_type)
        load = self._load
        load.longest_answer_s = max(load.longest_answer_s, time.monotonic() - began)
        load.campaign.count(f"{answer.status}, {self._way.name}")
        allowed = (200, 404, 503) if method == "GET" else (200, 409, 503)
        if answer.status not in allowed:
            raise Broken(f"{self._way.name}: {method} {path} was answered {answer.status} {answer.body[:300]}")
        if answer.status == 503 and not answer.headers["Retry-After"]:
            raise Broken(f"{self._way.name}: {method} {path} was answered 503 without Retry-After")
        return answer


class Trials:
    """What happens to the cluster. Each of the methods in KINDS makes a fault, waits, and mends it; the time is its
    `seconds`."""

    def __init__(self, campaign, cluster, ways):
        self.campaign = campaign
        self.random = campaign.random
        self.cluster = cluster
        self.ways = ways
        self.note = ""

    def seconds(self):
        return self.random.uniform(FAULT_MIN_S, FAULT_MAX_S)

    def _primary(self):
        primary = self.cluster.primary()
        if primary is None:
            raise Broken("there is not one primary")
        return primary

    def _standby(self):
        standby = self.cluster.synchronous_standby()
        if standby is None:
            raise Broken("there is no synchronous standby")
        return standby

    def _kill_machine(self, machine, seconds):
        machine.kill_all()
        time.sleep(seconds)
        machine.start()

    def postgresql_killed(self):
        """Patroni starts it again."""
        self._primary().signal(signal.SIGKILL, "postgres")

    def postgresql_and_patroni_killed(self):
        machine = self._primary()
        seconds = self.random.choice((0, self.seconds()))
        self.note = f"back after {seconds:.0f} s"
        if seconds:
            machine.patroni.do_not_restart()
        machine.signal(signal.SIGKILL, "patroni", "postgres")
        if seconds:
            time.sleep(seconds)
            machine.patroni.start()

    def machine_killed(self, seconds=None):
        seconds = seconds or self.seconds()
        machine = self._primary()
        self.note = f"back after {seconds:.0f} s{', with the leader of etcd' if machine.is_etcd_leader() else ''}"
        self._kill_machine(machine, seconds)

    def machine_stopped(self, seconds=None):
        machine = self._primary()
        names = self.random.choice((("postgres",), ("postgres", "patroni"), ()))
        seconds = seconds or self.seconds()
        restarts_servers = self.random.random() < 0.5
        self.note = f"{' and '.join(names) or 'everything'} for {seconds:.0f} s"
        machine.signal(signal.SIGSTOP, *names)
        if restarts_servers:
            # They start when it goes on: they know of no primary then, and may meet the old one first, before Patroni has
            # ended it.
            self.note += ", and the servers killed before its end"
            before_s = min(seconds, SERVER_RESTART_S + self.random.uniform(-0.2, 0.8))
            time.sleep(seconds - before_s)
            self._kill_servers(SERVERS)
            seconds = before_s
        time.sleep(seconds)
        machine.signal(signal.SIGCONT)

    def machine_cut_off(self, seconds=None):
        machine = self._primary()
        seconds = seconds or self.seconds()
        self.note = f"for {seconds:.0f} s"
        machine.cut()
        time.sleep(seconds)
        machine.mend()

    def machine_cut_off_from_the_other_databases(self):
        machine = self._primary()
        seconds = self.seconds()
        self.note = f"for {seconds:.0f} s"
        others = [other for other in self.cluster.machines.values() if other is not machine]
        for other in others:
            machine.cut_from(other)
        time.sleep(seconds)
        for other in others:
            machine.mend_from(other)

    def standby_killed(self):
        seconds = self.seconds()
        self.note = f"back after {seconds:.0f} s"
        self._kill_machine(self._standby(), seconds)

    def standby_cut_off(self):
        machine = self._standby()
        seconds = self.seconds()
        self.note = f"for {seconds:.0f} s"
        machine.cut()
        time.sleep(seconds)
        machine.mend()

    def switchover(self):
        machine = self._primary()
        done = machine.patronictl("switchover", "tcsync", "--master", machine.name, "--force")
        if done.returncode != 0 or "Successfully switched over" not in done.stdout:
            raise Broken(f"patronictl switchover: {done.stdout} {done.stderr}")

    def _kill_servers(self, names):
        for name in names:
            self.ways[name].may_lose_answers = True
            self.cluster.servers[name].kill()

    def server_killed(self):
        name = self.random.choice(list(SERVERS))
        self.note = name
        self._kill_servers([name])

    def haproxy_killed(self):
        self.cluster.haproxy.kill()

    def etcd_member_killed(self):
        machine = self.cluster.etcd_leader() if self.random.random() < 0.7 else None
        self.note = "the leader" if machine else "any"
        machine = machine or self.random.choice(list(self.cluster.machines.values()))
        seconds = self.seconds()
        self.note += f", back after {seconds:.0f} s"
        machine.etcd.do_not_restart()
        machine.signal(signal.SIGKILL, "etcd")
        time.sleep(seconds)
        machine.etcd.start()


# The weight of each kind.
KINDS = {
    "postgresql_killed": 2,
    "postgresql_and_patroni_killed": 3,
    "machine_killed": 4,
    "machine_stopped": 5,
    "machine_cut_off": 3,
    "machine_cut_off_from_the_other_databases": 3,
    "standby_killed": 1,
    "standby_cut_off": 2,
    "switchover": 2,
    "server_killed": 2,
    "haproxy_killed": 1,
    "etcd_member_killed": 1,
}
# One of each of the three ways to lose a primary, long enough for a failover.
SHORT = (("machine_killed", 25), ("machine_stopped", 28), ("machine_cut_off", 25))


def longest_gap(times, since, until):
    """The longest time within the bounds without any of `times`."""
    inside = sorted(at for at in times if since <= at <= until)
    before = [at for at in times if at < since]
    edges = [max(before, default=since), *inside, until]
    return max(later - earlier for earlier, later in itertools.pairwise(edges))


class Figures:
    """Of all trials, by kind."""

    def __init__(self):
        self._of_kind = {}

    def add(self, kind, **values):
        for name, value in values.items():
            self._of_kind.setdefault(kind, {}).setdefault(name, []).append(value)

    def summary(self):
        return {
            kind: {"trials": len(values["outage_s"])}
            | {
                name: {"median": round(statistics.median(numbers), 1), "maximum": round(max(numbers), 1)}
                for name, numbers in values.items()
                if name != "another_primary"
            }
            | {"another_primary": sum(values["another_primary"])}
            for kind, values in sorted(self._of_kind.items())
        }


def wait_for(condition, timeout_s, load, description):
    deadline = time.monotonic() + timeout_s
    while not condition():
        load.raise_failure()
        if time.monotonic() > deadline:
            raise Broken(f"not within {timeout_s} s: {description}")
        time.sleep(POLL_INTERVAL_S * 5)


def try_once(campaign, cluster, ways, figures, kind, seconds):
    trials = Trials(campaign, cluster, ways)
    for way in ways.values():
        way.acknowledged_at.clear()
        way.may_lose_answers = False
    with Load(campaign, ways, campaign.random.randrange(1 << 30)) as load:
        wait_for(lambda: all(len(way.acknowledged_at) > ACKNOWLEDGED_AFTERWARDS for way in ways.values()),
                 RESUME_TIMEOUT_S, load, "writes are acknowledged before the trial")  # fmt: skip
        time.sleep(WARM_UP_S)
        primary = cluster.primary()
        began = time.monotonic()
        method = getattr(trials, kind)
        method(seconds) if seconds else method()
        mended = time.monotonic()

        def has_resumed():
            later = [[at for at in way.acknowledged_at if at > mended] for way in ways.values()]
            return all(len(times) > ACKNOWLEDGED_AFTERWARDS for times in later)

        wait_for(
            has_resumed, RESUME_TIMEOUT_S, load, f"writes are acknowledged on all ways after {kind} ({trials.note})"
        )
        wait_for(cluster.is_whole, WHOLE_TIMEOUT_S, load, f"the database is whole after {kind} ({trials.note})")
        whole = time.monotonic()
        time.sleep(WARM_UP_S)
        ended = time.monotonic()
    load.raise_failure()
    for client in load.clients():
        for name in SERVERS:
            connection = Connection(cluster.server_url(name))
            with contextlib.closing(connection):
                client.compare(connection, campaign.count)
    gap = longest_gap([at for way in ways.values() for at in way.acknowledged_at], began, ended)
    of_ways = {f"outage_{name}_s": longest_gap(way.acknowledged_at, began, ended) for name, way in ways.items()}
    is_another = cluster.primary() is not primary
    figures.add(kind, outage_s=gap, **of_ways, longest_answer_s=load.longest_answer_s, whole_after_s=whole - began,
                another_primary=is_another)  # fmt: skip
    campaign.count(kind.replace("_", " "))
    campaign.count("failovers", by=int(is_another))
    campaign.figures = figures.summary()
    outages = ", ".join(f"{name.removeprefix('outage_')} {value:.1f}" for name, value in of_ways.items())
    print(f"{time.strftime('%T')} {kind} ({primary.name}; {trials.note}): {gap:.1f} s without writes ({outages}), "
          f"answers within {load.longest_answer_s:.1f} s, whole after {whole - began:.1f} s, "
          f"{'another' if is_another else 'the same'} primary", flush=True)  # fmt: skip
    campaign.report("not ended")


def try_cluster(campaign, directory, figures, kinds):
    cluster = Cluster(directory, campaign.arguments.other_server)
    try:
        context = ssl.create_default_context(cafile=cluster.authority)
        ways = {name: Way(name, cluster.server_url(name)) for name in SERVERS} | {CADDY: Way(CADDY, CADDY_URL, context)}
        for kind, seconds in kinds:
            try_once(campaign, cluster, ways, figures, kind, seconds)
        # An abandoned commit holds its connection until a standby confirms it (docs/cluster.md has the arithmetic).
        refused = cluster.log_lines("remaining connection slots", "too many clients")
        campaign.count("connections refused by PostgreSQL", by=refused)
    finally:
        cluster.end()


def chosen(campaign):
    """The kinds of one cluster's trials, and the times of their faults: those that were named, or random ones until the
    time is over."""
    named = campaign.arguments.kinds
    if named:
        yield from SHORT if named == "short" else [(kind, None) for kind in named.split(",")]
        return
    for number in range(TRIALS_PER_CLUSTER):
        if number > 0 and not campaign.has_time_left():
            return
        yield campaign.random.choices(list(KINDS), list(KINDS.values()))[0], None


def add_arguments(parser):
    parser.add_argument("--kinds", default="", metavar="NAME,...",
                        help=f"these one after the other, instead of random ones; short: a kill, a stop and a cut. Of: "
                             f"{', '.join(KINDS)}")  # fmt: skip
    parser.add_argument("--other-server", type=Path, help="the binary of one of the two servers: another release")


def main(campaign, problem):
    if problem:
        raise Missing(problem)
    require()
    figures = Figures()
    while campaign.has_time_left():
        with campaign.round() as directory:
            try_cluster(campaign, directory, figures, chosen(campaign))


if __name__ == "__main__":
    why_not = private_network.enter()
    run(__doc__, lambda campaign: main(campaign, why_not), add_arguments)
