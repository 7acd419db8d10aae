"""Every way in which a server, credentials or flags do not fit: each has its own message, and nothing is changed."""

import contextlib
import shlex

import pytest
from computers import failed, python_command
from servers import answering, gateway, refusing_tls, silent, tls_front
from support import free_port

from tcsync import NIL_VERSION, RemoteServer, Replica, decode_pairing_code

UNKNOWN_ID = "123e4567-e89b-42d3-a456-426614174000"


def refused(_context):
    return f"http://127.0.0.1:{free_port()}"


def http(status, *headers):
    return lambda context: context.enter_context(answering(status, headers))


PLAIN_FAILURES = {
    "remote-name-not-resolved": lambda _context: "http://no-such-host.invalid",
    "remote-connection-refused": refused,
    "remote-timed-out": lambda context: context.enter_context(silent()),
    "remote-rate-limited": http(429, ("Retry-After", "30")),
    "remote-server-failed": http(500),
    "remote-server-full": http(507),
    "remote-server-unavailable": http(503, ("Retry-After", "30")),
    "remote-redirected": http(301, ("Location", "https://elsewhere.example.com/")),
    "remote-broken-answer": http(200),
    "remote-not-tls": lambda context: context.enter_context(answering(200)).replace("http:", "https:"),
    "remote-tls-failed": lambda context: context.enter_context(refusing_tls()),
}


@pytest.mark.parametrize("identifier", PLAIN_FAILURES)
def test_each_failure_of_a_server_has_its_own_message(first, identifier):
    """If this fails, a person is sent to look in the wrong place."""
    with contextlib.ExitStack() as context:
        url = PLAIN_FAILURES[identifier](context)
        outcome = first.json("setup", "--first-computer", "--server-url", url, "--server-timeout", "2")
    assert [message["id"] for message in outcome["messages"]] == [identifier], outcome
    assert outcome["exit_code"] == 5
    assert url.removeprefix("https://").removeprefix("http://") in outcome["messages"][0]["text"]
    assert first.files() == {}, "a failed setup changed something"


SNAPSHOT = "GET /v1/client/snapshot"
LATER_VERSION = f"GET /v1/client/get-child-version/(?!{NIL_VERSION})"
HISTORY_SEGMENT = "application/vnd.taskchampion.history-segment"
MEGABYTES = 1024 * 1024


def damaged(change):
    """Lets a function change the content of the server's answers."""

    def answer(pass_on):
        status, headers, content = pass_on()
        return status, {**headers, "Content-Length": str(len(change(content)))}, change(content)

    return answer


# Failures in the middle of fetching: the finding, its exit status, which requests fail, and how.
FETCHING_FAILURES = {
    "remote-rejected": (5, LATER_VERSION, lambda _pass_on: (400, {}, b"no")),
    "remote-network-failed": (5, LATER_VERSION, lambda _pass_on: (200, {"Content-Length": "100"}, b"half of it")),
    "remote-answer-too-large": (
        5,
        LATER_VERSION,
        lambda _pass_on: (200, {"Content-Type": HISTORY_SEGMENT, "Content-Length": str(101 * MEGABYTES)}, b""),
    ),
    "unseal-truncated": (6, SNAPSHOT, damaged(lambda content: content[:20])),
    "unseal-unknown-format": (6, SNAPSHOT, damaged(lambda content: b"\2" + content[1:])),
    "unseal-not-authentic": (6, SNAPSHOT, damaged(lambda content: content[:-1] + bytes([content[-1] ^ 1]))),
}


@pytest.mark.parametrize("identifier", FETCHING_FAILURES)
def test_each_failure_of_reading_a_history_has_its_own_message(server, paired, second, identifier):
    """If this fails, a server that fails in the middle of a history is blamed for something else, or a history that
    was fetched by halves is taken for all of it."""
    exit_code, spoiled, answer = FETCHING_FAILURES[identifier]
    flags = ("--client-id", paired.json("show")["client_id"], "--secret-file", "-")
    with gateway(server.url, spoiled, answer) as url:
        outcome = second.json("setup", "--server-url", url, *flags, given=paired.secret())
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == ([identifier], exit_code)
    assert second.files() == {}, "something was written before the data was unsealed"


def test_sealed_data_that_is_no_history_is_reported(server, paired, second):
    """If this fails, data that another program sealed with the right secret ends in a traceback, or is synced."""
    code = paired.pair()
    with RemoteServer(decode_pairing_code(code)) as remote, Replica.in_memory() as replica:
        replica.sync(remote, receive_only=True)
        remote.add_version(replica.state().base_version_id, b"no JSON")
    outcome = second.json("setup", "--pairing-code-file", "-", given=code)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["history-unreadable"], 6)
    assert second.files() == {}


def test_an_unreachable_proxy_is_reported(server, first):
    """If this fails, a server that is well is blamed for this computer's proxy settings."""
    proxy = f"127.0.0.1:{free_port()}"
    outcome = first.json("setup", "--first-computer", "--server-url", server.url, http_proxy=f"http://{proxy}")
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["remote-proxy-failed"], 5)
    assert proxy in outcome["messages"][0]["text"]
    assert first.files() == {}


def test_a_lower_body_limit_of_a_gateway_is_reported(server, first):
    """If this fails, the limit of a gateway is reported as a failure of Taskwarrior, or settings that
    never worked are left behind."""
    with gateway(server.url, "POST /v1/client/add-version/", lambda _pass_on: (413, {}, b"")) as url:
        outcome = first.json("setup", "--first-computer", "--server-url", url)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["remote-too-large"], 5)
    assert first.files() == {}


def test_endless_conflicts_are_reported(server, first):
    """If this fails, a sync that can come to no end is not told from one that failed for another reason."""
    first.add("Buy milk")
    before = first.files()
    conflict = (409, {"X-Parent-Version-Id": UNKNOWN_ID}, b"")
    with gateway(server.url, "POST /v1/client/add-version/", lambda _pass_on: conflict) as url:
        outcome = first.json("setup", "--first-computer", "--server-url", url)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["sync-diverged"], 4), outcome
    assert first.files() == before


def test_a_concurrent_sync_of_another_computer_is_noticed(paired, second):
    """If this fails, the setup says that both have the same tasks although they have not."""
    # The first computer adds a task right after the second one's sync, before that reads the tasks back.
    late = " && ".join(
        f"env HOME={paired.home} {shlex.quote(str(paired.task_script))} rc.confirmation=off {command}"
        for command in ("add Late", "sync")
    )
    second.wrap_task(f'case "$*" in *" sync") "$(dirname "$0")/real-task" "$@" && {late}; exit;; esac')
    second.copy_task("real-task")
    outcome = second.json("setup", "--pairing-code-file", "-", given=paired.pair())
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["read-back-differs"], 1)
    assert (outcome["result"], outcome["tasks"]) == ("done", {"all": 4, "pending": 4})


def test_an_unwanted_merge_is_refused(paired, second):
    """If this fails, another user's tasks are mixed with a person's own without consent."""
    second.add("Water plants")
    before = second.files()
    outcome = second.json("setup", "--pairing-code-file", "-", "--no-merge", given=paired.pair())
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["declined"], 10)
    assert second.files() == before


@pytest.mark.parametrize(
    ("identifier", "flags", "given"),
    [
        ("url-invalid", ("--first-computer", "--server-url", "ftp://sync.example.com"), ""),
        ("pairing-code-invalid", ("--pairing-code-file", "-"), "TCSYNC-05XXXXXX"),
        ("secret-invalid", ("--server", "cloud", "--client-id", UNKNOWN_ID, "--secret-file", "-"), "  "),
    ],
)
def test_invalid_values_of_flags_are_refused(first, identifier, flags, given):
    """If this fails, a script's wrong value is sent to a server, or ends in a traceback."""
    outcome = first.json("setup", *flags, given=given)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == ([identifier], 6)
    assert first.files() == {}


def test_missing_sync_settings_have_their_own_exit_code(first):
    """If this fails, a script cannot tell a computer that was never set up from a broken one."""
    first.write_taskrc("# mine\n")
    outcome = first.json("show")
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["sync-not-configured"], 9)


def test_a_missing_library_is_explained(first):
    """If this fails, a broken installation shows a traceback instead of advice."""
    outcome = first.json("setup", "--first-computer", "--server", "cloud", TCSYNC_LIBRARY="/no/such/library.so")
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["library-failed"], 1)
    assert first.files() == {}


def test_statuses_and_retry_times_are_reported(first):
    """If this fails, the status or the time to wait, which a person needs, is lost."""
    with answering(429, [("Retry-After", "30")]) as url:
        assert "30 seconds" in first.json("setup", "--first-computer", "--server-url", url)["messages"][0]["text"]
    with answering(418) as url:
        message = first.json("setup", "--first-computer", "--server-url", url)["messages"][0]
        assert message["id"] == "remote-broken-answer" and "418" in message["text"]
    with answering(502) as url:
        assert "502" in first.json("setup", "--first-computer", "--server-url", url)["messages"][0]["text"]


@pytest.mark.parametrize(
    ("identifier", "certificate", "trusted"),
    [
        ("remote-certificate-expired", {"days": (-30, -1)}, True),
        ("remote-certificate-untrusted", {}, False),
        ("remote-certificate-wrong-host", {"name": "sync.example.com"}, True),
    ],
)
def test_certificates_are_always_verified(server, first, authority, identifier, certificate, trusted):
    """If this fails, a machine in the middle can read the client ID, or a person does not learn the reason."""
    with tls_front(server.url, authority.certificate(**certificate)) as url:
        flags = ("--ca-file", authority.file) if trusted else ()
        outcome = first.json("setup", "--first-computer", "--server-url", url, *flags)
    assert [message["id"] for message in outcome["messages"]] == [identifier]
    assert outcome["exit_code"] == 5


def test_a_private_authority_works_and_is_explained(server, new_computer, authority):
    """If this fails, a private server with a private certificate cannot be used; or the wizard does not
    say that Taskwarrior needs the certificate as well."""
    first, second = new_computer(), new_computer()
    with tls_front(server.url, authority.certificate()) as url:
        setup = ("setup", "--first-computer", "--server-url", url, "--ca-file", authority.file)
        first.add("Buy milk")
        before = first.files()
        outcome = first.json(*setup)
        assert [message["id"] for message in outcome["messages"]] == ["sync-untrusted"], outcome
        assert outcome["exit_code"] == 4
        assert first.files() == before
        first.trust(authority)
        second.trust(authority)
        assert first.json(*setup)["result"] == "done"
        outcome = second.json("setup", "--pairing-code-file", "-", given=first.pair())
        assert (outcome["result"], outcome["tasks"]) == ("done", {"all": 1, "pending": 1})
        checks = {check["check"]: check["status"] for check in second.json("doctor", "--sync")["checks"]}
        assert set(checks.values()) == {"ok"}


def test_a_client_that_is_not_allowed_is_reported(start_server, first, second):
    """If this fails, the user of a server with an allow list does not learn why it refuses."""
    server = start_server("--allow-client-id", UNKNOWN_ID)
    outcome = first.json("setup", "--first-computer", "--server-url", server.url)
    assert [message["id"] for message in outcome["messages"]] == ["remote-not-allowed"]
    assert outcome["exit_code"] == 6
    other = "223e4567-e89b-42d3-a456-426614174000"
    flags = ("--server-url", server.url, "--client-id", other, "--secret-file", "-")
    outcome = second.json("setup", "--second-computer", *flags, given="secret")
    assert [message["id"] for message in outcome["messages"]] == ["remote-not-allowed"]
    assert other in outcome["messages"][0]["text"]


def test_a_wrong_secret_and_an_empty_history_are_reported(server, paired, second):
    """If this fails, a typo is written into the taskrc and noticed only when tasks do not arrive."""
    client_id = paired.json("show")["client_id"]
    flags = ("setup", "--second-computer", "--server-url", server.url, "--secret-file", "-", "--client-id")
    outcome = second.json(*flags, client_id, given=f"{paired.secret()}x")
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["unseal-wrong-key"], 6)
    outcome = second.json(*flags, UNKNOWN_ID, given=paired.secret())
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["history-empty"], 6)
    assert second.files() == {}, "something was written before the data was unsealed"


def test_mistakes_are_named_and_the_question_is_repeated(server, paired, second):
    """If this fails, a truncated or mistyped code or a swapped field ends the setup or goes unnoticed."""
    code, client_id = paired.pair(), paired.json("show")["client_id"]
    mistyped = code[:40] + ("0" if code[40] != "0" else "1") + code[41:]
    terminal = second.terminal("setup")
    terminal.answer("Choose option [1]: ", "2")
    terminal.answer("[y/N]: ", "y")
    ask_code = "Pairing code (or Enter to type URL, client ID and secret)"
    terminal.answer(ask_code, code[:-9])
    terminal.answer("; add the rest, then press Enter: ", "")
    terminal.wait_for("cut off")
    terminal.answer(ask_code, mistyped)
    terminal.wait_for("mistake")
    terminal.answer(ask_code, client_id)
    terminal.wait_for("This looks like a client ID, but a pairing code is needed here. [fields-swapped]")
    terminal.answer(ask_code, "")
    terminal.answer("Server URL: ", client_id)
    terminal.wait_for("This looks like a client ID, but a URL is needed here.")
    terminal.answer("Server URL: ", server.url)
    terminal.answer("Client ID: ", paired.secret())
    terminal.wait_for("This looks like a secret, but a client ID is needed here.")
    terminal.answer("Client ID: ", client_id[:-1])
    terminal.wait_for("[client-id-invalid]")
    terminal.answer("Client ID: ", client_id)
    terminal.answer("Secret (not shown): ", client_id)
    terminal.wait_for("This looks like a client ID, but a secret is needed here.")
    terminal.answer("Secret (not shown): ", "wrong")
    terminal.wait_for("A generated secret is 64 characters 0-9 a-f; yours has 5 characters.")
    terminal.answer("Use it as it is? [y/N]: ", "y")
    terminal.wait_for("[unseal-wrong-key]")
    terminal.wait_for("2. Enter the credentials again")
    terminal.answer("Choose option [1]: ", "2")
    terminal.answer(ask_code, code)
    assert terminal.end() == 0
    assert second.tasks() == paired.tasks()


def test_an_unreachable_server_can_be_retried_at_a_terminal(server, first):
    """If this fails, a person whose server is down for a moment has to start again."""
    dead = f"http://127.0.0.1:{free_port()}"
    terminal = first.terminal("setup")
    terminal.answer("Choose option [1]: ", "2")
    terminal.answer("[y/N]: ", "n")
    terminal.answer("Server URL: ", dead)
    terminal.wait_for("[remote-connection-refused]")
    terminal.answer("Choose option [1]: ", "1")
    terminal.wait_for("[remote-connection-refused]")
    terminal.wait_for("2. Choose another server")
    terminal.answer("Choose option [1]: ", "2")
    terminal.answer("Choose option [1]: ", "2")
    terminal.answer("Server URL: ", server.url)
    assert terminal.end() == 0
    assert f"sync.server.url={server.url}\n" in first.taskrc.read_text(encoding="utf-8")


def test_the_doctor_finishes_an_unverified_setup(start_server, first):
    """If this fails, a setup without a reachable server is lost, or the doctor cannot finish it."""
    server = start_server()
    server.stop()
    first.add("Buy milk")
    outcome = first.json("setup", "--first-computer", "--server-url", server.url, "--save-unverified")
    assert (outcome["result"], outcome["exit_code"]) == ("unverified", 3)
    assert [message["id"] for message in outcome["messages"]] == ["remote-connection-refused"]
    assert first.json("setup", "--keep")["exit_code"] == 3
    report = first.json("doctor")
    assert report["exit_code"] == 1
    server.start()
    report = first.json("doctor")
    assert failed(report) == {"sync": "history-empty"}, "without a word the doctor must not begin a history"
    assert failed(first.json("doctor", "--first-computer")) == {"sync": "sync-unfinished"}
    done = first.tcsync("doctor", "--first-computer", "--yes")
    assert done.returncode == 0, done.stdout
    assert "the setup is finished" in done.stdout
    assert first.json("doctor")["exit_code"] == 0


def test_the_doctor_finishes_an_unverified_second_computer(start_server, first, second):
    """If this fails, the doctor does not finish a merge that the setup could not verify."""
    server = start_server()
    first.add("Buy milk")
    assert first.json("setup", "--first-computer", "--server-url", server.url)["result"] == "done"
    code = first.pair()
    server.stop()
    second.add("Water plants")
    terminal = second.terminal("setup")
    terminal.answer("Choose option [1]: ", "2")
    terminal.answer("[y/N]: ", "y")
    terminal.answer("Pairing code", code)
    terminal.wait_for("3. Save the settings as unverified")
    terminal.answer("Choose option [1]: ", "3")
    terminal.answer("Merge the tasks of this computer with those on the server? [Y/n]: ", "y")
    assert terminal.end() == 3
    server.start()
    terminal = second.terminal("doctor")
    terminal.wait_for("This computer already has 1 task (1 pending). Both sides are merged")
    terminal.answer("Finish the setup now by running `task sync`? [Y/n]: ", "")
    assert terminal.end() == 0
    assert second.tasks().keys() == {"Buy milk", "Water plants"}


@pytest.mark.parametrize(
    "flags",
    [
        ("--first-computer", "--pairing-code-file", "-"),
        ("--pairing-code-file", "-", "--client-id", UNKNOWN_ID),
        ("--secret-file", "-", "--secret-fd", "0"),
        ("--server", "skip", "--first-computer"),
    ],
)
def test_contradicting_flags_are_refused(first, flags):
    """If this fails, one of two contradicting answers is silently dropped."""
    outcome = first.json("setup", *flags)
    assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["flags-conflict"], 2)


@pytest.mark.parametrize(
    ("flags", "missing"),
    [
        ((), "--server"),
        (("--server", "cloud"), "--first-computer or --second-computer"),
        (("--server", "self-hosted", "--first-computer"), "--server-url"),
        (("--second-computer", "--server", "cloud"), "--pairing-code-file"),
        (("--server", "cloud", "--client-id", UNKNOWN_ID), "--secret-file"),
    ],
)
def test_without_a_terminal_nothing_is_asked(first, flags, missing):
    """If this fails, a script waits for ever, or a missing answer is guessed."""
    done = first.tcsync("setup", *flags)
    assert done.returncode == 2
    assert f"Give {missing}" in done.stdout and "[answer-needed]" in done.stdout
    assert first.files() == {}


def test_unreadable_secrets_are_refused(server, first, tmp_path):
    """If this fails, an empty file or two lines are taken for a secret."""
    flags = ("setup", "--server-url", server.url, "--client-id", UNKNOWN_ID)
    two_lines = tmp_path / "two"
    two_lines.write_text("one\ntwo\n", encoding="utf-8")
    long_line = tmp_path / "long"
    long_line.write_text("x" * 20_000, encoding="utf-8")
    for source, problem in {
        tmp_path / "absent": "No such file",
        two_lines: "more than one line",
        long_line: "too long",
        "/dev/null": "empty",
    }.items():
        outcome = first.json(*flags, "--secret-file", source)
        assert ([message["id"] for message in outcome["messages"]], outcome["exit_code"]) == (["secret-unreadable"], 2)
        assert problem in outcome["messages"][0]["text"]
    assert first.json(*flags, "--secret-fd", "77")["messages"][0]["id"] == "secret-unreadable"


def test_a_server_that_stops_before_the_sync_leaves_the_taskrc_unchanged(server, first):
    """If this fails, a sync that fails half-way leaves a changed taskrc behind."""
    first.add("Buy milk")
    before = first.files()
    # Taskwarrior is sent to a dead end by its own proxy setting, which the wizard's check does not use.
    outcome = first.json(
        "setup", "--first-computer", "--server-url", server.url, ALL_PROXY=f"http://127.0.0.1:{free_port()}"
    )
    assert [message["id"] for message in outcome["messages"]] == ["sync-unreachable"], outcome
    assert outcome["exit_code"] == 4
    assert first.files() == before


LINKS = {
    "name": ("remote-name-not-resolved", lambda _context: "http://no-such-host.invalid"),
    "tls": ("remote-not-tls", PLAIN_FAILURES["remote-not-tls"]),
    "connection": ("remote-connection-refused", refused),
    "server": ("remote-server-failed", PLAIN_FAILURES["remote-server-failed"]),
}


@pytest.mark.parametrize("link", LINKS)
def test_the_doctor_names_the_first_failed_check(paired, link):
    """If this fails, the doctor blames another link, or says of later ones that they hold although it did not look."""
    identifier, make = LINKS[link]
    with contextlib.ExitStack() as context:
        taskrc = paired.taskrc.read_text(encoding="utf-8")
        settings = taskrc.splitlines()
        settings = [line if not line.startswith("sync.server.url=") else "" for line in settings]
        paired.write_taskrc("\n".join([*settings, f"sync.server.url={make(context)}", ""]))
        report = paired.json("doctor")
    assert report["exit_code"] == 1
    assert failed(report) == {link: identifier}
    statuses = [(check["check"], check["status"]) for check in report["checks"]]
    position = statuses.index((link, "failed"))
    assert {status for _, status in statuses[:position]} == {"ok"}
    assert {status for _, status in statuses[position + 1 :]} == {"skipped"}


def test_the_doctor_reports_a_wrong_clock(paired, tmp_path):
    """If this fails, a person with a wrong clock looks for the reason of strange merges elsewhere."""
    program = tmp_path / "late.py"
    program.write_text(
        "import time, tcsync.wizard.doctor.examination, types\n"
        "tcsync.wizard.doctor.examination.time = types.SimpleNamespace(time=lambda: time.time() - 3600)\n"
        "from tcsync.wizard.cli import main\n"
        "main()\n",
        encoding="utf-8",
    )
    paired.program = [*python_command(), str(program)]
    report = paired.json("doctor")
    assert failed(report) == {"clock": "clock-wrong"}
    assert "behind the server's" in next(check["text"] for check in report["checks"] if check["check"] == "clock")


def test_a_missing_keyring_does_not_fail_the_setup(server, first):
    """If this fails, a computer without a keyring cannot be set up with --keyring, or the lack of a copy is hidden."""
    flags = ("setup", "--first-computer", "--server-url", server.url, "--keyring")
    outcome = first.json(*flags, PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    assert outcome["result"] == "done"
    assert [message["id"] for message in outcome["messages"]] == ["keyring-failed"]
    assert first.json("doctor")["exit_code"] == 0
