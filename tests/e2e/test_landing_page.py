"""The page at / of the real server: for people with a browser, and still a line for every program."""

import re
import subprocess
import urllib.request
from html.parser import HTMLParser

import pytest
import server as server_module
import wire
from support import run_bounded

BROWSERS = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TOKEN = "0123456789abcdef0123456789abcdef"
DETAILS = {
    "TCSYNC_PUBLIC_URL": "https://sync.example.org/",
    "TCSYNC_OPERATOR_NAME": "Zoë & friends",
    "TCSYNC_OPERATOR_CONTACT": "zoe@example.org",
    "TCSYNC_TERMS_URL": "https://example.org/terms",
}
VOID = ("meta",)


class Page(HTMLParser):
    """A page as a browser reads it; fails where a tag is not closed in its order."""

    def __init__(self, html):
        super().__init__()
        self.open = []
        self.texts = []
        self.links = []
        self.commands = []
        self.headings = []
        self.attributes = {}
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes.setdefault(tag, dict(attrs))
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag == "pre":
            self.commands.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open and self.open[-1] == "pre":
            self.commands[-1] += data
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append((self.open[-1], data))

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.texts))


def page(url, path="/"):
    answer = wire.request(url, "GET", path, more_headers={"Accept": BROWSERS})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert len(answer.body) < 8 * 1024
    return Page(answer.body.decode())


def test_a_browser_gets_a_page_with_the_operators_details(start_server):
    """If this fails, a person who was told the server's address does not learn what to do with it, and from whom."""
    shown = page(start_server(env=DETAILS).url)
    assert shown.attributes["html"]["lang"] == "en"
    assert shown.attributes["meta"] == {"charset": "utf-8"}
    assert [level for level, _ in shown.headings] == ["h1", "h2", "h2", "h2"]
    assert "It is run by Zoë & friends (zoe@example.org). These are the terms of use." in shown.text
    assert shown.links[:2] == ["mailto:zoe@example.org", "https://example.org/terms"]
    assert "tcsync setup --server-url https://sync.example.org" in shown.commands
    assert "invite" not in shown.text
    assert "script" not in shown.attributes and "link" not in shown.attributes and "img" not in shown.attributes


def test_flags_give_the_details_and_an_invite_has_its_own_page(start_server):
    """If this fails, a person with an invite copies a command without it, or the log has the invite."""
    server = start_server(
        "--invite-only", "--public-url", "https://sync.example.org", "--operator-name", "Zoë", "--log-level", "debug"
    )
    shown = page(server.url)
    assert "Ask Zoë for one." in shown.text
    assert "tcsync setup --server-url https://sync.example.org/i/INVITE/" in shown.commands
    invited = page(server.url, f"/i/{TOKEN}/")
    assert f"tcsync setup --server-url https://sync.example.org/i/{TOKEN}/" in invited.commands
    assert TOKEN not in server.log


def test_programs_still_get_the_line(start_server):
    """If this fails, programs that watch the server, or people with curl, get a page of HTML."""
    server = start_server(env=DETAILS)
    version = run_bounded([str(server_module.BINARY), "--version"], timeout_s=20).stdout.split()[1]
    line = f"tcsync-server {version}: a TaskChampion sync server is running here.\n"
    assert wire.index(server.url).body.decode() == line
    curl = run_bounded(["curl", "--silent", "--show-error", server.url], timeout_s=60)
    assert (curl.returncode, curl.stdout) == (0, line)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(server.url, timeout=wire.TIMEOUT_S) as answer:
        assert answer.read().decode() == line
    head = run_bounded(["curl", "--silent", "--show-error", "--head", server.url], timeout_s=60)
    assert f"Content-Length: {len(line)}\n" in head.stdout.replace("\r", "")


def test_taskwarrior_syncs_with_a_server_that_has_details(start_server, user, new_replica):
    """If this fails, the page is in the way of the protocol."""
    server = start_server("--invite-only", env=DETAILS)
    created = subprocess.run(
        [server_module.BINARY, "invites", "create", "--label", "friends", "--data-dir", server.data_dir],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=server_module.environment(),
    ).stdout
    invite = re.search(r"/i/[0-9a-f]{32}", created)[0]
    first, second = new_replica(f"{server.url}{invite}/", user), new_replica(server.url, user)
    first.add("Buy milk")
    first.sync()
    second.sync()
    assert second.export() == first.export()


@pytest.mark.parametrize(
    ("flag", "value", "shown"),
    [
        ("--public-url", "sync.example.org", "'sync.example.org' does not begin with https:// or http://"),
        ("--public-url", f"https://sync.example.org/i/{TOKEN}/", "has a token in it"),
        ("--operator-name", "a\nb", "control characters"),
        ("--operator-contact", "zoe", "'zoe' is neither a mail address like"),
        ("--terms-url", "javascript:alert(1)", "'javascript:alert(1)' is not a URL like"),
    ],
)
def test_a_detail_that_cannot_be_shown_is_refused_at_the_start(tmp_path, flag, value, shown):
    """If this fails, the operator's mistake shows to the users first; or the error does not name it, or has a token."""
    command = [str(server_module.BINARY), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"), flag, value]
    done = run_bounded(command, env=server_module.environment(), timeout_s=20)
    assert done.returncode > 0
    assert len(done.stderr.splitlines()) == 1
    assert f"option {flag.removeprefix('--')}: " in done.stderr and shown in done.stderr
    assert TOKEN not in done.stderr
    assert not (tmp_path / "data").exists()
