"""The parts of the agent, each by itself: when it syncs, what it sees of this computer and of the server, what it
writes down, and how it tells a person."""

import json
import shutil
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from queue import SimpleQueue
from uuid import uuid4

import pytest
from servers import answering
from support import wait_until

from tcsync import NIL_VERSION, Create, Credentials, RemoteServer, Replica, UndoPoint, Update
from tcsync.wizard.auto import notice
from tcsync.wizard.auto.journal import SYNCS_MAX, Journal, SyncRecord, read_journal
from tcsync.wizard.auto.local_changes import LocalChanges
from tcsync.wizard.auto.notice import tell_person
from tcsync.wizard.auto.pace import BUSY_PAUSE_S, NEWS_QUIET_S, PAUSES_S, QUIET_S, QUIET_S_MAX, Pace
from tcsync.wizard.auto.place import only_agent, running_agent
from tcsync.wizard.auto.routes import Routes
from tcsync.wizard.auto.server_news import WAIT_S, ServerNews

DEADLINE_S = 60
DATABASE = "taskchampion.sqlite3"
SHORTLY = QUIET_S / 2


def without_jitter():
    return 0.0


# Events of a pace, each with its time, and the time of the sync that is due after them.
EVENTS = {
    "nothing": ([], None),
    "a change is followed by a quiet moment": ([("change", 10)], 10 + QUIET_S),
    "another change begins the quiet moment anew": (
        [("change", 10), ("change", 10 + SHORTLY)],
        10 + SHORTLY + QUIET_S,
    ),
    "changes without a pause are synced as well": (
        [("change", 10 + step * SHORTLY) for step in range(100)],
        10 + QUIET_S_MAX,
    ),
    "news": ([("news", 10)], 10 + NEWS_QUIET_S),
    "more news do not postpone it": ([("news", 10), ("news", 11)], 10 + NEWS_QUIET_S),
    "news do not wait for a quiet moment": ([("change", 10), ("news", 10)], 10 + NEWS_QUIET_S),
    "changes do not postpone news": ([("news", 10), ("change", 10.1), ("change", 12)], 10 + NEWS_QUIET_S),
    "a sync has done it all": ([("change", 10), ("news", 10), ("begin", None), ("success", None)], None),
    "a change during the sync": ([("change", 10), ("begin", None), ("change", 11), ("success", None)], 11 + QUIET_S),
    "news during the sync": ([("change", 10), ("begin", None), ("news", 11), ("success", None)], 11 + NEWS_QUIET_S),
    "the first change of the next quiet moment is another one": (
        [("change", 10), ("begin", None), ("success", None), ("change", 100)],
        100 + QUIET_S,
    ),
    "a failure": ([("news", 10), ("begin", None), ("failure", 11)], 11 + PAUSES_S[0]),
    "a change after a failure does not end the pause": (
        [("news", 10), ("begin", None), ("failure", 11), ("change", 11.1)],
        11 + PAUSES_S[0],
    ),
    "a change during a sync that failed": (
        [("news", 10), ("begin", None), ("change", 10.5), ("failure", 11)],
        11 + PAUSES_S[0],
    ),
    "a connection ends the pause": (
        [("news", 10), ("begin", None), ("failure", 11), ("connection", 11.1)],
        11 + NEWS_QUIET_S,
    ),
    "a connection after the pause changes nothing": (
        [("news", 10), ("begin", None), ("failure", 11), ("connection", 100)],
        11 + PAUSES_S[0],
    ),
    "a connection alone is no reason": ([("connection", 10)], None),
    "another program is at work": ([("change", 10), ("busy", 10.5)], 10.5 + BUSY_PAUSE_S),
    "a database that was in use": ([("news", 10), ("begin", None), ("busy", 11)], 11 + BUSY_PAUSE_S),
    "a success forgets the failures": (
        [("news", 10), *[("begin", None), ("failure", 11)] * 3, ("begin", None), ("success", None), ("news", 20)],
        20 + NEWS_QUIET_S,
    ),
    "the first pause after a success is short again": (
        [("news", 10), *[("begin", None), ("failure", 11)] * 3, ("begin", None), ("success", None), ("failure", 20)],
        20 + PAUSES_S[0],
    ),
    "a busy moment is no failure": (
        [("news", 10), ("begin", None), ("busy", 11), ("begin", None), ("failure", 20)],
        20 + PAUSES_S[0],
    ),
}


class TestPace:
    @pytest.mark.parametrize(("events", "due"), EVENTS.values(), ids=EVENTS)
    def test_each_event_has_its_time(self, events, due):
        """If this fails, a change is not synced, or later than it could be, or a server is asked without a pause."""
        pace = Pace(without_jitter)
        for name, now in events:
            getattr(pace, f"on_{name}")(*([] if now is None else [now]))
        assert pace.due() == (None if due is None else pytest.approx(due))

    def test_pauses_grow_and_end_at_the_longest(self):
        """If this fails, a server that is down for a day is asked all day as if it were for a moment."""
        pace = Pace(without_jitter)
        now, pauses = 1000.0, []
        for failures in range(1, len(PAUSES_S) + 3):
            pace.on_begin()
            pace.on_failure(now)
            assert pace.failures == failures
            pauses.append(pace.due() - now)
            now = pace.due()
        assert pauses == pytest.approx([*PAUSES_S, PAUSES_S[-1], PAUSES_S[-1]])
        assert list(PAUSES_S) == sorted(PAUSES_S)

    def test_no_pause_is_out_of_its_bounds(self):
        """If this fails, all computers return at one moment to a server that has failed them, or one never returns."""
        found = set()
        for _ in range(200):
            pace = Pace()
            pace.on_failure(100.0)
            found.add(pace.due() - 100.0)
        assert PAUSES_S[0] <= min(found) < max(found) <= PAUSES_S[0] * 1.5
        assert len(found) > 100


@pytest.fixture
def directory(tmp_path):
    """A database with one task that was never sent."""
    path = tmp_path / "data"
    change(path)
    return path


def change(path):
    """What a person's `task add` does."""
    task = uuid4()
    with Replica(path) as replica:
        replica.commit([UndoPoint(), Create(task), Update(task, "description", str(task))])


def send(path, credentials):
    """What `task sync` does; the version up to which the database then is."""
    with Replica(path, create=False) as replica, RemoteServer(credentials) as server:
        replica.sync(server)
        return replica.state().base_version_id


class TestLocalChanges:
    def test_each_change_is_noticed_once(self, directory):
        """If this fails, a change stays on this computer, or is a reason for one sync after the other."""
        changes = LocalChanges(directory)
        assert changes.look()
        assert not changes.look()
        change(directory)
        assert changes.look()
        assert not changes.look()

    def test_a_file_that_is_as_it_was_is_not_read(self, directory, monkeypatch):
        """If this fails, an agent that has nothing to do reads all tasks several times a second."""
        changes = LocalChanges(directory)
        changes.look()
        changes.look()  # The first one may have made SQLite's files beside the database.
        monkeypatch.setattr(Replica, "copy_of", None)
        assert not changes.look()

    def test_reading_by_others_is_no_change(self, directory):
        """If this fails, each `task list` is followed by a sync."""
        changes = LocalChanges(directory)
        changes.look()
        with Replica(directory, create=False) as replica:
            assert replica.tasks()
            assert not changes.look()
        assert not changes.look()

    def test_looking_writes_nothing(self, directory):
        """If this fails, each look is a change to a backup, which copies the database again and again."""
        before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.glob(f"{DATABASE}*")}
        changes = LocalChanges(directory)
        assert changes.look()
        assert (
            before.items()
            <= {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.glob(f"{DATABASE}*")}.items()
        )

    def test_an_undo_point_alone_is_no_change(self, directory, server):
        """If this fails, a command that changed nothing is followed by a sync."""
        send(directory, Credentials.generate(server.url))
        changes = LocalChanges(directory)
        assert not changes.look()
        with Replica(directory, create=False) as replica:
            replica.commit([UndoPoint()])
        assert not changes.look()

    def test_a_sync_leaves_nothing(self, directory, server):
        """If this fails, each sync is the reason for another one."""
        credentials = Credentials.generate(server.url)
        changes = LocalChanges(directory)
        assert changes.base_version == NIL_VERSION
        assert changes.look()
        base = send(directory, credentials)
        assert not changes.look_after_sync()
        assert changes.base_version == base != NIL_VERSION
        assert not changes.look()

    def test_a_change_during_a_sync_is_for_the_next_one(self, directory, server):
        """If this fails, what a person types while a sync runs stays on this computer until the next change."""
        changes = LocalChanges(directory)
        changes.look()
        send(directory, Credentials.generate(server.url))
        change(directory)
        assert changes.look_after_sync()

    def test_what_a_sync_has_left_is_no_reason_for_another_one(self, directory):
        """If this fails, an operation that no sync sends lets the agent sync without an end."""
        changes = LocalChanges(directory)
        assert changes.look()
        assert not changes.look_after_sync()
        with Replica(directory, create=False) as replica:
            replica.commit([UndoPoint()])
        assert not changes.look()
        change(directory)
        assert changes.look()

    def test_a_database_can_come_later_and_go(self, tmp_path):
        """If this fails, an agent that was started before the first task never sees one, or ends when the directory is
        moved away."""
        path = tmp_path / "data"
        changes = LocalChanges(path)
        assert not changes.look()
        change(path)
        assert changes.look()
        shutil.rmtree(path)
        assert not changes.look()
        assert changes.base_version == NIL_VERSION
        change(path)
        assert changes.look()

    def test_another_database_in_its_place_is_noticed(self, directory, tmp_path):
        """If this fails, tasks that were restored from a backup are not sent."""
        changes = LocalChanges(directory)
        changes.look()
        change(tmp_path / "other")
        (tmp_path / "other" / DATABASE).replace(directory / DATABASE)
        for leftover in directory.glob(f"{DATABASE}-*"):
            leftover.unlink()
        assert changes.look()

    @pytest.mark.parametrize("transaction", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
    def test_a_database_in_use_is_read_later(self, directory, transaction):
        """If this fails, a change that was made in front of a busy database is never seen, or the agent ends."""
        changes = LocalChanges(directory)
        with closing(sqlite3.connect(directory / DATABASE, isolation_level=None)) as writer:
            writer.execute(transaction)
            was_seen = changes.look()
            writer.execute("ROLLBACK")
        change(directory)
        assert was_seen in (True, False)
        assert changes.look()

    def test_a_file_that_is_no_database_is_no_end(self, directory):
        """If this fails, a damaged file ends the agent, which could have told of it."""
        changes = LocalChanges(directory)
        content = (directory / DATABASE).read_bytes()
        (directory / DATABASE).write_bytes(b"\0" * len(content))
        assert not changes.look()
        assert not changes.look()
        (directory / DATABASE).write_bytes(content)
        assert changes.look()


class Listener:
    """The thread that is tried, and the queues of what it has told."""

    def __init__(self, credentials):
        self.position = NIL_VERSION
        self.asked = 0
        self.news, self.answers = SimpleQueue(), SimpleQueue()
        self.thread = ServerNews(
            credentials.url, credentials.client_id, self._position, self.news.put, lambda: self.answers.put(True)
        )

    def _position(self):
        self.asked += 1
        return self.position


@contextmanager
def listening(credentials):
    listener = Listener(credentials)
    listener.thread.start()
    try:
        yield listener
    finally:
        listener.thread.stop()


@pytest.fixture
def credentials(server):
    """A client whose history has one version, so that the server lets it wait."""
    made = Credentials.generate(server.url)
    send_version(made, NIL_VERSION)
    return made


def send_version(credentials, parent):
    """What another computer's sync does; the version."""
    with RemoteServer(credentials) as server:
        return server.add_version(parent, b'{"operations":[]}').version_id


class TestServerNews:
    def test_another_computers_version_is_told(self, credentials):
        """If this fails, another computer's changes come only when this computer has some of its own."""
        with listening(credentials) as listener:
            listener.position = listener.news.get(timeout=DEADLINE_S)
            assert listener.answers.get(timeout=DEADLINE_S) is True
            listener.thread.ask_again()
            sent = send_version(credentials, listener.position)
            assert listener.news.get(timeout=DEADLINE_S) == sent
            assert listener.answers.empty(), "it told of an answer that was no first one"

    def test_this_computers_own_version_is_no_news(self, credentials):
        """If this fails, each sync of this computer is followed by another one."""
        with RemoteServer(credentials) as server:
            base = server.get_child_version(NIL_VERSION).version_id
        listener = Listener(credentials)
        listener.position = base
        asked, was_sent = threading.Event(), threading.Event()

        def position():
            # The answer comes while this computer's sync is in progress, which then has set the position.
            if asked.is_set():
                assert was_sent.wait(DEADLINE_S)
            asked.set()
            return listener.position

        listener.thread = ServerNews(
            credentials.url, credentials.client_id, position, listener.news.put, lambda: listener.answers.put(True)
        )
        listener.thread.start()
        try:
            assert asked.wait(DEADLINE_S)
            listener.position = send_version(credentials, base)
            was_sent.set()
            other = send_version(credentials, listener.position)
            assert listener.news.get(timeout=DEADLINE_S) == other
        finally:
            was_sent.set()
            listener.thread.stop()

    def test_a_history_that_is_gone_is_told(self, credentials):
        """If this fails, a computer whose version the server lacks is silent instead of telling the person."""
        listener = Listener(credentials)
        listener.position = uuid4()
        listener.thread.start()
        try:
            assert listener.news.get(timeout=DEADLINE_S) is None
        finally:
            listener.thread.stop()

    def test_a_server_without_waits_is_asked_now_and_then(self, start_server):
        """If this fails, a server that answers at once is asked without a pause, by everybody who uses it."""
        credentials = Credentials.generate(start_server("--version-wait-max", "0").url)
        first = send_version(credentials, NIL_VERSION)
        listener = Listener(credentials)
        listener.position = first
        listener.thread.start()
        try:
            wait_until(
                lambda: listener.thread.server_waits is False, DEADLINE_S, "it has learned that nobody waits there"
            )
            second = send_version(credentials, first)
            assert listener.asked == 2  # Whether the server is there, and then with a wait.
            assert listener.news.empty()
            listener.thread.ask_again()
            assert listener.news.get(timeout=DEADLINE_S) == second
        finally:
            listener.thread.stop()

    def test_a_server_that_comes_back_is_noticed(self, server, credentials):
        """If this fails, a restart of the server is the end of syncing until somebody restarts the agent."""
        with listening(credentials) as listener:
            assert listener.answers.get(timeout=DEADLINE_S) is True
            listener.position = listener.news.get(timeout=DEADLINE_S)
            server.stop()
            before = listener.asked

            def has(condition):
                listener.thread.ask_again()
                return condition()

            wait_until(lambda: has(lambda: listener.asked > before + 1), DEADLINE_S, "it has asked in vain")
            assert listener.answers.empty()
            server.start()
            wait_until(lambda: has(lambda: not listener.answers.empty()), DEADLINE_S, "it is answered")
            assert listener.answers.get() is True
            sent = send_version(credentials, listener.position)
            assert listener.news.get(timeout=DEADLINE_S) == sent

    def test_a_server_that_comes_back_is_told_of_before_the_wait(self, start_server):
        """If this fails, changes of this computer stay on it for most of a minute after the server has come back."""
        server = start_server("--metrics-listen", "127.0.0.1:0")
        credentials = Credentials.generate(server.url)
        listener = Listener(credentials)
        listener.position = send_version(credentials, NIL_VERSION)
        server.stop()
        listener.thread.start()
        try:
            wait_until(lambda: listener.asked, DEADLINE_S, "it has asked")
            server.start()

            def is_waiting():
                listener.thread.ask_again()
                return server.metric("tcsync_http_waiting_requests") == 1

            wait_until(is_waiting, DEADLINE_S, "it waits")
            assert listener.answers.get(timeout=WAIT_S / 2) is True
        finally:
            listener.thread.stop()

    @pytest.mark.parametrize("status", [403, 500, 503])
    def test_a_server_that_refuses_is_not_asked_without_a_pause(self, status):
        """If this fails, a server in trouble gets more of it."""
        with answering(status) as url:
            with listening(Credentials.generate(url)) as listener:
                wait_until(lambda: listener.asked, DEADLINE_S, "it asks")
                time.sleep(3)  # Shorter than the shortest pause.
                assert listener.asked == 1
            assert listener.news.empty() and listener.answers.empty()

    @pytest.mark.parametrize("moment", ["during a wait", "during a pause"])
    def test_it_ends_at_once(self, start_server, moment):
        """If this fails, `tcsync auto off` and each logout take up to a minute."""
        is_waiting = moment == "during a wait"
        server = start_server(*([] if is_waiting else ["--version-wait-max", "0"]), "--metrics-listen", "127.0.0.1:0")
        credentials = Credentials.generate(server.url)
        listener = Listener(credentials)
        listener.position = send_version(credentials, NIL_VERSION)
        listener.thread.start()
        if is_waiting:
            server.await_metric("tcsync_http_waiting_requests", 1)
        else:
            listener.answers.get(timeout=DEADLINE_S)
        ending = threading.Thread(target=listener.thread.stop, daemon=True)
        ending.start()
        ending.join(WAIT_S / 2)
        assert not ending.is_alive()


def record(began_at, problem=None):
    return SyncRecord(began_at, 1.5, "change", problem, problem and f"Text of {problem}: ü.")


DAMAGED = {
    "empty": b"",
    "cut off": b'{"succeeded_at": 5.0, "syncs": [{"began_at": 1.0, "sec',
    "not UTF-8": b"\xff\xfe{}",
    "zeros": bytes(512),
    "another document": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "no syncs": b"{}",
    "syncs that are none": b'{"syncs": 7}',
    "a sync that is none": b'{"syncs": [7]}',
    "a sync without a time": b'{"syncs": [{"reason": "news"}]}',
    "a time that is none": b'{"syncs": [], "failing_since": "yesterday"}',
    "what a later release knows": b'{"syncs": [], "colour": "green"}',
    "deeply nested": b"[" * 100_000,
}


class TestJournal:
    def test_it_is_read_as_it_was_written(self, tmp_path):
        """If this fails, `tcsync auto status` shows other syncs than there were."""
        journal = Journal(server_waits=False)
        journal.add(record(10.0))
        journal.add(record(20.0, "sync-gone"))
        journal.write(tmp_path / "journal.json")
        assert read_journal(tmp_path / "journal.json") == journal
        assert [path.name for path in tmp_path.iterdir()] == ["journal.json"]

    def test_it_stays_small(self, tmp_path):
        """If this fails, the file grows for as long as the computer runs."""
        journal = Journal()
        for number in range(SYNCS_MAX + 7):
            journal.add(record(float(number)))
        journal.write(tmp_path / "journal.json")
        syncs = read_journal(tmp_path / "journal.json").syncs
        assert [sync.began_at for sync in syncs] == [float(number) for number in range(7, SYNCS_MAX + 7)]

    def test_failures_are_counted_from_the_first(self):
        """If this fails, a person is told of a failure too late or again and again, or not of the next one."""
        journal = Journal()
        journal.add(record(10.0))
        assert (journal.succeeded_at, journal.failing_since) == (11.5, None)
        journal.add(record(20.0, "sync-gone"))
        journal.told_at = 25.0
        journal.add(record(30.0, "sync-unreachable"))
        assert (journal.succeeded_at, journal.failing_since, journal.told_at) == (11.5, 20.0, 25.0)
        journal.add(record(40.0))
        assert (journal.succeeded_at, journal.failing_since, journal.told_at) == (41.5, None, None)

    @pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
    def test_a_damaged_file_is_none(self, tmp_path, content):
        """If this fails, the agent does not start after a power cut until somebody removes a file."""
        (tmp_path / "journal.json").write_bytes(content)
        assert read_journal(tmp_path / "journal.json") is None

    def test_no_file_is_none(self, tmp_path):
        """If this fails, `tcsync auto status` fails on a computer without an agent."""
        assert read_journal(tmp_path / "journal.json") is None
        assert read_journal(tmp_path) is None

    def test_an_unwritable_directory_leaves_the_earlier_file(self, tmp_path):
        """If this fails, a full disk costs the record of what was done before."""
        journal = Journal(succeeded_at=5.0)
        journal.write(tmp_path / "journal.json")
        before = json.loads((tmp_path / "journal.json").read_text(encoding="utf-8"))
        (tmp_path / "journal.new").mkdir()
        with pytest.raises(OSError):
            Journal(succeeded_at=6.0).write(tmp_path / "journal.json")
        assert json.loads((tmp_path / "journal.json").read_text(encoding="utf-8")) == before
        with pytest.raises(OSError):
            journal.write(tmp_path / "nowhere" / "journal.json")


class TestLock:
    def test_a_question_does_not_keep_an_agent_from_its_start(self, tmp_path):
        """If this fails, `tcsync auto status` at the wrong moment, or the wait of `tcsync auto on` itself, makes a new
        agent believe that another one runs, and there is none until the next login."""
        has_ended = threading.Event()

        def ask():
            while not has_ended.is_set():
                running_agent(tmp_path)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for _ in range(100):
                with only_agent(tmp_path) as is_only:
                    assert is_only
        finally:
            has_ended.set()
            asking.join()

    def test_a_second_one_is_refused(self, tmp_path):
        """If this fails, two agents answer to each other's syncs."""
        assert running_agent(tmp_path) is None
        with only_agent(tmp_path) as is_first:
            with only_agent(tmp_path) as is_second:
                assert (is_first, is_second) == (True, False)
            assert running_agent(tmp_path) is not None
        assert running_agent(tmp_path) is None


# As Linux shows them: the last field but a few is a counter of uses in both.
ROUTES = (
    "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    "eth0 00000000 010011AC 0003 0 {uses} 0 00000000 0 0 0\n"
)
ROUTES_6 = f"{0:032x} 00 {0:032x} 00 {1:032x} 00000400 00000001 {{uses}} 00000003 eth0\n"


class TestRoutes:
    def test_a_network_that_comes_is_noticed_once(self, tmp_path):
        """If this fails, a laptop that is online again waits for minutes, or asks a dead server all the time."""
        tables = (tmp_path / "route", tmp_path / "ipv6_route")
        routes = Routes(tables)
        assert not routes.have_changed()
        for table, content in zip(tables, (ROUTES, ROUTES_6), strict=True):
            table.write_text(content.format(uses="00000001"), encoding="ascii")
            assert routes.have_changed()
            assert not routes.have_changed()
            table.write_text(content.format(uses="0000002a"), encoding="ascii")
            assert not routes.have_changed(), "a counter is no route"
            table.write_text(content.format(uses="0000002a").replace("eth0", "wlan0"), encoding="ascii")
            assert routes.have_changed()
        tables[0].unlink()
        assert routes.have_changed()
        assert not routes.have_changed()


@pytest.fixture
def fake_notify_send(tmp_path, monkeypatch):
    """Makes a stand-in for notify-send, alone on the PATH; the file into which it writes its arguments."""
    programs, arguments = tmp_path / "bin", tmp_path / "arguments"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def make(ending):
        program = programs / "notify-send"
        program.write_text(
            f"#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done > '{arguments}'\n{ending}\n", encoding="utf-8"
        )
        program.chmod(0o755)
        return arguments

    return make


class TestNotice:
    def test_the_texts_are_arguments(self, fake_notify_send):
        """If this fails, a person sees no notice, or parts of a text are taken for options or commands."""
        arguments = fake_notify_send("exit 0")
        assert tell_person("A title", 'With "quotes", $HOME, `id`\nand ü') is True
        words = arguments.read_text(encoding="utf-8").split("\0")
        assert words == ["--app-name=tcsync", "A title", 'With "quotes", $HOME, `id`\nand ü', ""]

    def test_without_a_session_nobody_is_told(self, fake_notify_send):
        """If this fails, a notice that nobody saw passes for one that was seen."""
        fake_notify_send("echo Cannot autolaunch D-Bus >&2; exit 1")
        assert tell_person("A title", "A text") is False

    def test_one_that_hangs_is_ended(self, fake_notify_send, monkeypatch):
        """If this fails, a desktop that does not answer stops the syncs."""
        monkeypatch.setattr(notice, "_TIMEOUT_S", 0.5)
        arguments = fake_notify_send("exec /bin/sleep 600")
        assert tell_person("A title", "A text") is False
        assert arguments.exists()

    def test_without_a_program_nothing_is_done(self, tmp_path, monkeypatch):
        """If this fails, a server without a desktop ends the agent."""
        monkeypatch.setenv("PATH", str(tmp_path))
        assert tell_person("A title", "A text") is False

    def test_a_program_that_cannot_start_is_no_end(self, fake_notify_send):
        """If this fails, a broken installation of the desktop ends the agent."""
        fake_notify_send("").parent.joinpath("bin", "notify-send").write_bytes(b"\x7fELF")
        assert tell_person("A title", "A text") is False
