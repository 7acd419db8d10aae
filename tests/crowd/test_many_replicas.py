"""A hundred users with two computers each, and one whose computers race, at one server with the memory of the smallest
machine that one can rent."""

import re

import pytest
import wire
from replicas import Client, Replicas

CLIENTS = 100
RACERS = 6
RACES = 4
MEMORY_BYTES_MAX = 256 << 20
MARKER = "PlaintextMarkerKiwiLantern"


@pytest.fixture
def server(start_server):
    # All of them come from one address here, which only a test's do.
    return start_server("--new-clients-per-address-day=0", memory_bytes_max=MEMORY_BYTES_MAX)


@pytest.fixture
def replicas(server):
    replicas = Replicas(server.url)
    yield replicas
    replicas.close()


def peak_memory_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) << 10


def files_with(directory, needle):
    """The files under the directory that hold these bytes."""
    return [path for path in directory.rglob("*") if path.is_file() and needle in path.read_bytes()]


def test_many_replicas_sync_on_a_small_machine(server, replicas):
    """If this fails, people who share a server lose a sync, see each other's tasks, or show them to the server."""
    clients = [Client() for _ in range(CLIENTS)]
    racing = Client()
    # Replicas 2n and 2n+1 are client n's; the racers come behind them.
    owners = [client for client in clients for _ in range(2)] + [racing] * RACERS
    all_replicas = range(len(owners))
    racers = list(all_replicas)[2 * CLIENTS :]

    def description(number, attempt=0):
        return f"{MARKER} of replica {number}, attempt {attempt}"

    replicas.do(
        {number: [("new", owners[number]), ("add", description(number)), ("sync", None)] for number in all_replicas}
    )
    for attempt in range(1, RACES + 1):
        replicas.do({number: [("add", description(number, attempt)), ("sync", None)] for number in racers})
    # The computer that was first in the first round learns the other's change here.
    seen = replicas.do({number: [("sync", None), ("descriptions", None)] for number in all_replicas})

    for number in all_replicas[: 2 * CLIENTS]:
        first = number - number % 2
        assert seen[number] == sorted([description(first), description(first + 1)]), f"replica {number}"
    races = sorted(description(number, attempt) for number in racers for attempt in range(RACES + 1))
    for number in racers:
        assert seen[number] == races, f"racing replica {number}"

    assert peak_memory_bytes(server.pid) < MEMORY_BYTES_MAX
    server.stop()
    for secret in [MARKER, racing.secret, *(client.secret for client in clients)]:
        assert files_with(server.data_dir, secret.encode()) == [], secret


def test_the_scan_finds_stored_plaintext(server):
    """If this fails, the scan of the test above looks where stored bytes are not, and proves nothing."""
    assert wire.add_version(server.url, Client().client_id, segment=MARKER.encode()).status == 200
    server.stop()
    assert files_with(server.data_dir, MARKER.encode())
