"""A server's promises to a client, to compare with its data: every acknowledged version and snapshot is there with its
bytes; a version that was sent and not answered is there as it was sent, or not at all.

Bytes are made from a name and a size (`payload`), so that the model holds a hash of each and not the bytes.
"""

import hashlib
import http.client
import threading
import uuid

import wire


def payload(name, size):
    """`size` bytes that cannot be compressed and occur nowhere else."""
    return hashlib.shake_128(name.encode()).digest(size)


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Broken(AssertionError):
    """A promise that was not kept."""


class Connection:
    """One replica's connection, made again when it was lost. Requests raise OSError when there was no answer."""

    def __init__(self, url, base_path="", context=None):
        """`context`: of TLS."""
        self._url = url
        self._base_path = base_path
        self._context = context
        self._connection = None

    def request(self, method, path, client_id, body=None, content_type=None):
        headers = {"X-Client-Id": client_id}
        if content_type:
            headers["Content-Type"] = content_type
        try:
            if self._connection is None:
                self._connection = wire.connect(self._url, self._context)
            self._connection.request(method, self._base_path + path, body, headers)
            answer = self._connection.getresponse()
            return wire.Response(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException) as failure:
            self.close()
            raise OSError(f"no answer: {failure!r}") from failure

    def add_version(self, client_id, parent_id, segment):
        return self.request("POST", f"/v1/client/add-version/{parent_id}", client_id, segment, wire.SEGMENT_TYPE)

    def get_child(self, client_id, parent_id):
        return self.request("GET", f"/v1/client/get-child-version/{parent_id}", client_id)

    def add_snapshot(self, client_id, version_id, snapshot):
        return self.request("POST", f"/v1/client/add-snapshot/{version_id}", client_id, snapshot, wire.SNAPSHOT_TYPE)

    def get_snapshot(self, client_id):
        return self.request("GET", "/v1/client/snapshot", client_id)

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Client:
    """One client as its replicas know it. Thread-safe: several replicas may race."""

    def __init__(self, client_id=None):
        self.client_id = client_id or str(uuid.uuid4())
        self.lock = threading.Lock()
        self.acknowledged = {}  # parent ID -> (version ID, digest), each acknowledged
        self.unanswered = {}  # parent ID -> set of digests that may be there
        self.snapshots = []  # (version ID, digest) in the order in which they were sent
        self.acknowledged_snapshot = None  # index of the latest one that was acknowledged
        self.base = wire.NIL_VERSION  # the parent of the oldest version that has to be there
        self.base_may_be = set()  # parents from which it may begin as well: a removal that was not answered
        self.may_be_gone = False  # a deletion that was not answered
        self.bytes = 0

    def append(self, connection, parent_id, segment):
        """Sends a version; returns its ID, or None when another one was first. Raises OSError without an answer."""
        hashed = digest(segment)
        with self.lock:
            self.unanswered.setdefault(parent_id, set()).add(hashed)
        answer = connection.add_version(self.client_id, parent_id, segment)
        with self.lock:
            if answer.status == 200:
                version_id = answer.headers["X-Version-Id"]
                if parent_id in self.acknowledged:
                    raise Broken(f"client {self.client_id}: {parent_id} has two acknowledged children, "
                                 f"{self.acknowledged[parent_id][0]} and {version_id}")  # fmt: skip
                self.acknowledged[parent_id] = (version_id, hashed)
                self.bytes += len(segment)
                return version_id
            if answer.status in (409, 429, 503, 507):
                # Refused, so it is not there; but the disk's 507 promises that only while the process lives, and a 503 can
                # come from a database that did not answer, or from a proxy.
                if answer.status != 507 and b"unknown" not in answer.body:
                    self.unanswered[parent_id].discard(hashed)
                return None
        raise Broken(f"client {self.client_id}: add-version was answered {answer.status} {answer.body[:200]}")

    def store_snapshot(self, connection, version_id, snapshot):
        with self.lock:
            self.snapshots.append((version_id, digest(snapshot)))
            index = len(self.snapshots) - 1
        answer = connection.add_snapshot(self.client_id, version_id, snapshot)
        if answer.status == 200:
            with self.lock:
                self.acknowledged_snapshot = index
                self.bytes += len(snapshot)
        elif answer.status not in (429, 503, 507):
            raise Broken(f"client {self.client_id}: add-snapshot was answered {answer.status} {answer.body[:200]}")

    def pull(self, connection, parent_id):
        """The latest version that can be reached from `parent_id`, as a replica walks there; None if one is refused."""
        while (answer := connection.get_child(self.client_id, parent_id)).status == 200:
            parent_id = answer.headers["X-Version-Id"]
        return parent_id if answer.status == 404 else None

    def compare(self, connection, count=lambda name, by=1: None):
        """Reads all that the server has of this client and compares; returns the latest version. Nothing else may use
        the client meanwhile. An unanswered version that is there counts as acknowledged from now on."""
        parent_id = self.base
        if parent_id not in self.acknowledged and not self.acknowledged and not self.unanswered:
            return self._expect_nothing(connection)
        answer = connection.get_child(self.client_id, parent_id)
        if answer.status == 410:
            for other in self.base_may_be:
                answer = connection.get_child(self.client_id, other)
                if answer.status == 200:
                    parent_id = self.base = other
                    break
        self.base_may_be = set()
        if answer.status == 404 and self.may_be_gone:
            self.forget()
            return parent_id
        seen = set()
        while answer.status == 200:
            version_id, hashed = answer.headers["X-Version-Id"], digest(answer.body)
            count("bytes compared", len(answer.body))
            count("versions compared")
            known = self.acknowledged.get(parent_id)
            if known is None and hashed not in self.unanswered.get(parent_id, ()):
                raise Broken(f"client {self.client_id}: the child {version_id} of {parent_id} was never sent")
            if known is not None and known != (version_id, hashed):
                raise Broken(f"client {self.client_id}: the child of {parent_id} is {version_id} {hashed}, and {known} "
                             "was acknowledged")  # fmt: skip
            if known is None:
                count("unanswered versions that are there")
            self.acknowledged[parent_id] = (version_id, hashed)
            seen.add(parent_id)
            parent_id = version_id
            answer = connection.get_child(self.client_id, parent_id)
        if answer.status != 404:
            raise Broken(f"client {self.client_id}: the walk ended at {parent_id} with {answer.status} {answer.body}")
        wanted = self._chain_from(self.base)
        lost = wanted - seen
        if lost:
            raise Broken(
                f"client {self.client_id}: {len(lost)} acknowledged versions are lost; the walk ended at {parent_id}"
            )
        self.unanswered = {}
        self.may_be_gone = False
        self._compare_snapshot(connection, count)
        return parent_id

    def forget(self):
        """The client was deleted."""
        self.acknowledged, self.unanswered, self.snapshots = {}, {}, []
        self.acknowledged_snapshot, self.base, self.base_may_be, self.may_be_gone = None, wire.NIL_VERSION, set(), False

    def _chain_from(self, parent_id):
        parents = set()
        while parent_id in self.acknowledged:
            parents.add(parent_id)
            parent_id = self.acknowledged[parent_id][0]
        if self.base == wire.NIL_VERSION and len(parents) != len(self.acknowledged):
            raise Broken(f"client {self.client_id}: {len(self.acknowledged)} versions were acknowledged, which do not follow "
                         f"each other: only {len(parents)} can be reached")  # fmt: skip
        return parents

    def _compare_snapshot(self, connection, count):
        if not self.snapshots:
            return
        answer = connection.get_snapshot(self.client_id)
        if answer.status == 404 and self.acknowledged_snapshot is None:
            return
        if answer.status != 200:
            raise Broken(f"client {self.client_id}: the snapshot was answered {answer.status}")
        count("snapshots compared")
        count("bytes compared", len(answer.body))
        first = self.acknowledged_snapshot or 0
        if (answer.headers["X-Version-Id"], digest(answer.body)) not in self.snapshots[first:]:
            raise Broken(f"client {self.client_id}: the snapshot at {answer.headers['X-Version-Id']} is not one that was sent "
                         "since the latest that was acknowledged")  # fmt: skip

    def _expect_nothing(self, connection):
        for answer in (connection.get_child(self.client_id, self.base), connection.get_snapshot(self.client_id)):
            if answer.status != 404:
                raise Broken(f"client {self.client_id}: nothing was sent, and {answer.status} came")
        return self.base
