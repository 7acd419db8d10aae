"""Caddy and nginx from Debian, with the files of examples/deploy/proxy, in front of the real server.

If one of these fails, an operator who copies the file gets a server that people cannot sync with, or that an attacker's
header fools.
"""

import contextlib
import http.client
import os
import socket
import ssl
import uuid
from concurrent.futures import ThreadPoolExecutor

import proxies
import pytest
import web
import wire
from support import free_port

# The proxy alone: the tests' clients come from other addresses of the same machine, and a trusted address is never
# taken for a client's.
TRUSTING = ("--trusted-proxy", "127.0.0.1")
FORGED_SOURCE = {"X-Forwarded-For": "203.0.113.9", "Fly-Client-IP": "203.0.113.9"}
SEGMENT_40_MB = os.urandom(40 * web.MEGABYTE)


@contextlib.contextmanager
def caddy(server_url, directory):
    with proxies.caddy(server_url, directory) as (url, authority):
        yield url, authority


@contextlib.contextmanager
def nginx(server_url, directory):
    with proxies.nginx(server_url, directory) as (url, _, authority):
        yield url, authority


with_each_proxy = pytest.mark.parametrize("proxy", [caddy, nginx], ids=["caddy", "nginx"])


@with_each_proxy
class TestProxy:
    def test_two_computers_sync_through_tls(self, proxy, start_server, tmp_path, user, new_replica):
        # If this fails, nobody syncs with a server that was set up by the docs.
        server = start_server(*TRUSTING)
        with proxy(server.url, tmp_path) as (url, authority):
            laptop, desktop = (new_replica(url, user, authority) for _ in range(2))
            laptop.add("Buy milk")
            laptop.sync()
            desktop.sync()
            assert desktop.descriptions() == {"Buy milk"}
            desktop.task("1", "done")
            desktop.sync()
            laptop.sync()
            assert laptop.export() == desktop.export()

    def test_a_user_syncs_through_a_path_of_its_own_server(self, proxy, start_server, tmp_path, user, new_replica):
        # If this fails, the template unit's servers cannot share a domain.
        server = start_server(*TRUSTING, "--base-path", "/u/ada", "--memory-budget", "32M")
        with proxy(server.url, tmp_path) as (url, authority):
            laptop, desktop = (new_replica(f"{url}/u/ada", user, authority) for _ in range(2))
            laptop.add("Buy milk")
            laptop.sync()
            desktop.sync()
            assert desktop.descriptions() == {"Buy milk"}

    def test_a_client_without_the_authority_refuses_to_sync(self, proxy, start_server, tmp_path, user, new_replica):
        # If this fails, the test above did not go through TLS.
        with proxy(start_server().url, tmp_path) as (url, _):
            replica = new_replica(url, user)
            replica.add("Buy milk")
            assert replica.sync(check=False).returncode != 0

    def test_a_body_of_40_megabytes_is_passed_on(self, proxy, start_server, tmp_path):
        # If this fails, a proxy's default limit of one megabyte stops the first sync of users with many tasks.
        server = start_server(*TRUSTING, "--memory-budget", "256M")
        client_id = str(uuid.uuid4())
        with proxy(server.url, tmp_path) as (url, authority):
            added = web.add_version(url, authority, client_id, body=SEGMENT_40_MB)
            assert added.status == 200, added.body
            assert web.get_child_version(url, authority, client_id).body == SEGMENT_40_MB

    def test_the_server_and_not_the_proxy_limits_the_body(self, proxy, start_server, tmp_path):
        # If this fails, a proxy answers 413 without the server's advice.
        server = start_server(*TRUSTING, "--body-bytes-max", "1M")
        with proxy(server.url, tmp_path) as (url, authority):
            refused = web.add_version(url, authority, str(uuid.uuid4()), body=bytes(2 * web.MEGABYTE))
            assert refused.status == 413
            assert b"html" not in refused.body.lower()

    def test_passes_on_the_clients_address(self, proxy, tmp_path):
        # If this fails, the limits for each address are those of the proxy's address, or a stranger escapes them with a
        # header.
        with web.backend() as backend, proxy(backend.url, tmp_path) as (url, authority):
            web.get_child_version(url, authority, str(uuid.uuid4()), source="127.0.0.7", headers=FORGED_SOURCE)
            (headers,) = backend.seen
            assert headers.get_all("X-Forwarded-For") == ["127.0.0.7"]

    def test_each_client_address_has_its_own_limits(self, proxy, start_server, tmp_path):
        # If this fails, one stranger uses up the limits of all people behind the proxy.
        server = start_server(*TRUSTING, "--new-clients-per-address-day", "1")
        with proxy(server.url, tmp_path) as (url, authority):

            def create(source, headers=()):
                return web.add_version(url, authority, str(uuid.uuid4()), source=source, headers=headers).status

            assert create("127.0.0.7") == 200
            assert create("127.0.0.7") == 429
            assert create("127.0.0.7", FORGED_SOURCE) == 429
            assert create("127.0.0.8") == 200

    def test_answers_are_passed_on_unchanged(self, proxy, start_server, tmp_path):
        # If this fails, replicas miss the protocol's headers.
        server = start_server(*TRUSTING)
        client_id = str(uuid.uuid4())
        with proxy(server.url, tmp_path) as (url, authority):
            added = web.add_version(url, authority, client_id)
            version_id = added.headers["X-Version-Id"]
            child = web.get_child_version(url, authority, client_id)
            assert (child.headers["X-Version-Id"], child.headers["X-Parent-Version-Id"]) == (
                version_id,
                wire.NIL_VERSION,
            )
            assert child.headers["Content-Type"] == wire.SEGMENT_TYPE
            assert web.get_child_version(url, authority, client_id, version_id).status == 404
            assert web.add_version(url, authority, client_id).status == 409

    def test_a_request_can_wait_for_the_next_version(self, proxy, start_server, tmp_path):
        # If this fails, changes reach the other computers only when these ask by themselves, or a computer that went
        # to sleep leaves its request with the server.
        server = start_server(*TRUSTING, "--metrics-listen", "127.0.0.1:0")
        client_id = str(uuid.uuid4())
        with proxy(server.url, tmp_path) as (url, authority), ThreadPoolExecutor() as threads:

            def wait(parent, seconds):
                prefer = {"Prefer": f"wait={seconds}"}
                return web.get_child_version(url, authority, client_id, parent, headers=prefer)

            first = web.add_version(url, authority, client_id).headers["X-Version-Id"]
            late = wait(first, 1)
            assert (late.status, late.headers["Preference-Applied"]) == (404, "wait=1")
            waiting = threads.submit(wait, first, 50)
            server.await_metric("tcsync_http_waiting_requests", 1)
            second = web.add_version(url, authority, client_id, first).headers["X-Version-Id"]
            assert waiting.result().headers["X-Version-Id"] == second
            leaving = web.connect(url, authority)
            wish = {"X-Client-Id": client_id, "Prefer": "wait=50"}
            leaving.request("GET", f"/v1/client/get-child-version/{second}", headers=wish)
            server.await_metric("tcsync_http_waiting_requests", 1)
            leaving.close()
            server.await_metric("tcsync_http_waiting_requests", 0)

    def test_a_body_reaches_the_server_before_its_end(self, proxy, tmp_path):
        # If this fails, each body is stored by the proxy first, where no budget bounds them.
        with web.backend() as backend, proxy(backend.url, tmp_path) as (url, authority):
            context = ssl.create_default_context(cafile=authority)
            port = int(url.rsplit(":", 1)[1])
            with context.wrap_socket(
                socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1"
            ) as connection:
                connection.settimeout(web.TIMEOUT_S)
                head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {web.MEGABYTE}\r\n\r\n"
                connection.sendall(head.encode() + bytes(web.MEGABYTE // 2))
                assert backend.has_first_bytes.wait(web.TIMEOUT_S)
                connection.sendall(bytes(web.MEGABYTE // 2))
                assert connection.recv(web.MEGABYTE).startswith(b"HTTP/1.1 200 ")

    def test_answers_at_once_without_a_server(self, proxy, tmp_path):
        # If this fails, a sync hangs for minutes while the server is restarted, instead of failing and being tried
        # again.
        with proxy(f"http://127.0.0.1:{free_port()}", tmp_path) as (url, authority):
            assert web.get_child_version(url, authority, str(uuid.uuid4())).status == 502


class TestNginx:
    def test_plain_http_is_redirected(self, start_server, tmp_path):
        # If this fails, client IDs travel in the clear.
        with proxies.nginx(start_server().url, tmp_path) as (_, clear, _):
            connection = http.client.HTTPConnection(clear.removeprefix("http://"), timeout=web.TIMEOUT_S)
            with contextlib.closing(connection):
                connection.request("GET", "/v1/client/snapshot", headers={"X-Client-Id": str(uuid.uuid4())})
                answer = connection.getresponse()
                assert answer.status == 301
                assert answer.headers["Location"].startswith("https://")

    def test_a_stalled_body_times_out(self, tmp_path):
        # If this fails, a client that sends half a body and waits holds a connection for as long as it likes.
        shorter = {"client_body_timeout 30s;": "client_body_timeout 1s;"}
        with web.backend() as backend, proxies.nginx(backend.url, tmp_path, **shorter) as (url, _, authority):
            context = ssl.create_default_context(cafile=authority)
            port = int(url.rsplit(":", 1)[1])
            with context.wrap_socket(
                socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1"
            ) as connection:
                connection.settimeout(web.TIMEOUT_S)
                connection.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf")
                answer = connection.recv(web.MEGABYTE)
                assert answer == b"" or b" 408 " in answer
