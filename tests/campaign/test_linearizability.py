"""The check of recorded histories: it accepts what a correct server may do, refuses what it may not, and agrees with a
search through all orders. If one of these fails, the campaign `histories` finds faults where there are none, or none."""

import functools
import random

import linearizability
import pytest
from linearizability import APPEND, CHILD, NIL_VERSION, NO_ANSWER, SNAPSHOT, SNAPSHOT_WITHIN, STORE, NotLinearizable
from linearizability import Operation

NIL = NIL_VERSION


def appended(start, end, parent, version):
    return Operation("writer", APPEND, parent, f"segment {version}", start, end, 200, version)


def unanswered(start, end, parent, version, status=NO_ANSWER):
    """The one that would have made that version, or has."""
    return Operation("writer", APPEND, parent, f"segment {version}", start, end, status)


def conflict(start, end, parent, latest, sent="other"):
    return Operation("writer", APPEND, parent, sent, start, end, 409, latest)


def found(start, end, parent, version, got=None):
    return Operation("reader", CHILD, parent, "", start, end, 200, version, got or f"segment {version}")


def newest(start, end, parent):
    return Operation("reader", CHILD, parent, "", start, end, 404)


def gone(start, end, parent):
    return Operation("reader", CHILD, parent, "", start, end, 410)


def stored(start, end, version, sent=None, status=200):
    return Operation("writer", STORE, version, sent or f"snapshot {version}", start, end, status)


def snapshot(start, end, version, got=None):
    return Operation("reader", SNAPSHOT, "", "", start, end, 200, version, got or f"snapshot {version}")


def no_snapshot(start, end):
    return Operation("reader", SNAPSHOT, "", "", start, end, 404)


def chain(count, start=0):
    """v1 to vN, one second each; the append of vN is from N to N + 0.9."""
    ids = [NIL, *(f"v{number}" for number in range(1, count + 1))]
    return [appended(start + n, start + n + 0.9, ids[n - 1], ids[n]) for n in range(1, count + 1)]


THREE = chain(3)

ACCEPTED = {
    "nothing at all": [],
    "reads before the first version": [newest(0, 1, NIL), newest(0, 1, "foreign"), no_snapshot(0, 1)],
    "writes one after the other": THREE,
    "reads of all of them": [*THREE, found(5, 6, NIL, "v1"), found(6, 7, "v1", "v2"), newest(7, 8, "v3")],
    "a chain from another server": [appended(0, 1, "foreign", "v1"), found(2, 3, "foreign", "v1"), gone(2, 3, NIL)],
    "a version that was never here": [*THREE, gone(5, 6, "foreign")],
    "a read during an append may see it": [appended(0, 9, NIL, "v1"), found(1, 2, NIL, "v1")],
    "a read during an append may miss it": [appended(0, 9, NIL, "v1"), newest(1, 2, NIL)],
    "the first read misses it, the next one sees it": [appended(0, 9, NIL, "v1"), newest(1, 2, NIL), found(3, 4, NIL, "v1")],
    "a race, and a conflict for the one that lost": [*THREE, conflict(3, 3.9, "v2", "v3")],
    "a conflict with a version that is being written": [appended(0, 9, NIL, "v1"), conflict(1, 2, NIL, "v1")],
    "a conflict that names what was the latest when it began": [*THREE, conflict(1.95, 3.5, NIL, "v1")],
    "a version of another server meets a conflict": [*THREE, conflict(5, 6, "foreign", "v3")],
    "a lost answer of an append that was done": [unanswered(0, 1, NIL, "v1"), found(5, 6, NIL, "v1")],
    "a lost answer of an append that was not done": [unanswered(0, 1, NIL, "v1"), newest(5, 6, NIL)],
    "an append that is done after its answer was lost": [unanswered(0, 1, NIL, "v1"), newest(2, 3, NIL), found(4, 5, NIL, "v1")],
    "the same for a server that was too busy": [unanswered(0, 1, NIL, "v1", 503), newest(2, 3, NIL), found(4, 5, NIL, "v1")],
    "two lost answers, one of which was done": [unanswered(0, 1, NIL, "v1"), unanswered(0, 1, NIL, "w1"), found(5, 6, NIL, "w1")],
    "a request that was sent again after its answer was lost": [
        unanswered(0, 1, NIL, "v1"), unanswered(2, 3, NIL, "v1"), found(5, 6, NIL, "v1")],
    "the other of two equal requests is refused": [
        unanswered(0, 1, NIL, "v1"), conflict(2, 3, NIL, "v1", "segment v1"), found(5, 6, NIL, "v1")],
    "refused for its rate, and not there": [*THREE, unanswered(5, 6, "v3", "v4", 429), newest(7, 8, "v3")],
    "a snapshot of the latest version": [*THREE, stored(5, 6, "v3"), snapshot(7, 8, "v3")],
    "a snapshot of the fifth latest version": [*chain(5), stored(6, 6.5, "v1"), snapshot(7, 8, "v1")],
    "a snapshot of the sixth latest version is dropped": [*chain(6), stored(7, 7.5, "v1"), no_snapshot(8, 9)],
    "a snapshot may be too old while a version is written": [*chain(6), stored(5.95, 6.5, "v1"), no_snapshot(8, 9)],
    "or just not yet": [*chain(6), stored(5.95, 6.5, "v1"), snapshot(8, 9, "v1")],
    "an earlier snapshot than the stored one is dropped": [
        *THREE, stored(5, 6, "v3"), stored(6, 7, "v2"), snapshot(8, 9, "v3")],
    "the same snapshot version again is dropped": [
        *THREE, stored(5, 6, "v3"), stored(6, 7, "v3", "again"), snapshot(8, 9, "v3")],
    "two racing snapshots of one version": [*THREE, stored(5, 6, "v3"), stored(5, 6, "v3", "b"), snapshot(7, 8, "v3", "b")],
    "two racing snapshots, in either order": [*THREE, stored(5, 9, "v3"), stored(5, 9, "v2"), snapshot(7, 8, "v2")],
    "a snapshot whose answer was lost": [*THREE, stored(5, 6, "v3", status=None), no_snapshot(7, 8), snapshot(9, 10, "v3")],
    "a snapshot of a version that was never here": [*THREE, stored(5, 6, "foreign"), no_snapshot(7, 8)],
    "a snapshot before the first version": [stored(0, 0.5, NIL, status=404), *THREE],
}  # fmt: skip

REFUSED = {
    "a stale read": [*THREE, newest(5, 6, "v2"), found(7, 8, "v2", "v3")],
    "a stale read at the other server, after a read saw more": [
        appended(0, 9, NIL, "v1"), found(1, 2, NIL, "v1"), newest(3, 4, NIL)],
    "a stale read after a conflict told of more": [
        appended(0, 9, NIL, "v1"), conflict(1, 2, NIL, "v1"), newest(3, 4, NIL)],
    "a stale conflict": [*THREE, conflict(5, 6, NIL, "v2")],
    "a conflict without a cause": [*THREE, conflict(5, 6, "v3", "v3")],
    "a conflict with a version that never was": [*THREE, conflict(5, 6, "v2", "v9")],
    "a conflict before there is a version": [conflict(0, 0.5, NIL, "v1"), *THREE],
    "a conflict with a later version": [*chain(2), conflict(1.95, 1.99, NIL, "v2")],
    "a read from the future": [*THREE, found(1, 1.9, "v2", "v3")],
    "an append in the future": [appended(1, 2, NIL, "v1"), appended(5, 6, "v1", "v2"), found(3, 4, "v1", "v2")],
    "a child before its parent": [appended(5, 6, NIL, "v1"), appended(1, 2, "v1", "v2")],
    "a lost append": [appended(0, 1, NIL, "v1"), newest(2, 3, NIL)],
    "a lost end of the history": [*THREE, newest(9, 10, "v2"), conflict(11, 12, "v1", "v2")],
    "a lost beginning": [*THREE, gone(9, 10, NIL)],
    "a version of the history is gone": [*THREE, gone(9, 10, "v1")],
    "gone, and there was never anything": [gone(0, 1, "foreign")],
    "a fork: two children of one parent": [*THREE, appended(3.1, 3.5, "v2", "w3")],
    "a fork between two reads": [*THREE, found(5, 6, "v2", "v3"), found(6, 7, "v2", "w3")],
    "two beginnings": [*THREE, appended(1.1, 1.5, "foreign", "w1")],
    "resurrection: begun anew after a loss": [*THREE, appended(5, 6, "foreign", "w1"), found(7, 8, "foreign", "w1")],
    "a version that no walk has found": [*THREE, appended(9, 10, "v8", "v9")],
    "versions in a circle": [appended(0, 9, "v2", "v1"), appended(0, 9, "v1", "v2")],
    "a circle beside the chain": [*THREE, appended(0, 9, "w2", "w1"), appended(0, 9, "w1", "w2")],
    "one ID for two versions": [*THREE, appended(3.1, 3.5, "v1", "v3")],
    "one version for two acknowledged requests": [appended(0, 1, NIL, "v1"), appended(0, 1, NIL, "v1")],
    "other bytes": [*THREE, found(5, 6, "v2", "v3", "other bytes")],
    "a phantom that nobody has sent": [*THREE, found(5, 6, "v3", "v4")],
    "a phantom after a conflict": [*THREE, conflict(5, 6, "v1", "v3", "segment v4"), found(7, 8, "v3", "v4")],
    "a phantom after a refusal": [*THREE, unanswered(5, 6, "v3", "v4", 429), found(7, 8, "v3", "v4")],
    "one request that was done twice": [
        unanswered(0, 1, NIL, "v1"), found(5, 6, NIL, "v1"), found(6, 7, "v1", "v2", "segment v1")],
    "a lost answer that was done before it was asked": [unanswered(5, 6, NIL, "v1"), found(1, 2, NIL, "v1")],
    "a lost answer that is undone": [unanswered(0, 1, NIL, "v1"), found(2, 3, NIL, "v1"), newest(4, 5, NIL)],
    "a snapshot of another version": [*THREE, stored(5, 6, "v3"), snapshot(7, 8, "v2")],
    "a snapshot with other bytes": [*THREE, stored(5, 6, "v3"), snapshot(7, 8, "v3", "other bytes")],
    "a snapshot at a version that never was": [*THREE, stored(5, 6, "v9"), snapshot(7, 8, "v9")],
    "a snapshot that was refused": [*THREE, stored(5, 6, "v3", status=429), snapshot(7, 8, "v3")],
    "a lost snapshot": [*THREE, stored(5, 6, "v3"), no_snapshot(7, 8)],
    "a stale snapshot": [*THREE, stored(5, 6, "v2"), stored(7, 8, "v3"), snapshot(9, 10, "v2")],
    "a snapshot that goes back": [*THREE, stored(5, 20, "v2"), stored(5, 20, "v3"), snapshot(7, 8, "v3"), snapshot(9, 10, "v2")],
    "a snapshot that was replaced by one of its own version": [
        *THREE, stored(5, 6, "v3"), stored(7, 8, "v3", "again"), snapshot(9, 10, "v3", "again")],
    "a snapshot from the future": [*THREE, snapshot(4, 5, "v3"), stored(6, 7, "v3")],
    "a snapshot that was too old": [*chain(6), stored(7, 8, "v1"), snapshot(9, 10, "v1")],
    "no such client, after it had versions": [*THREE, stored(5, 6, "v3", status=404)],
    "a snapshot is kept for nobody": [stored(0, 0.5, NIL), *THREE, no_snapshot(0, 0.1), found(0, 0.1, NIL, "v1")],
    "an answer that the protocol does not have": [*THREE, unanswered(5, 6, "v3", "v4", 410)],
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_history_of_a_correct_server_passes(name):
    linearizability.check(ACCEPTED[name])
    assert is_linearizable(ACCEPTED[name])


@pytest.mark.parametrize("name", REFUSED)
def test_a_history_of_a_broken_server_is_detected(name):
    with pytest.raises(NotLinearizable):
        linearizability.check(REFUSED[name])
    assert not is_linearizable(REFUSED[name])


def test_the_requests_that_contradict_each_other_are_named():
    stale = newest(5, 6, "v2")
    with pytest.raises(NotLinearizable) as failure:
        linearizability.check([*THREE, found(4, 4.5, NIL, "v1"), stale])
    assert failure.value.operations == (THREE[2], stale)
    assert str(stale) in str(failure.value)


def test_a_record_can_be_kept(tmp_path):
    linearizability.write(tmp_path / "record", REFUSED["a lost snapshot"])
    assert linearizability.read(tmp_path / "record") == REFUSED["a lost snapshot"]


# ---- The same decision by a search through all orders, for small records


class Server:
    """The sequential specification: answers requests one after the other. Immutable but for `after`."""

    def __init__(self, versions=(), first_parent=None, stored=None):
        self.versions = versions  # (ID, digest) in order
        self.first_parent = first_parent
        self.stored = stored  # (number of the version, digest)

    @property
    def state(self):
        return self.versions, self.first_parent, self.stored

    def number(self, version_id):
        return next((n for n, (known, _) in enumerate(self.versions, 1) if known == version_id), 0)

    def answer(self, kind, argument, sent, new_id):
        """The status, version ID and bytes of the answer, and the server after it."""
        number, count = self.number(argument), len(self.versions)
        if kind == APPEND:
            if count and number != count:
                return 409, self.versions[-1][0], "", self
            after = Server((*self.versions, (new_id, sent)), self.first_parent if count else argument, self.stored)
            return 200, new_id, "", after
        if kind == CHILD:
            if count == 0 or number == count:
                return 404, "", "", self
            if number or argument == self.first_parent:
                return 200, *self.versions[number], self
            return 410, "", "", self
        if kind == STORE:
            if count == 0:
                return 404, "", "", self
            is_kept = number > max(count - SNAPSHOT_WITHIN, self.stored[0] if self.stored else 0)
            return 200, "", "", Server(self.versions, self.first_parent, (number, sent)) if is_kept else self
        if self.stored is None:
            return 404, "", "", self
        return 200, self.versions[self.stored[0] - 1][0], self.stored[1], self


def is_linearizable(operations):
    """Tries all orders."""
    ids = {operation.version_id for operation in operations if operation.version_id}
    ids |= {operation.argument for operation in operations if operation.argument}
    acknowledged = {
        operation.version_id for operation in operations if (operation.kind, operation.status) == (APPEND, 200)
    }
    possible_ids = [*sorted(ids - acknowledged - {NIL}), "nobody saw it"]
    # An ID is random: nobody asks for a version before it is there.
    made = {operation.version_id for operation in operations if operation.status == 200 and operation.version_id}

    @functools.cache
    def search(remaining, state):
        if not remaining:
            return True
        server = Server(*state)
        first_end = min(operations[n].latest_effect for n in remaining)
        for n in remaining:
            operation = operations[n]
            if operation.start > first_end:
                continue
            rest = remaining - {n}
            is_known = operation.is_known
            if not is_known and search(rest, state):
                return True  # it was never done
            if not operation.may_have_worked and not is_known:
                continue
            if operation.argument in made and server.number(operation.argument) == 0:
                continue
            is_open = operation.kind == APPEND and not is_known
            for new_id in possible_ids if is_open else [operation.version_id]:
                if operation.kind == APPEND and operation.status != 409 and server.number(new_id):
                    continue
                status, version_id, got, after = server.answer(
                    operation.kind, operation.argument, operation.sent, new_id
                )
                if is_known and (status, version_id, got) != (operation.status, operation.version_id, operation.got):
                    continue
                if search(rest, after.state):
                    return True
        return False

    return search(frozenset(range(len(operations))), Server().state)


def random_record(source):
    """Of a correct server, with a walk at its end; then perhaps with a fault, which need not be one."""
    server, operations, ids = Server(), [], [NIL]
    now = 0.0
    weights = source.choice([(5, 3, 3, 2), (5, 5, 0, 0), (3, 0, 5, 4)])
    for number in range(source.randint(4, 12)):
        now += source.uniform(0, 2)
        # The instant is `now`; requests overlap by lasting longer to both sides.
        start, end = now - source.uniform(0, 2), now + source.uniform(0, 2)
        kind = source.choices([APPEND, CHILD, STORE, SNAPSHOT], weights)[0]
        argument = "" if kind == SNAPSHOT else source.choice([ids[-1], ids[-1], source.choice(ids[-6:])])
        sent = f"bytes {number}" if kind in (APPEND, STORE) else ""
        status, version_id, got, server = server.answer(kind, argument, sent, f"v{number}")
        if kind == APPEND and status == 200:
            ids.append(version_id)
        if source.random() < 0.2:
            status, version_id, got, end = NO_ANSWER, "", "", source.uniform(start, end)
        operations.append(Operation("r", kind, argument, sent, start, end, status, version_id, got))
    for _ in range(source.randrange(6)):
        spoil(source, operations, ids)
    walk, parent = [], server.first_parent or NIL
    now += 10
    for version_id, digest in server.versions:
        walk.append(Operation("walk", CHILD, parent, "", now, now + 0.5, 200, version_id, digest))
        parent, now = version_id, now + 1
    return [*operations, *walk, Operation("walk", CHILD, parent, "", now, now + 0.5, 404)]


def spoil(source, operations, ids):
    """Changes an answer, or the time of one."""
    n = source.randrange(len(operations))
    old = operations[n]
    start, end, status, version_id, got = old.start, old.end, old.status, old.version_id, old.got
    match source.choice([0, 0, 1, 2, 3]):
        case 0:
            start += source.uniform(-6, 6)
            end = max(end, start)
        case 1:
            end = start + source.uniform(0, 1)
        case 2:
            version_id = source.choice(ids[1:]) if status in (200, 409) and version_id and ids[1:] else version_id
        case 3:
            if old.kind == CHILD:
                status, version_id, got = source.choice([404, 410]), "", ""
            elif old.kind == SNAPSHOT:
                status, version_id, got = 404, "", ""
    operations[n] = Operation("r", old.kind, old.argument, old.sent, start, end, status, version_id, got)


def test_the_decision_is_that_of_a_search_through_all_orders():
    verdicts = {True: 0, False: 0}
    for seed in range(3000):
        operations = random_record(random.Random(seed))
        expected = is_linearizable(operations)
        verdicts[expected] += 1
        try:
            linearizability.check(operations)
            fault = None
        except NotLinearizable as failure:
            fault = failure
        assert (fault is None) == expected, f"seed {seed}: {fault}\n" + "\n".join(map(str, operations))
    assert min(verdicts.values()) > 500, verdicts
