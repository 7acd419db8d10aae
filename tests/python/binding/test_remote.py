"""Talking to a sync server through the binding: outcomes are results, everything else has a name."""

import os
import signal
import socket
import threading
import time
from uuid import UUID, uuid4

import pytest

from tcsync import (
    NIL_VERSION,
    Conflict,
    Credentials,
    Gone,
    NewVersion,
    ProbeKind,
    RemoteError,
    RemoteFault,
    RemoteServer,
    SealingKey,
    Secret,
    SnapshotUrgency,
    TcsyncError,
    UnsealError,
    UnsealFault,
    UpToDate,
    Version,
    VersionAdded,
    VersionWatch,
    probe_server,
)

SEGMENT = b'{"operations":[]}'


class TestSealing:
    def test_recorded_data_can_be_opened(self, blobs):
        """If this fails, the binding cannot open data of real replicas, or they cannot open the binding's."""
        assert {blob.kind for blob in blobs} == {"version", "snapshot"}
        for blob in blobs:
            with SealingKey.derive(blob.client_id, blob.secret) as key:
                assert key.unseal(blob.authenticated_id, blob.sealed) == blob.plaintext
                again = key.seal(blob.authenticated_id, blob.plaintext)
                assert again != blob.sealed
                assert key.unseal(blob.authenticated_id, again) == blob.plaintext

    def test_each_fault_is_distinguished(self, blobs):
        """If this fails, a wrong secret cannot be told from damaged data."""
        blob = next(blob for blob in blobs if blob.kind == "version")

        def fault(key, version_id, sealed):
            with pytest.raises(UnsealError) as raised:
                key.unseal(version_id, sealed)
            assert raised.value.name == f"TCSYNC_UNSEAL_{raised.value.fault.name}"
            return raised.value.fault

        with SealingKey.derive(blob.client_id, blob.secret) as key:
            assert fault(key, blob.authenticated_id, b"\2" + blob.sealed[1:]) is UnsealFault.UNKNOWN_FORMAT
            assert fault(key, blob.authenticated_id, blob.sealed[:20]) is UnsealFault.TRUNCATED
            assert fault(key, uuid4(), blob.sealed) is UnsealFault.NOT_AUTHENTIC
        with SealingKey.derive(blob.client_id, Secret("wrong")) as key:
            assert fault(key, blob.authenticated_id, blob.sealed) is UnsealFault.WRONG_KEY

    def test_bytes_with_zeros_are_kept(self):
        """If this fails, data is cut at its first zero byte."""
        with SealingKey.derive(uuid4(), Secret("s")) as key:
            for plaintext in (b"", b"\0", b"a\0b\0", bytes(range(256)) * 1000):
                assert key.unseal(NIL_VERSION, key.seal(NIL_VERSION, plaintext)) == plaintext

    def test_a_closed_key_is_refused(self):
        """If this fails, a mistake in a program reads freed memory."""
        key = SealingKey.derive(uuid4(), Secret("s"))
        key.close()
        key.close()
        with pytest.raises(TcsyncError, match="closed"):
            key.seal(NIL_VERSION, b"x")


class TestOutcomes:
    def test_outcomes_of_versions(self, remote):
        """If this fails, the wizard misunderstands a server."""
        assert remote.get_child_version(NIL_VERSION) == UpToDate()
        added = remote.add_version(NIL_VERSION, SEGMENT)
        assert isinstance(added, VersionAdded) and added.snapshot_urgency is SnapshotUrgency.HIGH
        assert remote.get_child_version(NIL_VERSION) == Version(added.version_id, NIL_VERSION, SEGMENT)
        assert remote.get_child_version(added.version_id) == UpToDate()
        assert remote.add_version(NIL_VERSION, SEGMENT) == Conflict(added.version_id)
        assert remote.get_child_version(uuid4()) == Gone()

    def test_a_wait_ends_with_the_next_version(self, remote, credentials):
        """If this fails, a change does not reach a program that waits for it, or it needs the secret for that."""
        first = remote.add_version(NIL_VERSION, SEGMENT).version_id
        with VersionWatch(credentials.url, credentials.client_id, proxy="") as watch:
            assert watch.await_version(NIL_VERSION, 50) == NewVersion(first)
            assert watch.await_version(first, 0) == UpToDate()
            assert watch.await_version(first, 1) == UpToDate()
            assert watch.await_version(uuid4(), 50) == Gone()
            outcomes = []
            waiting = threading.Thread(target=lambda: outcomes.append(watch.await_version(first, 50)))
            waiting.start()
            second = remote.add_version(first, SEGMENT).version_id
            waiting.join()
            assert outcomes == [NewVersion(second)]
        assert remote.await_version(first, 50) == NewVersion(second)

    @pytest.mark.parametrize("wait_s", [-1, 3601, 2**64, 2**64 + 1])
    def test_a_wait_has_bounds(self, remote, wait_s):
        """If this fails, a mistake in a program waits for ever, or not at all."""
        with pytest.raises(TcsyncError, match=str(wait_s)):
            remote.await_version(NIL_VERSION, wait_s)

    def test_snapshots_are_stored_and_returned(self, remote):
        """If this fails, a program cannot start from a snapshot, or a log shows a user's tasks."""
        assert remote.get_snapshot() is None
        version_id = remote.add_version(NIL_VERSION, SEGMENT).version_id
        remote.add_snapshot(version_id, b"state\0state")
        snapshot = remote.get_snapshot()
        assert (snapshot.version_id, snapshot.plaintext) == (version_id, b"state\0state")
        assert "state" not in repr(snapshot)

    def test_a_wrong_secret_is_recognised(self, remote, credentials):
        """If this fails, a wrong secret is noticed only when tasks are lost."""
        remote.add_version(NIL_VERSION, SEGMENT)
        other = Credentials(credentials.url, credentials.client_id, Secret("wrong"))
        with RemoteServer(other, proxy="") as wrong, pytest.raises(UnsealError) as raised:
            wrong.get_child_version(NIL_VERSION)
        assert raised.value.fault is UnsealFault.WRONG_KEY

    def test_a_probe_recognises_each_kind_of_server(self, remote, credentials):
        """If this fails, the wizard takes a new history for a used one, or no server for a sync server."""
        before = time.time()
        found = probe_server(credentials.url, proxy="")
        assert (found.kind, found.uses_tls, found.http_status) == (ProbeKind.SYNC_SERVER, False, 200)
        assert found.certificate_expires is None and "tcsync" in found.server_name
        assert abs(found.server_time - before) < 60
        assert remote.probe().kind is ProbeKind.EMPTY_HISTORY
        remote.add_version(NIL_VERSION, SEGMENT)
        found = probe_server(credentials.url, credentials.client_id, proxy="")
        assert (found.kind, found.has_versions, found.has_snapshot) == (ProbeKind.HISTORY, True, False)

    def test_several_remotes_can_share_a_key(self, credentials):
        """If this fails, a key that the caller has closed is used after it was freed."""
        key = SealingKey.derive(credentials.client_id, credentials.secret)
        with RemoteServer(credentials, key=key, proxy="") as one, RemoteServer(credentials, key=key, proxy="") as two:
            key.close()
            one.add_version(NIL_VERSION, SEGMENT)
            assert isinstance(two.get_child_version(NIL_VERSION), Version)

    def test_many_threads_can_use_one_remote(self, remote):
        """If this fails, two threads with one object corrupt each other's requests."""
        remote.add_version(NIL_VERSION, SEGMENT)
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(remote.get_child_version(NIL_VERSION))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(results) == 8 and all(isinstance(result, Version) for result in results)

    def test_use_after_closing_is_refused(self, credentials):
        """If this fails, a second close or a late call runs into freed memory."""
        remote = RemoteServer(credentials, proxy="")
        remote.close()
        remote.close()
        with pytest.raises(TcsyncError, match="closed"):
            remote.get_snapshot()


class Answering:
    """A server on loopback that gives every connection the same bytes, or nothing."""

    def __init__(self, answer):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        self._open = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            connection.recv(65536)
            self.asked.set()
            if self._answer:
                connection.sendall(self._answer)
                connection.close()

    def close(self):
        self._listener.close()
        for connection in self._open:
            connection.close()


@pytest.fixture
def answering():
    servers = []

    def start(answer):
        servers.append(Answering(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def with_status(line, *headers):
    return "\r\n".join([f"HTTP/1.1 {line}", *headers, "Content-Length: 0", "Connection: close", "", ""]).encode()


class TestFaults:
    @pytest.mark.parametrize(
        ("answer", "fault"),
        [
            (with_status("403 Forbidden"), RemoteFault.NOT_ALLOWED),
            (with_status("429 Too Many Requests", "Retry-After: 7"), RemoteFault.RATE_LIMITED),
            (with_status("400 Bad Request"), RemoteFault.REJECTED),
            (with_status("500 Internal Server Error"), RemoteFault.SERVER_FAILED),
            (with_status("503 Service Unavailable"), RemoteFault.SERVER_UNAVAILABLE),
            (with_status("507 Insufficient Storage"), RemoteFault.SERVER_FULL),
            (with_status("301 Moved Permanently", "Location: https://else.example/"), RemoteFault.REDIRECTED),
            (with_status("200 OK"), RemoteFault.BROKEN_ANSWER),
        ],
    )
    def test_each_answer_has_its_fault(self, answering, answer, fault):
        """If this fails, people get the wrong advice."""
        credentials = Credentials.generate(answering(answer).url)
        with RemoteServer(credentials, proxy="") as remote, pytest.raises(RemoteError) as raised:
            remote.get_child_version(NIL_VERSION)
        assert raised.value.fault is fault
        assert raised.value.code == fault.value and raised.value.name == f"TCSYNC_REMOTE_{fault.name}"

    def test_a_refused_connection_is_reported(self):
        """If this fails, a person does not learn that the server is not running."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(RemoteError) as raised:
            probe_server(f"http://127.0.0.1:{port}", proxy="")
        assert raised.value.fault is RemoteFault.CONNECTION_REFUSED

    def test_an_unknown_host_is_reported(self):
        """If this fails, a person looks for a broken server when the host's name is mistyped."""
        with pytest.raises(RemoteError) as raised:
            probe_server("http://no-such-host.invalid", proxy="")
        assert raised.value.fault is RemoteFault.NAME_NOT_RESOLVED

    def test_a_silent_server_times_out(self, answering):
        """If this fails, a silent server keeps a person waiting."""
        started = time.monotonic()
        with pytest.raises(RemoteError) as raised:
            probe_server(answering(b"").url, proxy="", timeout_s=0.5)
        assert raised.value.fault is RemoteFault.TIMED_OUT
        assert time.monotonic() - started < 10

    def test_a_plain_http_server_is_reported(self, server):
        """If this fails, a person does not learn that the URL must begin with http://."""
        with pytest.raises(RemoteError) as raised:
            probe_server(server.url.replace("http:", "https:"), proxy="")
        assert raised.value.fault is RemoteFault.NOT_TLS

    def test_an_unreachable_proxy_is_reported(self, server):
        """If this fails, a person looks at the server when the proxy is down."""
        with pytest.raises(RemoteError) as raised:
            probe_server(server.url, proxy="http://127.0.0.1:1")
        assert raised.value.fault is RemoteFault.PROXY_FAILED

    @pytest.mark.parametrize("options", [{"timeout_s": 0}, {"timeout_s": -1}, {"connect_timeout_s": 1e9},
                                         {"timeout_s": float("nan")}, {"ca_file": "/nonexistent.pem"}])  # fmt: skip
    def test_invalid_options_are_refused(self, options):
        """If this fails, a mistake in a program's options waits for ever or connects without a check."""
        with pytest.raises(TcsyncError):
            probe_server("http://127.0.0.1:1", proxy="", **options)

    def test_a_failed_start_frees_the_key(self):
        """If this fails, a key stays in memory when the remote cannot be made."""
        credentials = Credentials.generate("http://127.0.0.1:1")
        key = SealingKey.derive(credentials.client_id, credentials.secret)
        for _ in range(3):
            with pytest.raises(TcsyncError):
                RemoteServer(credentials, key=key, ca_file="/nonexistent.pem")
        assert key.handle._users == 0


def test_ctrl_c_does_not_wait_for_the_server(answering):
    """If this fails, Ctrl-C during a hanging request seems not to work for a minute."""
    silent = answering(b"")
    remote = RemoteServer(Credentials.generate(silent.url), proxy="", timeout_s=20)
    started = time.monotonic()

    def interrupt():
        silent.asked.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        remote.get_snapshot()
    remote.close()
    assert time.monotonic() - started < 10


def test_client_ids_reach_the_server(server, remote, credentials):
    """If this fails, all users' data is under one ID."""
    remote.add_version(NIL_VERSION, SEGMENT)
    assert probe_server(server.url, credentials.client_id, proxy="").kind is ProbeKind.HISTORY
    assert probe_server(server.url, UUID(int=credentials.client_id.int ^ 1), proxy="").kind is ProbeKind.EMPTY_HISTORY
