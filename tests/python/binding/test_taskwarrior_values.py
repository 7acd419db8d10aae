"""The values of the sync settings are judged as the real Taskwarrior judges them: the same values go to both."""

import shutil
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from taskwarrior import Replica, User

from tcsync import Credentials, Secret, SecretError, UrlError, read_taskrc
from tcsync.errors import ClientIdError
from tcsync.taskwarrior_values import lacks_closing_slash, read_client_id, read_url, without_quotes

CLIENT_ID = "615cbc21-49ee-4d30-a5ed-6e24bd602be5"
BARE = CLIENT_ID.replace("-", "")


class Listener:
    """An HTTP server that has nothing, and records who asks for what."""

    def __init__(self):
        self.requests = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                # Not self.path, in which Python joins slashes at the beginning.
                requests.append((self.requestline.split(" ")[1], self.headers["X-Client-Id"]))
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.port = self._server.server_port

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def listener():
    running = Listener()
    yield running
    running.close()


@pytest.fixture(scope="module")
def replica(task_client):
    """One computer for all values: nothing is ever synced."""
    home = tempfile.mkdtemp(prefix="values-", dir=task_client.root / "tmp")
    yield Replica(task_client, home, "", User(CLIENT_ID, "horse"))
    shutil.rmtree(home)


@pytest.fixture
def sync(listener, replica):
    """Runs `task sync` with these values: the path and the client ID of its first request, and our own reading of the
    taskrc. The path is None when it refuses to send one."""

    def run(url="http://127.0.0.1:{port}", client_id=CLIENT_ID, secret="horse", more=""):
        listener.requests.clear()
        replica.use_server(url.format(port=listener.port), User(client_id, secret))
        taskrc = replica.data_directory.with_name("taskrc")
        with open(taskrc, "a", encoding="utf-8") as file:
            file.write(more.format(port=listener.port))
        done = replica.sync(check=False)
        assert (done.returncode == 0) == bool(listener.requests), done.stderr
        return (listener.requests or [(None, None)])[0], read_taskrc(taskrc)

    return run


# No scheme, spaces, quotes, slashes, ports, numbers as hosts, paths: as people write them, or a program does.
URLS = [
    "http://127.0.0.1:{port}", "http://127.0.0.1:{port}/t/TOKEN", "http://127.0.0.1:{port}/t/TOKEN/",
    "127.0.0.1:{port}", "localhost:{port}", "//127.0.0.1:{port}", '"http://127.0.0.1:{port}"',
    "HTTP:127.0.0.1:{port}", "http:///127.0.0.1:{port}", r"http:\\\\127.0.0.1:{port}", "http://127.0.0.1 :{port}",
    "ht tp://127.0.0.1:{port}", "http://127.0.0.1:{port}/a b", "http://127.0.0.1:{port}/t?x=1",
    "http://127.0.0.1:{port}#f", r"http://127.0.0.1:{port}/t\u0023f", "ftp://127.0.0.1:{port}", "http://127.0.0.1:{port},",
    "http://127.0.0.1:99999", "http://", "http://127.0.0.1.:{port}", "http://0x7f.1:{port}", "http://127.0.0.1%2e:{port}",
    "http://999.1.1.1:{port}", "http://127.0.0.0.1:{port}", "http://[::1:{port}", "http://127.0.\u200b0.1:{port}",
    "http://127.0.0.1\uff1a{port}", r"\u0020http://127.0.0.1:{port}\u0009/t/", "http://127.0.0.1:{port}/a/../b/./",
    "http://127.0.0.1:{port}/é/%20/", "http://@127.0.0.1:{port}", "mailto:ada@127.0.0.1:{port}", "http://a%7cb:{port}",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_urls_are_judged_as_taskwarrior_judges_them(listener, sync, url):
    """If this fails, the doctor sends people away with a URL that `task sync` refuses, or finds fault with a good one;
    or it asks another address than `task sync`."""
    (path, _), taskrc = sync(url=url)
    try:
        server = read_url(taskrc.sync.url)
    except UrlError:
        assert path is None
        return
    assert path is not None
    assert server + "/v1/client/snapshot" == f"http://127.0.0.1:{listener.port}{path}"


def test_a_url_with_several_slashes_at_its_end_is_refused(listener, sync):
    """If this fails, the doctor reaches a server whose address `task sync` misses by a slash."""
    (path, _), taskrc = sync(url="http://127.0.0.1:{port}/t//")
    assert path == "/t//v1/client/snapshot"
    with pytest.raises(UrlError, match="more than one slash"):
        read_url(taskrc.sync.url)


CLIENT_IDS = [
    CLIENT_ID.upper(), BARE, f"{{{CLIENT_ID}}}", f"{{{BARE}}}", f"urn:uuid:{CLIENT_ID}", f"URN:UUID:{CLIENT_ID}",
    f"urn:uuid:{BARE}", f'"{CLIENT_ID}"', CLIENT_ID.replace("-", "\N{EN DASH}"), CLIENT_ID.replace("-", " "),
    f"{{{CLIENT_ID}", f"{CLIENT_ID[:-1]}", f"{CLIENT_ID}0", f"{BARE[:8]}-{BARE[8:]}", rf"{CLIENT_ID}\u0020",
]  # fmt: skip


@pytest.mark.parametrize("client_id", CLIENT_IDS)
def test_client_ids_are_judged_as_taskwarrior_judges_them(sync, client_id):
    """If this fails, the doctor says that all is well, and `task sync` ends with a panic of Rust's."""
    (path, sent), taskrc = sync(client_id=client_id)
    try:
        assert str(read_client_id(taskrc.sync.client_id)) == sent
    except ClientIdError as error:
        assert path is None and BARE[:8] not in str(error)


@pytest.mark.parametrize("secret", ['"horse"', "#horse", r"\u0020", ""])
def test_secrets_are_complete_when_taskwarrior_finds_them_so(sync, secret):
    """If this fails, the setup sees settings where `task sync` misses one, or the reverse."""
    (path, _), taskrc = sync(secret=secret)
    try:
        is_complete = taskrc.sync.is_complete
    except SecretError:
        is_complete = False
    assert is_complete == (path is not None)


# The further lines, and the path that wins.
ORIGINS = [
    ("", "sync.server.origin=http://127.0.0.1:{port}/old\n", "/old"),
    ("http://127.0.0.1:{port}/new", "sync.server.origin=http://127.0.0.1:{port}/old\n", "/new"),
    ("http://127.0.0.1:{port}/new", "sync.server.origin=\n", "/new"),
    ("http://127.0.0.1:{port}/new", "sync.server.url=\nsync.server.origin=http://127.0.0.1:{port}/old\n", "/old"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "more", "won"), ORIGINS)
def test_the_old_name_of_the_url_counts_as_to_taskwarrior(sync, listener, url, more, won):
    """If this fails, a computer that syncs by sync.server.origin is taken for one without a server, or with another."""
    (path, _), taskrc = sync(url=url, more=more)
    assert path == f"{won}/v1/client/snapshot"
    assert taskrc.sync.url == f"http://127.0.0.1:{listener.port}{won}"


@pytest.mark.parametrize(
    ("written", "lacks"),
    [("https://a", False), ("https://a/", False), ("https://a/t", True), ("https://a/t/", False),
     ("https://a/t?x/", True), ("https://a/t/?x", False), ("https://a/t/.", False), ("https:\\a\\t", True)],
)  # fmt: skip
def test_a_missing_slash_is_seen(written, lacks):
    """If this fails, an older Taskwarrior syncs with another address than the doctor asked, and nothing says so."""
    assert lacks_closing_slash(written) is lacks


@pytest.mark.parametrize(
    ("url", "written"),
    [("https://Sync.example.com", "https://sync.example.com"), ("https://a/", "https://a"),
     ("https://a/t/TOKEN", "https://a/t/TOKEN/"), ("https://a:8443/t/TOKEN//", "https://a:8443/t/TOKEN/"),
     ("http://[::1]:8080/x", "http://[::1]:8080/x/")],
)  # fmt: skip
def test_a_url_with_a_path_is_written_with_a_slash(url, written):
    """If this fails, invites and tokens do not work with Taskwarrior before 3.5."""
    credentials = Credentials(url, read_client_id(CLIENT_ID), Secret("horse"))
    assert credentials.taskrc_url == written
    assert Credentials(written, read_client_id(CLIENT_ID), Secret("horse")) == credentials


def test_quotes_around_a_value_are_recognised():
    """If this fails, a value that somebody quoted as in a shell cannot be corrected without asking for it."""
    for quoted in (f'"{CLIENT_ID}"', f"“{CLIENT_ID}”", f"<{CLIENT_ID}>", f"'{CLIENT_ID}' "):
        assert without_quotes(quoted) == CLIENT_ID
