"""The doctor's checks of what `task sync` will meet, and its last check, `task sync` itself. If one of these fails, the
doctor finds nothing where `task sync` fails, or changes something without being asked."""

import contextlib
import sqlite3

from computers import TIMEOUT_S, failed, text_of
from recorder import Recorder
from servers import answering, gateway, redirecting, tls_front
from support import run_bounded

NOT_RUN = "`task sync` was not run; --sync runs it"
NGINX_TO_PLAIN = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def point_to(computer, url):
    """Sets another URL in the taskrc."""
    lines = computer.taskrc.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("sync.server.url=")]
    computer.write_taskrc("\n".join([*kept, f"sync.server.url={url}", ""]))


def unsent(computer):
    """The number of changes that Taskwarrior has not sent."""
    with contextlib.closing(sqlite3.connect(computer.home / ".task" / "taskchampion.sqlite3")) as database:
        return database.execute(
            """SELECT count(*) FROM operations WHERE NOT synced AND data <> '"UndoPoint"'"""
        ).fetchone()[0]


def test_task_sync_is_run_only_when_it_is_wanted(server, paired):
    """If this fails, the doctor sends changes that nobody wanted to send, or does not run what a person agreed to."""
    paired.task("add", "Water plants")
    paired.write_hook("on-launch.mark", 'touch "$HOME/launched"')
    (paired.home / "launched").unlink(missing_ok=True)
    before = paired.files()
    recorder = Recorder(server.url)
    point_to(paired, recorder.url)
    report = paired.json("doctor")
    point_to(paired, server.url)
    recorder.close()
    assert {check["check"]: check["status"] for check in report["checks"] if check["status"] != "ok"} == {
        "sync": "skipped"
    }
    assert text_of(report, "sync") == NOT_RUN
    assert "on-launch.mark" in text_of(report, "hooks")
    assert {exchange.method for exchange in recorder.exchanges} == {"GET"}, "the rehearsal sent something"
    assert paired.files().keys() == before.keys(), "a hook was run, or the rehearsal left something behind"
    assert "sync: `task sync` was not run\n" in paired.tcsync("doctor", "--no-sync", "--yes").stdout

    terminal = paired.terminal("doctor")
    terminal.answer("Run `task sync` now, as the last check? [Y/n]: ", "n")
    assert terminal.end() == 0 and unsent(paired) == 6
    terminal = paired.terminal("doctor")
    terminal.answer("Run `task sync` now, as the last check? [Y/n]: ", "")
    assert terminal.end() == 0
    assert "sync: `task sync` succeeded: 6 changes sent, 0 new tasks received" in terminal.screen.replace("\n", " ")
    assert (paired.home / "launched").exists() and unsent(paired) == 0
    assert "sync: `task sync` succeeded: 0 changes sent" in paired.tcsync("doctor", "--yes").stdout


def test_task_sync_is_not_run_after_a_failed_check(server, paired):
    """If this fails, the doctor sends changes that are sealed with a wrong secret, which no other computer can read."""
    paired.task("add", "Water plants")
    settings = paired.taskrc.read_text(encoding="utf-8")
    paired.write_taskrc(settings.replace(paired.secret(), "wrong"))
    report = paired.json("doctor", "--sync")
    assert failed(report) == {"data": "unseal-wrong-key"}
    assert text_of(report, "sync") == "not checked, because an earlier link failed"
    paired.write_taskrc(settings)
    assert unsent(paired) == 6


def test_an_unknown_answer_of_taskwarrior_is_told_as_such(server, paired, authority):
    """If this fails, the doctor guesses where it could not look, or blames the server for a fault of this computer."""
    with tls_front(server.url, authority.certificate()) as url:
        point_to(paired, url)
        paired.trust(authority)
        # A `task` that syncs only the person's own replica, as one that may not read a temporary directory.
        paired.wrap_task('if [ -n "$TASKDATA" ]; then echo "The disk is on fire." >&2; exit 2; fi')
        report = paired.json("doctor", "--sync", ALL_PROXY="", NO_PROXY="*")
    skipped = {check["check"]: check["text"] for check in report["checks"] if check["status"] == "skipped"}
    assert skipped == {
        "proxy": "it is not known which variables this Taskwarrior obeys",
        "trust": "it is not known whether Taskwarrior trusts the system's authorities or its own: "
        "that depends on its build",
        "rehearsal": "Taskwarrior cannot sync an empty replica here: The disk is on fire.",
    }
    assert report["exit_code"] == 0


# The hook's name, its script, the failed checks, and words of the finding.
HOOKS = {
    "silent": ("on-launch.broken", "exit 1", "hook-fails", "Expected feedback"),
    "with words": ("on-exit.backup", 'cat > /dev/null; echo "no disk"; exit 3', "hook-fails", "no disk"),
    "that cannot start": ("on-exit.python", "exec /no/such/python", "hook-fails", "Expected feedback"),
    "that hangs": ("on-launch.asks", "sleep 600; true", "hook-hangs", "stopped after 4 s"),
}


def test_a_hook_that_fails_is_named(paired):
    """If this fails, a person looks for a fault of the server, because Taskwarrior shows the words of a hook as its
    own; or the remedy does not help."""
    paired.write_hook("on-launch.good", "exit 0")
    for kind, (name, script, identifier, words) in HOOKS.items():
        hook = paired.write_hook(name, script)
        report = paired.json("doctor", "--sync", "--task-timeout", "0.4")
        finding = next(check for check in report["checks"] if check["check"] == "sync")
        assert finding.get("id") == identifier, (kind, finding)
        assert f"hook {name}" in finding["text"] and words in finding["text"], (kind, finding)
        assert f"`chmod -x {hook}`" in finding["remedy"]
        hook.chmod(0o644)
    assert failed(paired.json("doctor", "--sync")) == {}


GET = "GET /v1/client/"


# The requests that are redirected, the status, the failed checks, and whether the real `task sync` succeeds.
REDIRECTS = [
    (f"{GET}snapshot", 301, {"server": "remote-redirected"}, True),
    (f"{GET}|POST ", 302, {"server": "remote-redirected"}, False),
    ("POST ", 303, {"sync": "sync-redirected"}, False),
    ("POST ", 307, {}, True),
    (f"{GET}get-child-version", 308, {"server": "remote-redirected"}, True),
]


def test_redirects_are_explained(server, paired):
    """If this fails, a redirect that keeps Taskwarrior from sending looks like any other failure, or one that does not
    is reported as a failure of `task sync`."""
    for redirected, status, expected, task_syncs in REDIRECTS:
        paired.task("add", "Water plants")
        with redirecting(server.url, redirected, status) as url:
            point_to(paired, url)
            report = paired.json("doctor", "--sync")
            done = run_bounded(["task", "sync"], env=paired.environment, timeout_s=TIMEOUT_S)
        assert failed(report) == expected, (redirected, status)
        assert (done.returncode == 0) is task_syncs, (redirected, status, done.stderr)
        if "server" in expected:
            assert text_of(report, "rehearsal").startswith("Taskwarrior itself can fetch")
            assert f"configure {server.url} as the server's URL" in text_of(report, "server")


def test_a_front_is_told_from_the_server(server, paired, authority):
    """If this fails, a password before the server or a wrong scheme sends a person to look for another server."""
    with answering(401, {"WWW-Authenticate": 'Basic realm="tasks"'}) as url:
        point_to(paired, url)
        assert failed(paired.json("doctor")) == {"server": "front-unauthorized"}
    with gateway(server.url, "GET /v1/", lambda _pass_on: (401, {}, b"")) as url:
        point_to(paired, url)
        assert failed(paired.json("doctor")) == {"server": "front-unauthorized"}
    with gateway(server.url, "POST ", lambda _pass_on: (401, {}, b"")) as url:
        point_to(paired, url)
        paired.task("add", "Water plants")
        assert failed(paired.json("doctor", "--sync")) == {"sync": "front-unauthorized"}
    for to_plain in (b"", NGINX_TO_PLAIN):
        with tls_front(server.url, authority.certificate(), to_plain=to_plain) as url:
            point_to(paired, url.replace("https:", "http:"))
            report = paired.json("doctor")
            assert failed(report) == {"tls": "remote-speaks-tls"}
            finding = next(check for check in report["checks"] if check["check"] == "tls")
            assert finding["remedy"].startswith(f"Use {url} ")


def test_an_unusable_proxy_is_reported(server, paired, second):
    """If this fails, a person is asked to report a bug of tcsync, or is told the wrong variable to unset."""
    outcome = second.json("setup", "--first-computer", "--server-url", server.url, http_proxy="")
    assert [message["id"] for message in outcome["messages"]] == ["proxy-unusable"], outcome
    assert outcome["messages"][0]["remedy"].startswith("Run `unset http_proxy`")
    report = paired.json("doctor", https_proxy="http://127.0.0.1:1", http_proxy="socks5://127.0.0.1:1")
    assert failed(report) == {"proxy": "proxy-unusable", "connection": "remote-proxy-failed"}
    assert "http_proxy" in text_of(report, "connection")
