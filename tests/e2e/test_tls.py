"""Built-in TLS: the real server with a certificate, curl, and the real Taskwarrior through it."""

import os
import pty
import signal
import socket
import ssl

import pytest
import wire
from certificates import Authority
from server import BINARY
from support import run_bounded, wait_until

PROMPT_S = 30


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def pair(tmp_path, authority):
    """The files of a certificate and its key."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    authority.issue(certificate, key)
    return certificate, key


@pytest.fixture
def server(start_server, pair):
    return start_server("--tls-cert", str(pair[0]), "--tls-key", str(pair[1]))


def shown_certificate(server):
    """The certificate that a new connection gets."""
    host, port = server.addresses[0].rsplit(":", 1)
    return ssl.get_server_certificate((host, int(port)), timeout=wire.TIMEOUT_S)


def curl(*arguments):
    return run_bounded(["curl", "--silent", "--show-error", *map(str, arguments)], timeout_s=60)


def test_curl_verifies_the_certificate(server, authority):
    """If this fails, no ordinary client gets through, or any certificate would do."""
    assert server.url.startswith("https://")
    trusted = curl(
        "--cacert", authority.file, "--write-out", "%{http_code} %{http_version}", "-o", "/dev/null", server.url
    )
    assert trusted.stdout == "200 1.1", trusted.stderr
    assert curl(server.url).returncode == 60, "curl's code for a certificate of an unknown authority"


def test_plain_http_gets_an_explanation(server):
    """If this fails, a person who wrote http:// sees a broken connection and no reason."""
    answer = curl("--write-out", "%{http_code}", server.url.replace("https://", "http://"))
    assert answer.stdout.endswith("400")
    assert "https://" in answer.stdout


def test_hangup_reloads_the_certificate(server, authority, pair):
    """If this fails, renewing a certificate needs a restart, breaks connections, or a mistake takes the server down."""
    first = shown_certificate(server)
    context = ssl.create_default_context(cafile=authority.file)
    host, port = server.addresses[0].rsplit(":", 1)
    with context.wrap_socket(socket.create_connection((host, int(port)), wire.TIMEOUT_S), server_hostname=host) as old:

        def still_answers():
            old.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            return old.recv(65536).startswith(b"HTTP/1.1 200 ")

        assert still_answers()
        authority.issue(*pair)
        assert shown_certificate(server) == first
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: shown_certificate(server) != first, PROMPT_S, "the new certificate is shown")
        assert still_answers()

        second = shown_certificate(server)
        pair[1].write_text("no key\n", encoding="utf-8")
        server.send_signal(signal.SIGHUP)
        wait_until(lambda: f"'{pair[1]}' holds no private key" in server.log, PROMPT_S, "the mistake is logged")
        assert shown_certificate(server) == second
        assert still_answers()


def test_hangup_without_tls_stops_nothing(start_server):
    """If this fails, a habit of operators (SIGHUP) ends the server."""
    server = start_server()
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: "nothing to read again" in server.log, PROMPT_S, "it says that there is nothing to do")
    assert curl(server.url).returncode == 0


def test_closing_the_terminal_stops_the_server(tmp_path):
    """If this fails, a server that was tried out runs on unseen when its window is closed, and keeps its port."""
    process, terminal = pty.fork()
    if process == 0:
        os.execv(BINARY, [str(BINARY), "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0"])
    output = b""
    while b"data directory" not in output:
        output += os.read(terminal, 65536)
    os.close(terminal)
    _, status = wait_until(
        lambda: (done := os.waitpid(process, os.WNOHANG))[0] and done, PROMPT_S, "the server has ended"
    )
    assert os.waitstatus_to_exitcode(status) == 0, "not stopped in order"


@pytest.mark.parametrize("flag", ["--tls-cert", "--tls-key"])
def test_a_certificate_without_a_key_is_refused(tmp_path, pair, flag):
    """If this fails, a server that was meant to speak TLS speaks plain HTTP."""
    command = [str(BINARY), "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0", flag, str(pair[0])]
    done = run_bounded(command, timeout_s=60)
    assert done.returncode != 0
    assert "tls-cert" in done.stderr and "tls-key" in done.stderr
    assert not (tmp_path / "data").exists()


def test_taskwarrior_syncs_over_tls(server, user, authority, new_replica):
    """If this fails, real clients cannot use the built-in TLS."""
    first, second = (new_replica(server.url, user) for _ in range(2))
    added = first.add("over", "TLS")
    assert first.sync(check=False).returncode != 0, "the authority is not trusted yet"
    first.trust(authority.file)
    second.trust(authority.file)
    first.sync()
    second.sync()
    assert second.export()[added]["description"] == "over TLS"
