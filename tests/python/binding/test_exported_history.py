"""An operator's export of a client, opened with the secret: from good and bad lines, without a server or a network."""

import base64
import contextlib
import functools
import http.client
import io
import json
import os
import socket
import threading
import zlib
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from tcsync import (
    HistoryError,
    SealingKey,
    Secret,
    SyncError,
    SyncFault,
    TcsyncError,
    UnsealError,
    UnsealFault,
    _history_server,
    exported_history,
)
from tcsync._history_server import HistoryServer
from tcsync.exported_history import read_exported_history

NIL = UUID(int=0)
CHILD_PATH = "/v1/client/get-child-version/"


def joined(lines):
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def line(kind, **fields):
    return {"type": kind, **fields}


CLIENT = str(uuid4())
BEGIN = line("client", client_id=CLIENT, created=1)
VERSION = line("version", version_id=str(uuid4()), parent_version_id=str(NIL), segment="AAAA")
LONG = line("version", version_id=str(uuid4()), parent_version_id=str(NIL), segment_bytes=6)
MALFORMED = {
    "nothing": "",
    "no client": joined([VERSION]),
    "another file": "Dear user,\n",
    "JSON of something else": "[1]\n{}\n",
    "cut in a line": joined([BEGIN, VERSION])[:-20],
    "cut in the pieces": joined([BEGIN, LONG, line("piece", piece=0, bytes="AAAA")]),
    "cut before the pieces": joined([BEGIN, LONG, VERSION]),
    "a piece lacks": joined([BEGIN, LONG, line("piece", piece=1, bytes="AAAA")]),
    "a piece of nothing": joined([BEGIN, line("piece", piece=0, bytes="AAAA")]),
    "an empty piece": joined([BEGIN, LONG, line("piece", piece=0, bytes="")]),
    "too many bytes": joined([BEGIN, LONG, line("piece", piece=0, bytes="AAAAAAAAAAAA")]),
    "more than memory": joined([BEGIN, {**LONG, "segment_bytes": 10**15}, *([line("piece", piece=0, bytes="A===")])]),
    "a negative number of bytes": joined([BEGIN, {**LONG, "segment_bytes": -1}]),
    "a boolean for bytes": joined([BEGIN, {**LONG, "segment_bytes": True}]),
    "no base64": joined([BEGIN, {**VERSION, "segment": "A*AA"}]),
    "a number for bytes": joined([BEGIN, {**VERSION, "segment": 1}]),
    "no UUID": joined([BEGIN, {**VERSION, "version_id": "1"}]),
    "no parent": joined([BEGIN, line("version", version_id=CLIENT, segment="AAAA")]),
    "two histories": joined([BEGIN, VERSION, {**VERSION, "version_id": CLIENT}]),
    "another client": joined([line("client", client_id=str(uuid4())), VERSION]),
    "nested without end": "[" * 100_000,
    "not text": "\udcff\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused(name):
    """If this fails, a cut or strange file ends in a traceback, or is taken for a whole one."""
    content = MALFORMED[name].encode("utf-8", "surrogateescape")
    with pytest.raises(HistoryError):
        read_exported_history(io.BytesIO(content), UUID(CLIENT))


class Exported:
    """The lines of a client with four versions, each of which creates a task, and a snapshot at the second one."""

    def __init__(self):
        self.client_id, self.secret = uuid4(), Secret("a secret of the tests")
        self.ids = [NIL, *(uuid4() for _ in range(4))]
        self.task_ids = [uuid4() for _ in range(4)]
        self._key = SealingKey.derive(self.client_id, self.secret)
        self.versions = [self.version(number) for number in range(4)]
        self.snapshot = self.snapshot_of(
            zlib.compress(json.dumps({str(task_id): {} for task_id in self.task_ids[:2]}).encode())
        )

    def version(self, number, plaintext=None, child=None):
        if plaintext is None:
            plaintext = json.dumps({"operations": [{"Create": {"uuid": str(self.task_ids[number])}}]}).encode()
        parent = self.ids[number]
        return line(
            "version",
            version_id=str(child or self.ids[number + 1]),
            parent_version_id=str(parent),
            segment=base64.b64encode(self._key.seal(parent, plaintext)).decode(),
        )

    def snapshot_of(self, plaintext):
        sealed = self._key.seal(self.ids[2], plaintext)
        return line("snapshot", version_id=str(self.ids[2]), snapshot=base64.b64encode(sealed).decode())

    def read(self, lines):
        begin = line("client", client_id=str(self.client_id), created=1)
        return read_exported_history(io.BytesIO(joined([begin, *lines]).encode()), None)

    def replay(self, *lines):
        return self.read(lines).replay(self.secret)


@pytest.fixture(scope="module")
def exported():
    return Exported()


@pytest.fixture(scope="module")
def derived():
    """Derives each key once, which takes long, and keeps it."""
    derive = SealingKey.derive
    return functools.cache(lambda client_id, secret: derive(client_id, Secret(secret)))


@pytest.fixture(autouse=True)
def _kept_keys(monkeypatch, derived):
    def derive(client_id, secret):
        return contextlib.nullcontext(derived(client_id, secret.reveal()))

    monkeypatch.setattr(SealingKey, "derive", derive)


def altered(line, name, at):
    """The line with one byte changed. Of a snapshot's first bytes, that cannot be told from a wrong key."""
    sealed = bytearray(base64.b64decode(line[name]))
    sealed[at] ^= 1
    return {**line, name: base64.b64encode(sealed).decode()}


READABLE = {
    "nothing": lambda _exported: ([], 0),
    "versions": lambda exported: (exported.versions, 4),
    "snapshot and versions": lambda exported: ([*exported.versions, exported.snapshot], 4),
    "snapshot and later versions": lambda exported: ([exported.snapshot, *exported.versions[2:]], 4),
    "snapshot alone": lambda exported: ([exported.snapshot], 2),
}


@pytest.mark.parametrize("name", READABLE)
def test_a_complete_history_is_read(exported, name):
    """If this fails, a rescue is refused, or lacks tasks, although the file has all of them."""
    lines, number = READABLE[name](exported)
    assert exported.replay(*lines) == {task_id: {} for task_id in exported.task_ids[:number]}


BAD_SNAPSHOTS = {
    "altered at its end": (lambda exported: altered(exported.snapshot, "snapshot", -1), UnsealError),
    "altered at its beginning": (lambda exported: altered(exported.snapshot, "snapshot", 13), UnsealError),
    "of another format": (lambda exported: altered(exported.snapshot, "snapshot", 0), UnsealError),
    "empty": (lambda exported: {**exported.snapshot, "snapshot": ""}, UnsealError),
    "not compressed": (lambda exported: exported.snapshot_of(b"no zlib"), SyncError),
    "not tasks": (lambda exported: exported.snapshot_of(zlib.compress(b"[]")), SyncError),
}


@pytest.mark.parametrize("name", BAD_SNAPSHOTS)
def test_a_damaged_snapshot_is_no_loss_beside_all_versions(exported, name):
    """If this fails, one wrong bit costs a person all tasks, although the versions have them; or a snapshot that
    cannot be read passes for one without tasks."""
    make, error = BAD_SNAPSHOTS[name]
    snapshot = make(exported)
    assert exported.replay(*exported.versions, snapshot).keys() == set(exported.task_ids)
    with pytest.raises(error) as raised:
        exported.replay(snapshot, *exported.versions[2:])
    assert raised.value.sync_report.version_id == exported.ids[2]


def test_a_version_that_is_not_taskchampions_is_named(exported):
    """If this fails, tasks of a part of the history pass for all of them, or nobody learns which version is bad."""
    lines = [*exported.versions[:2], exported.version(2, b"no JSON"), exported.versions[3]]
    with pytest.raises(SyncError) as raised:
        exported.replay(*lines)
    assert raised.value.fault is SyncFault.INVALID_VERSION
    assert raised.value.sync_report.version_id == exported.ids[3] and str(exported.ids[3]) in str(raised.value)
    # Behind a good snapshot it is bad likewise, and the versions before the snapshot do not help.
    with pytest.raises(SyncError):
        exported.replay(exported.snapshot, *lines)


INCOMPLETE = {
    "the first version": (lambda exported: exported.versions[1:], "lacks the first version"),
    "a version": (
        lambda exported: [*exported.versions[:2], exported.versions[3]],
        "lacks the version after {ids[2]}, so the later ones up to {ids[4]}",
    ),
    "a version behind the snapshot": (
        lambda exported: [exported.snapshot, *exported.versions[:2], exported.versions[3]],
        "lacks the version after {ids[2]}, so",
    ),
    "the end of a circle": (
        lambda exported: [*exported.versions[:3], exported.version(3, child=exported.ids[2])],
        "the version {ids[2]} comes twice",
    ),
    "the end of a circle from the beginning": (
        lambda exported: [*exported.versions[:1], exported.version(1, child=NIL)],
        "the version {ids[0]} comes twice",
    ),
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_an_incomplete_history_is_refused(exported, name):
    """If this fails, a person throws a backup away because of a file that lacks the later tasks, or a file with a
    circle of versions holds the rescue for ever."""
    change, message = INCOMPLETE[name]
    with pytest.raises(HistoryError, match=message.format(ids=exported.ids)):
        exported.replay(*change(exported))


@pytest.mark.parametrize("change", [READABLE["versions"], INCOMPLETE["a version"], INCOMPLETE["the end of a circle"]])
def test_a_wrong_secret_is_reported_first(exported, change):
    """If this fails, a mistyped secret looks like a damaged file, and sends a person to the operator."""
    lines = change(exported)[0] if callable(change) else change[0](exported)
    with pytest.raises(UnsealError) as raised:
        exported.read(lines).replay(Secret("wrong"))
    assert raised.value.fault is UnsealFault.WRONG_KEY


LIMITS = {
    "_LINE_BYTES_MAX": "is longer than",
    "_SEALED_BYTES_MAX": "is larger than",
    "RESPONSE_BYTES_MAX": "of more than",
}


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_is_kept(exported, monkeypatch, name):
    """If this fails, a strange file fills the memory of the computer that reads it."""
    monkeypatch.setattr(exported_history, name, 100)
    with pytest.raises(HistoryError, match=f"{LIMITS[name]} .*100 bytes"):
        exported.read([exported.version(0, b" " * 100)])


class TestLoopback:
    def test_neither_a_proxy_nor_the_disk_is_used(self, exported, monkeypatch, tmp_path):
        """If this fails, tasks leave the computer by the proxy of its environment, stay on the disk in the clear, or
        cannot be read behind a proxy."""
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in ("TMPDIR", "SQLITE_TMPDIR", "HOME"):
            monkeypatch.setenv(name, str(tmp_path))
        monkeypatch.chdir(tmp_path)
        assert len(exported.replay(*exported.versions)) == 4
        assert list(tmp_path.iterdir()) == []

    def test_it_answers_its_client_only_and_ends(self, exported, capfd):
        """If this fails, another program on the computer gets the history without the client ID, stops the reader,
        or finds the port open afterwards."""
        history = exported.read([*exported.versions, exported.snapshot])
        with HistoryServer(exported.client_id, history.versions, history.snapshot) as server:
            address = urlsplit(server.url)
            assert address.hostname == "127.0.0.1"
            silent = socket.create_connection((address.hostname, address.port))
            connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)

            def status(path, client_id, method="GET"):
                headers = {} if client_id is None else {"X-Client-Id": str(client_id)}
                connection.request(method, path, headers=headers)
                answer = connection.getresponse()
                return answer.status, len(answer.read())

            for path, sealed in [
                (f"{CHILD_PATH}{NIL}", history.versions[NIL][1]),
                ("/v1/client/snapshot", history.snapshot[1]),
            ]:
                assert status(path, exported.client_id) == (200, len(sealed))
                for stranger in (None, uuid4(), "x"):
                    assert status(path, stranger) == (404, 0)
                assert status(path, exported.client_id, "POST")[0] == 501
            for path in ("/", f"{CHILD_PATH}x", f"{CHILD_PATH}{exported.ids[4]}", "/v1/client/snapshot/"):
                assert status(path, exported.client_id) == (404, 0)
            connection.close()
            broken = socket.create_connection((address.hostname, address.port))
            broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            broken.sendall(b"GET / HTTP/1.1\r\n")
            broken.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.hostname, address.port))
        silent.close()
        assert capfd.readouterr() == ("", "")

    def test_nothing_is_left_open(self, exported):
        """If this fails, a program that reads many files runs out of descriptors or threads."""
        for thread in set(threading.enumerate()) - {threading.current_thread()}:
            thread.join(60)  # a connection of the test before, whose other end has just closed
        before = len(os.listdir("/dev/fd")), threading.active_count()
        for _ in range(3):
            with HistoryServer(exported.client_id, {}, None):
                pass
        assert (len(os.listdir("/dev/fd")), threading.active_count()) == before

    def test_an_unusable_interface_is_named(self, exported, monkeypatch, capfd):
        """If this fails, a person looks for a fault in the file, or at a server that nobody knows."""

        def broken(_server, _path):
            raise OSError

        with monkeypatch.context() as patch:
            patch.setattr(_history_server._Server, "answer", broken)
            with pytest.raises(TcsyncError, match="this computer's loopback interface: ") as raised:
                exported.replay(*exported.versions)
        assert type(raised.value) is TcsyncError
        # An address of the documentation's, which no computer has.
        monkeypatch.setattr(_history_server, "_HOST", "192.0.2.1")
        with pytest.raises(TcsyncError, match=r"this computer's loopback interface, 192\.0\.2\.1: "):
            exported.replay(*exported.versions)
        assert capfd.readouterr() == ("", "")
