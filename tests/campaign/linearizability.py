"""Decides from a record of one client's requests whether the servers were linearizable: whether each request can have
taken effect at one instant between its start and its end, so that all answers are those of one server that does one
request after the other (docs/protocol.md, "Rules").

    check(operations)           raises NotLinearizable with the requests that contradict each other; returns the Chain
    linearizability.py FILE     the same for a record that a campaign has kept

A record may come from anywhere, as long as these hold:

- all times are of one monotonic clock; a request took effect after its `start`, and before its `end` if it was answered;
- every segment and every snapshot has bytes of its own, so that their digests name the request that sent them;
- it has a walk through the whole history, made after all else, which finds the versions whose answers were lost.

The decision is exact and takes linear time, but for sorting. In general it would be exponential; here each version names
its parent, so the order of the appends is known and only their instants are not. An answer then bounds the number of
versions at its instant: "found v5" means at least 5; "nothing newer than v5", or a conflict with v5, means exactly 5. So
the 5th append was before the end of that request, and the 6th after its start. The earliest instants that respect all
lower bounds are found in one pass; if one of them is beyond an upper bound, there are none.

Snapshots: the stored one only ever moves to later versions. One that was acknowledged and then not found had to be
dropped as too old, or for a later one. The earliest instants of the appends allow as many to be too old as can be, so
this is decided in the same pass.
"""

import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

NIL_VERSION = "00000000-0000-0000-0000-000000000000"
SNAPSHOT_WITHIN = 5  # a snapshot is kept if its version is one of so many latest ones

# What a request does.
APPEND = "add-version"
CHILD = "get-child-version"
STORE = "add-snapshot"
SNAPSHOT = "snapshot"

NO_ANSWER = None
# The request may have taken effect, or may do so later. 503: the database has not answered in time, too; 507: the disk was
# full, and a server that ends then may have it.
UNKNOWN_STATUSES = (NO_ANSWER, 500, 502, 503, 504, 507)
# The request has not taken effect, and never will.
REFUSED_STATUSES = (403, 413, 429)


@dataclass(frozen=True, slots=True)
class Operation:
    """One request and its answer. `status` is HTTP's, or NO_ANSWER."""

    replica: str  # who asked; only for people
    kind: str
    argument: str  # the version ID in the path, in lower case; "" of a get-snapshot
    sent: str  # digest of the segment or snapshot in the request; "" without one
    start: float
    end: float
    status: int | None
    version_id: str = ""  # of the answer: the new version, the child, the latest version, the snapshot's version
    got: str = ""  # digest of the segment or snapshot in the answer

    def __str__(self):
        answer = "no answer" if self.status is NO_ANSWER else f"{self.status} {self.version_id}".strip()
        return f"[{self.start:.6f}..{self.end:.6f} {self.replica}: {self.kind} {self.argument} -> {answer}]"

    @property
    def is_known(self):
        return self.status not in UNKNOWN_STATUSES and self.status not in REFUSED_STATUSES

    @property
    def may_have_worked(self):
        return self.status == 200 or self.status in UNKNOWN_STATUSES

    @property
    def latest_effect(self):
        return math.inf if self.status in UNKNOWN_STATUSES else self.end


class NotLinearizable(AssertionError):
    """No order explains the record."""

    def __init__(self, fault, *operations):
        super().__init__("\n    ".join([fault, *(str(operation) for operation in operations if operation)]))
        self.operations = operations


@dataclass(frozen=True)
class Chain:
    """A client's versions as the record has them, in order."""

    version_ids: list
    unanswered: int  # of these, so many whose add-version had no answer


class _Bounds:
    """Of the instants of appends, or of snapshots: the latest lower and the earliest upper bound, and their requests."""

    def __init__(self, count):
        self.lower = [(-math.inf, None)] * (count + 1)
        self.upper = [(math.inf, None)] * (count + 1)

    def not_before(self, number, time, operation):
        if time > self.lower[number][0]:
            self.lower[number] = (time, operation)

    def not_after(self, number, time, operation):
        if time < self.upper[number][0]:
            self.upper[number] = (time, operation)


class _Record:
    def __init__(self, operations):
        self.operations = operations
        self.parent_of = {}  # version ID -> (parent ID, digest, the request that shows it)
        self.version_ids = []
        self.number_of = {}  # version ID -> its number in the chain, from 1
        self.first_parent = None

    # ---- The chain

    def read_chain(self):
        child_of = {}
        for operation in self.operations:
            if operation.status != 200 or operation.kind not in (APPEND, CHILD):
                continue
            version_id, parent_id = operation.version_id, operation.argument
            digest = operation.sent if operation.kind == APPEND else operation.got
            known_parent, known_digest, shown_by = self.parent_of.setdefault(version_id, (parent_id, digest, operation))
            if known_parent != parent_id:
                raise NotLinearizable(f"version {version_id} has two parents", shown_by, operation)
            if known_digest != digest:
                raise NotLinearizable(f"version {version_id} has two segments", shown_by, operation)
            known_child, shown_by = child_of.setdefault(parent_id, (version_id, operation))
            if known_child != version_id:
                raise NotLinearizable(f"a fork: two children of {parent_id}", shown_by, operation)
        beginnings = [parent_id for parent_id in child_of if parent_id not in self.parent_of]
        if len(beginnings) > 1:
            raise NotLinearizable(
                "versions that do not follow each other: a second beginning, or one version that no walk has found",
                *(child_of[parent_id][1] for parent_id in beginnings),
            )
        if child_of and not beginnings:
            raise NotLinearizable("versions in a circle", *(operation for _, operation in child_of.values()))
        if beginnings:
            self.first_parent = parent_id = beginnings[0]
            while parent_id in child_of:
                parent_id = child_of[parent_id][0]
                self.version_ids.append(parent_id)
            self.number_of = {version_id: number for number, version_id in enumerate(self.version_ids, 1)}
            for version_id, (_, _, shown_by) in self.parent_of.items():
                if version_id not in self.number_of:
                    raise NotLinearizable(f"version {version_id} is in a circle", shown_by)

    def find_appends(self):
        """The request that made each version, in order."""
        acknowledged = {}
        candidates = {}  # (parent ID, digest) -> requests without an answer
        refused = {}  # likewise
        for operation in self.operations:
            if operation.kind != APPEND:
                continue
            if operation.status == 200:
                first = acknowledged.setdefault(operation.version_id, operation)
                if first is not operation:
                    raise NotLinearizable("one version for two requests", first, operation)
            elif operation.status in UNKNOWN_STATUSES:
                candidates.setdefault((operation.argument, operation.sent), []).append(operation)
            else:
                refused[(operation.argument, operation.sent)] = operation
        appends = []
        for version_id in self.version_ids:
            parent_id, digest, shown_by = self.parent_of[version_id]
            append = acknowledged.get(version_id)
            if append is None:
                possible = candidates.get((parent_id, digest))
                if not possible:
                    cause = refused.get((parent_id, digest))
                    fault = "was refused and is there" if cause else "is there, and nobody has sent it"
                    raise NotLinearizable(f"version {version_id} {fault}", cause, shown_by)
                # None of them has an end, so the one that began first allows all that another would.
                append = min(possible, key=lambda operation: operation.start)
                possible.remove(append)
            appends.append(append)
        return appends

    # ---- The instants

    def check(self):
        self.read_chain()
        appends = self.find_appends()
        count = len(appends)
        self.times = _Bounds(count)  # of append number N; 0 is unused
        for number, append in enumerate(appends, 1):
            self.times.not_before(number, append.start, append)
            self.times.not_after(number, append.latest_effect, append)
        for operation in self.operations:
            if operation.is_known:
                self.bound(operation)
        self.check_instants(self.read_snapshots())
        return Chain(self.version_ids, sum(append.status != 200 for append in appends))

    def had(self, least, most, operation):
        """At its instant there were at least `least` versions, and at most `most`."""
        # The ID in a request was known when it was sent. IDs are random, so there was such a version already.
        named = self.number_of.get(operation.argument, 0)
        least = max(least, named)
        if least > most:
            raise NotLinearizable(
                f"an answer that was never right: at least {least} versions and at most {most}", operation
            )
        if least > 0:
            self.times.not_after(least, operation.end, operation)
        if most < len(self.version_ids):
            self.times.not_before(most + 1, operation.start, operation)

    def bound(self, operation):
        count = len(self.version_ids)
        match operation.kind, operation.status:
            case "add-version", 200:
                pass  # its place in the chain is all
            case "add-version", 409:
                latest = self.number(operation, "a conflict with a version that there never was")
                if operation.version_id == operation.argument:
                    raise NotLinearizable("a conflict without a cause: the parent was the latest version", operation)
                self.had(latest, latest, operation)
            case "get-child-version", 200:
                self.had(self.number_of[operation.version_id], count, operation)
            case "get-child-version", 404:
                latest = self.number_of.get(operation.argument, 0)  # 0: the client had no versions
                self.had(latest, latest, operation)
            case "get-child-version", 410:
                if operation.argument in self.number_of or operation.argument == self.first_parent:
                    raise NotLinearizable("gone, and it is in the history", operation)
                self.had(1, count, operation)
            case "add-snapshot", 200:
                self.had(1, count, operation)
            case "add-snapshot", 404:
                self.had(0, 0, operation)
            case "snapshot", 200:
                self.had(self.number(operation, "a snapshot at a version that there never was"), count, operation)
            case "snapshot", 404:
                pass  # see read_snapshots
            case _:
                raise NotLinearizable("an answer that the protocol does not have", operation)

    def number(self, operation, fault):
        if operation.version_id not in self.number_of:
            raise NotLinearizable(fault, operation)
        return self.number_of[operation.version_id]

    def read_snapshots(self):
        """Those that were seen, which the server has kept: number of the version -> the request that stored it."""
        stores = {}
        for operation in self.operations:
            if operation.kind == STORE and operation.may_have_worked:
                first = stores.setdefault((operation.argument, operation.sent), operation)
                if first is not operation:
                    raise ValueError(f"two snapshots with the same bytes: {first} {operation}")
        kept, seen = {}, {}
        # Of the first instant at which the stored snapshot is that of version N, or a later one.
        self.snapshot_times = _Bounds(len(self.version_ids))
        for operation in self.operations:
            if operation.kind != SNAPSHOT or operation.status not in (200, 404):
                continue
            number = self.number_of[operation.version_id] if operation.status == 200 else 0
            if number:
                first = seen.setdefault(number, operation)
                if first.got != operation.got:
                    raise NotLinearizable(f"two snapshots of version {first.version_id}", first, operation)
                store = stores.get((operation.version_id, operation.got))
                if store is None:
                    raise NotLinearizable("a snapshot that nobody has sent, or that was refused", operation)
                kept[number] = store
                self.snapshot_times.not_after(number, operation.end, operation)
            if number < len(self.version_ids):
                self.snapshot_times.not_before(number + 1, operation.start, operation)
        # An earlier bound from below holds for later versions as well, and one from above for earlier ones.
        bounds = self.snapshot_times
        for number in range(1, len(self.version_ids)):
            bounds.not_before(number + 1, *bounds.lower[number])
        for number in range(len(self.version_ids), 1, -1):
            bounds.not_after(number - 1, *bounds.upper[number])
        return kept

    def check_instants(self, kept):
        count = len(self.version_ids)
        instants = [(-math.inf, None)]  # of each append: the earliest, and the request that makes it no earlier
        snapshot_instants = [(-math.inf, None)]  # of the latest snapshot that was kept and is not of a later version
        for number in range(1, count + 1):
            earliest = max(instants[-1], self.times.lower[number], key=_time)
            if number > SNAPSHOT_WITHIN:
                earliest = max(earliest, snapshot_instants[number - SNAPSHOT_WITHIN], key=_time)
            self.require(earliest, self.times.upper[number], number)
            instants.append(earliest)
            stored = snapshot_instants[-1]
            if store := kept.get(number):
                stored = max(stored, (store.start, store), earliest, self.snapshot_times.lower[number], key=_time)
                self.require(stored, (store.latest_effect, store), number)
                self.require(stored, self.snapshot_times.upper[number], number)
            snapshot_instants.append(stored)
        for store in self.operations:
            if store.kind != STORE or store.status != 200 or store.argument not in self.number_of:
                continue
            number = self.number_of[store.argument]
            too_old_from = number + SNAPSHOT_WITHIN
            if too_old_from > count or instants[too_old_from][0] > store.end:
                # It was kept, unless one of the same or of a later version was there.
                for bound in (self.snapshot_times.lower[number], snapshot_instants[number]):
                    if bound[0] > store.end:
                        raise NotLinearizable("an acknowledged snapshot was neither kept nor too old", store, bound[1])

    def require(self, lower, upper, number):
        if lower[0] > upper[0]:
            raise NotLinearizable(
                f"version {number}, {self.version_ids[number - 1]}, or its snapshot, had to be there before the end of the "
                "one request, and not yet at the start of the other",
                upper[1],
                lower[1],
            )


def _time(bound):
    return bound[0]


def check(operations):
    """Of one client. Returns the Chain."""
    return _Record(operations).check()


def write(path, operations):
    path.write_text("".join(json.dumps(asdict(operation)) + "\n" for operation in operations), encoding="utf-8")


def read(path):
    return [Operation(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    print(f"{len(check(read(Path(sys.argv[1]))).version_ids)} versions, linearizable")
