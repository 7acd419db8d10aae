"""The log never shows secrets, even when a client sends, or an operator types, one in the wrong place."""

import socket

import admin
import pytest
import server as server_module
import wire
from support import run_bounded

CLIENT_ID = "1f2e3d4c-5b6a-4978-8f9e-0a1b2c3d4e5f"
TOKEN = "dfc3dd1a8a0115b69b32adda57d7878e"
SECRET = "9f9edb6ef38b6772c9adf9b0a99138688051936a2f7cf2c5b11b665a8ff9ea77"
PASSWORD = "hunter2"
SECRETS = (CLIENT_ID, CLIENT_ID.upper(), CLIENT_ID.replace("-", ""), TOKEN, SECRET)


def send(server, method, target, headers):
    """A raw request, which http.client would not let through."""
    head = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers, "Content-Length: 1", "Connection: close"]
    host, port = server.addresses[0].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall("\r\n".join([*head, "", "x"]).encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


# Where a secret may stand in a request: method, target and headers of one that the server refuses.
def places(secret):
    target = f"/v1/client/add-version/{wire.NIL_VERSION}"
    own = "X-Client-Id: 33333333-0000-4000-8000-000000000003"
    kind = f"Content-Type: {wire.SEGMENT_TYPE}"
    yield "method", (secret.replace("-", ""), target, [own, kind])
    yield "method with dashes", (secret, target, [own, kind])
    yield "path", ("POST", f"/{secret}", [own, kind])
    yield "path behind a known one", ("POST", f"/v1/client/add-version/{secret}x", [own, kind])
    yield "path behind /i/", ("POST", f"/i/{secret}/v1/client/snapshot", [own, kind])
    yield "query", ("POST", f"{target}?key={secret}", [own, "Content-Type: text/plain"])
    yield "absolute target", ("POST", f"http://ada:{secret}@host/x/{secret}", [own, kind])
    yield "content type", ("POST", target, [own, f"Content-Type: {secret}"])
    yield "content type's parameter", ("POST", target, [own, f"Content-Type: text/plain; boundary={secret}"])
    yield "content coding", ("POST", target, [own, kind, f"Content-Encoding: {secret}"])
    yield "client ID", ("POST", target, [f"X-Client-Id: {secret}x", kind])
    yield "another header", ("POST", target, [own, "Content-Type: text/plain", f"X-Secret: {secret}"])
    yield "authorization", ("POST", target, [own, "Content-Type: text/plain", f"Authorization: Bearer {secret}"])
    yield "forwarded for", ("POST", target, [own, "Content-Type: text/plain", f"X-Forwarded-For: {secret}"])
    yield "user agent", ("POST", target, [own, "Content-Type: text/plain", f"User-Agent: {secret}"])


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_in_any_part_of_a_request_are_not_logged(start_server, log_format):
    """If this fails, a reader of the log can read or change the history of a user who made a mistake."""
    server = start_server("--log-level", "debug", "--log-format", log_format, "--trusted-proxy", "127.0.0.1")
    for secret in SECRETS:
        for place, request in places(secret):
            answer = send(server, *request)
            assert answer.startswith(b"HTTP/1.1 4"), (place, answer[:100])
            assert secret.lower() not in server.log.lower(), place
    # The mistakes themselves are logged.
    for words in ("The method for", "The Content-Type is", "The Content-Encoding", "X-Client-Id"):
        assert words in server.log


def test_ordinary_mistakes_are_logged_with_their_text(server):
    """If this fails, the log has an error without its reason."""
    own = "X-Client-Id: 33333333-0000-4000-8000-000000000003"
    target = f"/v1/client/add-version/{wire.NIL_VERSION}"
    send(server, "DELETE", target, [own])
    send(server, "POST", target, [own, "Content-Type: text/plain"])
    send(server, "POST", target, [own, f"Content-Type: {wire.SEGMENT_TYPE}", "Content-Encoding: br"])
    send(server, "POST", "/wrong/path", [own])
    for words in ("not DELETE", "'text/plain'", "'br'", "/wrong/path"):
        assert words in server.log


def test_reasons_of_bans_and_labels_of_invites_are_not_logged(server):
    """If this fails, the note of a ban, with a person's name, reaches every reader of the log."""
    client_id = "33333333-0000-4000-8000-000000000003"
    admin.add_chain(server.url, client_id, 1)
    for secret in SECRETS:
        admin.succeed(server.data_dir, "clients", "ban", client_id, "--reason", f"used {secret} again")
        wire.get_snapshot(server.url, client_id)
        admin.succeed(server.data_dir, "invites", "create", "--label", f"for {secret}")
    assert "The ban's reason: used (" in server.log
    for secret in SECRETS:
        assert secret.lower() not in server.log.lower()
    # The operator's own terminal shows the operator's own words.
    assert SECRET in admin.succeed(server.data_dir, "clients", "show", client_id)


@pytest.mark.parametrize("secret", SECRETS[1:])
@pytest.mark.parametrize(
    "variable",
    ["CLIENT_ID", "LISTEN", "TCSYNC_MEMORY_BUDGET", "TCSYNC_LOG_LEVEL", "CREATE_CLIENTS", "TCSYNC_TRUSTED_PROXY",
     "TCSYNC_METRICS_LISTEN"],
)  # fmt: skip
def test_errors_do_not_repeat_secrets_in_option_values(tmp_path, variable, secret):
    """If this fails, a secret that was put into the wrong variable stays in the journal for ever."""
    done = run_bounded(
        [str(server_module.BINARY), "--data-dir", str(tmp_path / "data")],
        env=server_module.environment(**{"LISTEN": "127.0.0.1:0", variable: f"{secret}x,http://a:{PASSWORD}@b"}),
        timeout_s=30,
    )
    assert done.returncode in (1, 2)
    assert variable.lower().removeprefix("tcsync_").split("_")[0][:6] in done.stderr.lower().replace("-", "_")
    assert secret.lower() not in done.stderr.lower() and PASSWORD not in done.stderr, done.stderr


def test_contents_of_import_files_are_not_logged(server, tmp_path):
    """If this fails, a file that is none of ours ends up in the log."""
    path = tmp_path / "taskrc"
    path.write_text(f"sync.encryption_secret={SECRET}\n", encoding="utf-8")
    assert SECRET not in admin.refusal(server.data_dir, "clients", "import", path)
    path.write_text(f'{{"type":"{SECRET}"}}\n', encoding="utf-8")
    assert SECRET not in admin.refusal(server.data_dir, "clients", "import", path)
    assert SECRET not in server.log
