"""`tcsync add`: one task on the server without a replica here, never a second history or one that nobody opens."""

import datetime
import os
import threading
import time
from typing import NamedTuple
from uuid import UUID, uuid4

import admin
import pytest
from computers import TIMEOUT_S
from servers import answering, gateway

from tcsync import (
    NIL_VERSION,
    ProbeKind,
    RemoteServer,
    Replica,
    VersionAdded,
    decode_pairing_code,
    encode_pairing_code,
    probe_server,
)

FROM_STDIN = ("--pairing-code-file", "-")
ADD_VERSION = "POST /v1/client/add-version/"
EMPTY = b'{"operations":[]}'


def add(computer, code, *arguments):
    return computer.tcsync("add", *FROM_STDIN, *arguments, given=code)


class History(NamedTuple):
    """The data that a replica without tasks receives."""

    tasks: list[dict[str, str]]
    latest_version_id: UUID
    has_snapshot: bool


def received(remote):
    with Replica.in_memory() as replica:
        report = replica.sync(remote, receive_only=True)
        return History(
            list(replica.tasks().values()), replica.state().base_version_id, has_snapshot=report.has_applied_snapshot
        )


def history_of(code):
    with RemoteServer(decode_pairing_code(code)) as remote:
        return received(remote)


def versions_of(server, code):
    return admin.as_lines(server.data_dir, "clients", "versions", str(decode_pairing_code(code).client_id))


def chain_is_unchanged(code, before):
    return history_of(code).latest_version_id == before.latest_version_id


def counting(server, requests):
    """A gateway that notes every request."""

    def answer(pass_on):
        status, headers, content = pass_on()
        requests.append(status)
        return status, headers, content

    return gateway(server.url, ".*", answer)


def test_other_computers_get_the_task(server, paired, second):
    """If this fails, a task that was added without a replica arrives nowhere, or without its attributes."""
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    flags = ("--project", "home", "--tag", "shop", "--tag", "now_or_never", "--due", "2040-01-02T03:04Z")
    done = add(second, paired.pair(), *flags, "Buy", "tea & “Kekse” \U0001f600", "project:literal")
    assert done.returncode == 0, done.stderr
    assert second.files() == {}, "it left something on its computer"
    paired.task("sync")
    task = paired.tasks()["Buy tea & “Kekse” \U0001f600 project:literal"]
    assert task["uuid"] in done.stdout
    entry = datetime.datetime.strptime(task.pop("entry"), "%Y%m%dT%H%M%S%z")
    assert before <= entry <= datetime.datetime.now(datetime.timezone.utc)
    task_id = task.pop("uuid")
    assert task.pop("modified") and task.pop("description")
    assert task == {"status": "pending", "project": "home", "tags": ["now_or_never", "shop"], "due": "20400102T030400Z"}
    # And what Taskwarrior changes goes back.
    paired.task(task_id, "done")
    paired.task("sync")
    assert [task["status"] for task in history_of(paired.pair()).tasks].count("completed") == 1


def test_a_task_is_the_one_that_taskwarrior_would_add(server, paired, second):
    """If this fails, tasks that are added here differ from others in a property that programs rely on."""
    paired.task("add", "By Taskwarrior", "project:home", "+shop", "due:2040-01-02")
    paired.task("sync")
    assert (
        add(second, paired.pair(), "By us", "--project", "home", "--tag", "shop", "--due", "2040-01-02").returncode == 0
    )
    tasks = {task["description"]: task for task in history_of(paired.pair()).tasks}
    theirs, ours = dict(tasks["By Taskwarrior"]), dict(tasks["By us"])
    assert theirs.keys() == ours.keys()
    for name in ("description", "entry", "modified"):
        theirs.pop(name), ours.pop(name)
    assert theirs == ours


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_a_date_without_a_zone_is_the_persons(paired, second, zone):
    """If this fails, a due date is a day or some hours off."""
    assert add(second, paired.pair(), "x").returncode == 0
    done = second.tcsync("add", *FROM_STDIN, "Due", "--due", "2040-07-02", given=paired.pair(), TZ=zone)
    assert done.returncode == 0, done.stderr
    due = next(task["due"] for task in history_of(paired.pair()).tasks if task["description"] == "Due")
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        assert int(due) == datetime.datetime(2040, 7, 2).timestamp()
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


def test_this_computers_settings_are_enough(paired):
    """If this fails, a computer that is set up asks for the pairing code that it has. Its own sync still works."""
    paired.add("Not sent yet")
    assert paired.json("add", "From here").keys() == {"task", "version"}
    paired.task("sync")
    assert {"Not sent yet", "From here"} <= paired.tasks().keys()


def test_the_history_is_not_downloaded(server, paired, second):
    """If this fails, adding a task to a long history takes as long as a new computer's first sync."""
    for number in range(10):
        paired.add(f"Task {number}")
        paired.task("sync")
    requests = []
    with counting(server, requests) as url:
        assert add(second, paired.pair(), "One more", "--server-url", url).returncode == 0
    assert requests == [200, 409, 200]


def test_a_history_whose_beginning_was_removed_gets_the_task(server, paired, second):
    """If this fails, nothing can be added to a history that retention has shortened."""
    for number in range(3):
        paired.add(f"Task {number}")
        paired.task("sync")

    def gone(_pass_on):
        return 410, {}, b""

    with gateway(server.url, f"GET /v1/client/get-child-version/{NIL_VERSION}", gone) as url:
        assert add(second, paired.pair(), "One more", "--server-url", url).returncode == 0
    paired.task("sync")
    assert "One more" in paired.tasks()


class TestHistories:
    """States of a server in which an addition would begin a second history, or spoil the first."""

    def test_a_wrong_secret_adds_nothing(self, server, paired, second):
        """If this fails, one mistyped secret ends sync for all computers of its user: none can open the version."""
        before = history_of(paired.pair())
        flags = ("--server-url", server.url, "--client-id", paired.json("show")["client_id"], "--secret-file", "-")
        done = second.tcsync("add", "Poison", *flags, given="0" * 64)
        assert (done.returncode, "[unseal-wrong-key]" in done.stderr) == (6, True), done.stderr
        assert chain_is_unchanged(paired.pair(), before)
        paired.task("sync")

    def test_a_wrong_secret_adds_nothing_to_a_shortened_history(self, server, paired, second):
        """If this fails, the same happens where the first version cannot show that the secret is wrong."""
        paired.add("More")
        paired.task("sync")
        before = history_of(paired.pair())
        assert before.has_snapshot
        flags = ("--client-id", paired.json("show")["client_id"], "--secret-file", "-")
        with gateway(server.url, f"GET /v1/client/get-child-version/{NIL_VERSION}", lambda _: (410, {}, b"")) as url:
            done = second.tcsync("add", "Poison", *flags, "--server-url", url, given="0" * 64)
        assert (done.returncode, "[unseal-wrong-key]" in done.stderr) == (6, True), done.stderr
        assert chain_is_unchanged(paired.pair(), before)

    def test_a_client_without_a_history_is_refused(self, server, paired, second):
        """If this fails, a mistyped client ID swallows tasks in a history of its own."""
        stranger = str(uuid4())
        flags = ("--server-url", server.url, "--client-id", stranger, "--secret-file", "-")
        done = second.tcsync("add", "Lost", *flags, given=paired.secret())
        assert (done.returncode, "[history-not-begun]" in done.stderr) == (6, True), done.stderr
        assert probe_server(server.url, UUID(stranger)).kind is ProbeKind.EMPTY_HISTORY

    def test_first_begins_a_history_that_computers_join(self, server, paired, second):
        """If this fails, --first does nothing, or its history is none that a new computer can begin with."""
        credentials = type(decode_pairing_code(paired.pair())).generate(server.url)
        code = encode_pairing_code(credentials).reveal()
        assert add(second, code, "The very first", "--first").returncode == 0
        assert second.json("setup", *FROM_STDIN, given=code)["result"] == "done"
        assert second.tasks().keys() == {"The very first"}
        # With a history, the flag changes nothing.
        assert add(second, code, "The next one", "--first").returncode == 0
        assert len(versions_of(server, code)) == 2

    def test_first_is_refused_where_this_computer_has_synced(self, server, paired):
        """If this fails, a server that lost its data gets a new history from the computer that could restore the old
        one: `task sync` continues the old one on an empty server."""
        code, client_id = paired.pair(), paired.json("show")["client_id"]
        admin.succeed(server.data_dir, "clients", "delete", client_id, "--yes")
        done = paired.tcsync("add", "Too early", "--first")
        assert "[history-lost]" in done.stderr and done.returncode == 1, done.stderr
        assert probe_server(server.url, UUID(client_id)).kind is ProbeKind.EMPTY_HISTORY
        paired.add("Continues")
        paired.task("sync")
        assert versions_of(server, code)[0]["parent_version_id"] != str(NIL_VERSION)

    def test_a_snapshot_without_versions_is_refused(self, server, paired, second):
        """If this fails, a task goes into a history whose latest version nobody knows."""
        paired.add("More")
        paired.task("sync")
        before = history_of(paired.pair())
        no_versions = gateway(server.url, "GET /v1/client/get-child-version/", lambda _pass_on: (404, {}, b""))
        with no_versions as url:
            done = add(second, paired.pair(), "Where to?", "--first", "--server-url", url)
        assert (done.returncode, "[history-unreadable]" in done.stderr) == (6, True), done.stderr
        assert chain_is_unchanged(paired.pair(), before)

    def test_a_shortened_history_without_a_snapshot_is_refused(self, server, paired, second):
        """If this fails, a secret that nothing confirms is used to seal."""
        before = history_of(paired.pair())
        answers = {"get-child": (410, {}, b""), "snapshot": (404, {}, b"")}
        with (
            gateway(server.url, "GET /v1/client/get-child", lambda _pass_on: answers["get-child"]) as inner,
            gateway(inner, "GET /v1/client/snapshot", lambda _pass_on: answers["snapshot"]) as url,
        ):
            done = add(second, paired.pair(), "Sealed blindly", "--server-url", url)
        assert (done.returncode, "[history-unreadable]" in done.stderr) == (6, True), done.stderr
        assert chain_is_unchanged(paired.pair(), before)

    def test_a_history_that_vanishes_meanwhile_is_reported(self, server, paired, second):
        """If this fails, a person learns of the lost history only when every computer's sync fails."""
        client_id = paired.json("show")["client_id"]

        def answer(pass_on):
            found = pass_on()
            admin.succeed(server.data_dir, "clients", "delete", client_id, "--yes")
            return found

        with gateway(server.url, "GET /v1/client/get-child-version/", answer) as url:
            done = add(second, paired.pair(), "Alone", "--server-url", url)
        assert (done.returncode, "[history-replaced]" in done.stderr) == (5, True), done.stderr

    def test_a_history_that_begins_meanwhile_must_open(self, server, paired, second):
        """If this fails, two computers with --first at once, one of them with a wrong secret, spoil the history."""
        right = type(decode_pairing_code(paired.pair())).generate(server.url)
        begun = []

        def answer(pass_on):
            if not begun:
                begun.append(True)
                with RemoteServer(right) as remote:
                    assert isinstance(remote.add_version(NIL_VERSION, EMPTY), VersionAdded)
            return pass_on()

        flags = ("--client-id", str(right.client_id), "--secret-file", "-", "--first")
        with gateway(server.url, ADD_VERSION, answer) as url:
            done = second.tcsync("add", "Poison", *flags, "--server-url", url, given="0" * 64)
        assert (done.returncode, "[unseal-wrong-key]" in done.stderr) == (6, True), done.stderr
        assert len(versions_of(server, encode_pairing_code(right).reveal())) == 1


def test_a_race_with_another_computer_is_won_in_the_end(server, paired, second):
    """If this fails, a task is refused, or replaces another's, because two computers write at once."""
    code, rounds = paired.pair(), []

    def answer(pass_on):
        if len(rounds) < 4:
            rounds.append(True)
            with RemoteServer(decode_pairing_code(code)) as remote:
                latest = received(remote).latest_version_id
                assert isinstance(remote.add_version(latest, EMPTY), VersionAdded)
        return pass_on()

    with gateway(server.url, ADD_VERSION, answer) as url:
        assert add(second, code, "Patient", "--server-url", url).returncode == 0
    paired.task("sync")
    assert "Patient" in paired.tasks()


def test_endless_conflicts_come_to_an_end(server, paired, second):
    """If this fails, a broken server keeps the command running for ever."""
    conflict = (409, {"X-Parent-Version-Id": str(uuid4())}, b"")
    with gateway(server.url, ADD_VERSION, lambda _pass_on: conflict) as url:
        done = add(second, paired.pair(), "Never", "--server-url", url)
    assert (done.returncode, "[add-conflicts]" in done.stderr) == (5, True), done.stderr


class TestUnknownOutcomes:
    """Answers that do not come: the task is there once, and the person is told the truth."""

    @pytest.mark.parametrize("failure", [(200, {"Content-Length": "100"}, b"half"), (504, {}, b""), (500, {}, b"")])
    def test_a_task_that_has_arrived_is_found(self, server, paired, second, failure):
        """If this fails, a person adds the task a second time."""

        def answer(pass_on):
            found = pass_on()
            return failure if found[0] == 200 else found

        with gateway(server.url, ADD_VERSION, answer) as url:
            done = add(second, paired.pair(), "Once", "--server-url", url)
        assert done.returncode == 0, done.stderr
        assert [task["description"] for task in history_of(paired.pair()).tasks].count("Once") == 1

    def test_a_task_that_is_not_there_is_unknown(self, server, paired, second):
        """If this fails, a task that never arrived is reported as added, or nobody says how to look for it."""
        after_latest = f"{ADD_VERSION}(?!{NIL_VERSION})"
        with gateway(server.url, after_latest, lambda _pass_on: (200, {"Content-Length": "9"}, b"")) as url:
            done = add(second, paired.pair(), "Perhaps", "--server-url", url)
        assert (done.returncode, "[add-unknown]" in done.stderr) == (5, True), done.stderr

    def test_a_failure_of_the_first_request_is_certain(self, server, paired, second):
        """If this fails, a person looks for a task whose place another version has had all along."""
        with gateway(server.url, ADD_VERSION, lambda _pass_on: (200, {"Content-Length": "9"}, b"")) as url:
            done = add(second, paired.pair(), "Certainly not", "--server-url", url)
        assert (done.returncode, "[remote-network-failed]" in done.stderr) == (5, True), done.stderr

    def test_a_server_that_is_gone_afterwards_is_unknown(self, server, paired, second):
        """If this fails, a server that stops in the middle ends the command with a traceback."""

        def answer(pass_on):
            status, _, _ = found = pass_on()
            if status == 409:
                return found
            server.stop()
            return 200, {"Content-Length": "9"}, b""

        code = paired.pair()
        with gateway(server.url, ADD_VERSION, answer) as url:
            done = add(second, code, "Perhaps", "--server-url", url)
        assert (done.returncode, "[add-unknown]" in done.stderr) == (5, True), done.stderr
        server.start()
        assert "Perhaps" in {task["description"] for task in history_of(code).tasks}

    @pytest.mark.parametrize(("status", "identifier"), [(413, "remote-too-large"), (507, "remote-server-full")])
    def test_a_refusal_is_certain(self, server, paired, second, status, identifier):
        """If this fails, a person looks for a task that the server has refused."""
        with gateway(server.url, ADD_VERSION, lambda _pass_on: (status, {}, b"")) as url:
            done = add(second, paired.pair(), "Refused", "--server-url", url)
        assert (done.returncode, f"[{identifier}]" in done.stderr) == (5, True), done.stderr

    def test_ctrl_c_says_that_the_task_may_be_there(self, server, paired, second):
        """If this fails, a person is told that nothing was changed, and adds the task a second time."""
        asked, ended = threading.Event(), threading.Event()

        def answer(pass_on):
            found = pass_on()
            if found[0] == 200:
                asked.set()
                ended.wait(TIMEOUT_S)
            return found

        code = second.home / "code"
        code.write_text(paired.pair(), encoding="utf-8")
        with gateway(server.url, ADD_VERSION, answer) as url:
            terminal = second.terminal("add", "Perhaps", "--pairing-code-file", code, "--server-url", url)
            assert asked.wait(TIMEOUT_S)
            terminal.interrupt()
            assert terminal.end() == 130
            ended.set()
        assert "[interrupted-while-adding]" in terminal.screen
        assert "Perhaps" in {task["description"] for task in history_of(paired.pair()).tasks}


REFUSED = {
    "a line break": ("two\nlines",),
    "a carriage return": ("over\rwritten",),
    "an escape": ("\x1b[31mred",),
    "a C1 control": ("\x9b31m",),
    "a line separator": ("a\u2028b",),
    "no UTF-8": ("\udcff",),
    "nothing": ("",),
    "spaces": ("  ", " "),
    "a project of two lines": ("x", "--project", "a\nb"),
    "an empty project": ("x", "--project", ""),
    "a tag with a space": ("x", "--tag", "two words"),
    "a tag with a plus": ("x", "--tag", "+shop"),
    "a virtual tag": ("x", "--tag", "PENDING"),
    "a tag with a control": ("x", "--tag", "a\tb"),
    "a word for a date": ("x", "--due", "tomorrow"),
    "no such day": ("x", "--due", "2026-02-30"),
    "no such hour": ("x", "--due", "2026-02-03T25:00"),
    "an early date": ("x", "--due", "1979-12-31T00:00Z"),
    "a date of other digits": ("x", "--due", "٢٠٢٦-01-01"),
    "a late date": ("x", "--due", "9999-12-31T22:00Z"),
    "beyond the last year": ("x", "--due", "9999-12-31T23:59-23:59"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_words_that_cannot_be_a_task_are_refused(second, name):
    """If this fails, a task is stored that Taskwarrior cannot show, or a terminal obeys."""
    done = second.tcsync("add", *REFUSED[name])
    assert (done.returncode, "[text-refused]" in done.stderr) == (2, True), done.stderr
    assert "\x1b" not in done.stderr and "\x9b" not in done.stderr


def test_a_text_may_begin_with_a_dash(paired, second):
    """If this fails, some texts cannot be added."""
    assert add(second, paired.pair(), "--", "-5 degrees").returncode == 0
    assert "-5 degrees" in {task["description"] for task in history_of(paired.pair()).tasks}


def test_no_text_is_a_mistake(second):
    """If this fails, a forgotten text adds an empty task."""
    assert second.tcsync("add").returncode == 2


def test_failures_are_json_on_request(second):
    """If this fails, a script has to search English text for the reason."""
    document = second.json("add", "x")
    assert (document["exit_code"], document["messages"][0]["id"]) == (9, "credentials-needed")


def test_a_page_that_is_no_sync_server_gets_no_task(paired, second):
    """If this fails, a wrong URL looks like a client without a history, and --first accepts it."""
    with answering(404) as url:
        done = add(second, paired.pair(), "Nowhere", "--first", "--server-url", url)
    assert (done.returncode, "[remote-broken-answer]" in done.stderr) == (5, True), done.stderr


def test_a_broken_taskrc_does_not_matter_beside_a_pairing_code(paired, second):
    """If this fails, the settings of a computer that are not used stop the command."""
    second.write_taskrc("include /no/such/file\n")
    assert add(second, paired.pair(), "Anyway").returncode == 0


def test_a_client_that_is_not_allowed_is_told_so(server, paired, second):
    """If this fails, a banned person is told that the history is empty."""
    admin.succeed(server.data_dir, "clients", "ban", paired.json("show")["client_id"], "--reason", "test")
    done = add(second, paired.pair(), "Banned")
    assert (done.returncode, "[remote-not-allowed]" in done.stderr) == (6, True), done.stderr
