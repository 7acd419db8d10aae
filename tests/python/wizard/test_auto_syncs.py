"""The syncs of `tcsync auto`, with the real Taskwarrior and the real server: what fails, hangs, is killed, or happens
at once."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from agents import (
    DEADLINE_S,
    LONG_DEADLINE_S,
    RECORDING_HOOK,
    SILENCE_S,
    TASK_DATABASE,
    agent,
    agents,
    assert_stays,
    await_sent,
    await_silence,
    await_status,
    await_success,
    await_syncs,
    children,
    end,
    has_ended,
    problems,
    send_task,
    settings,
    start,
    state_directory,
    stored,
    syncs,
)
from computers import python_command
from recorder import Recorder
from support import free_port, run_bounded, wait_until

from tcsync import Credentials
from tcsync.wizard.alone import alone
from tcsync.wizard.auto.agent import SLEPT_S
from tcsync.wizard.auto.pace import PAUSES_S
from tcsync.wizard.auto.server_news import AFTER_FAILURES_S

# Of the computers that are used at once. TCSYNC_AGENTS=5 TCSYNC_AGENT_EDITS=100 TCSYNC_AGENT_OFFLINE_S=3600 takes five
# of them, with 500 edits in all, and an hour without the server.
COMPUTERS = int(os.environ.get("TCSYNC_AGENTS", "3"))
EDITS = int(os.environ.get("TCSYNC_AGENT_EDITS", "14"))
OFFLINE_S = float(os.environ.get("TCSYNC_AGENT_OFFLINE_S", "4"))
REFUSED = "remote-connection-refused"
# A line of shell that makes a Taskwarrior look like the release which does not keep synced operations.
IS_OLD = '[ "$*" = --version ] && { echo 3.1.0; exit; }  # fake'


@pytest.fixture
def first(connected):
    return connected()


@pytest.fixture
def second(connected):
    return connected()


@contextmanager
def hanging_sync(recorder, computer):
    """While the agent's sync of a new task, "Buy milk", waits for the server's answer. Gives the event that ends this
    earlier. The computer syncs through the recorder; its agent is started, if it does not run."""
    is_there, may_go_on = threading.Event(), threading.Event()

    def hold():
        is_there.set()
        may_go_on.wait(DEADLINE_S)

    if not agents(computer):
        start(computer)
        await_syncs(computer)
    recorder.before_next("add-version", hold)
    computer.add("Buy milk")
    assert is_there.wait(DEADLINE_S)
    try:
        yield may_go_on
    finally:
        may_go_on.set()


@pytest.fixture
def recorder(server):
    made = Recorder(server.url)
    yield made
    made.close()


def assert_whole(computer):
    with closing(sqlite3.connect(computer.home / TASK_DATABASE)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


class Editor(threading.Thread):
    """Somebody who uses one computer without a pause."""

    def __init__(self, computer, number, decisions):
        super().__init__()
        self._computer = computer
        self._number = number
        self._decisions = decisions
        #: The status of each of the tasks that only this computer changes.
        self.own = {}
        self.failure = None
        self.begins = threading.Event()

    def run(self):
        try:
            for step in range(EDITS):
                if step == EDITS // 3:
                    self.begins.set()
                self._edit(step)
        except BaseException as failure:
            self.failure = failure
        finally:
            self.begins.set()

    def _edit(self, step):
        open_ones = [name for name, status in self.own.items() if status == "pending"]
        kind = self._decisions.choice(("add", "done", "delete", "modify", "shared") if open_ones else ("add",))
        if kind == "add":
            name = f"task{self._number}x{step:04}"
            self._computer.task("add", name)
            self.own[name] = "pending"
        elif kind == "shared":
            self._computer.task("Everybody", "modify", f"project:P{self._number}.{step}")
        elif kind == "modify":
            self._computer.task(self._decisions.choice(open_ones), "modify", f"project:P{step}")
        else:
            name = self._decisions.choice(open_ones)
            self._computer.task(name, kind)
            self.own[name] = {"done": "completed", "delete": "deleted"}[kind]


def test_edits_at_once_end_in_the_same_tasks_and_in_silence(connected, recorder, server):
    """If this fails, an edit is lost, or the agents answer to each other's syncs for ever. While the edits go on, the
    server is away, one agent is killed, and another one stands still as on a computer that sleeps."""
    computers = [connected(recorder.url) for _ in range(COMPUTERS)]
    start(*computers)
    computers[0].add("Everybody")
    for computer in computers:
        await_status(computer, "Everybody")
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    editors = [Editor(computer, number, random.Random(seed + number)) for number, computer in enumerate(computers)]
    for editor in editors:
        editor.start()
    editors[0].begins.wait()
    sleeper = agent(computers[1])
    os.kill(agent(computers[0]), signal.SIGKILL)
    os.kill(sleeper, signal.SIGSTOP)
    server.stop()
    time.sleep(OFFLINE_S)
    server.start()
    os.kill(sleeper, signal.SIGCONT)
    start(computers[0])
    for editor in editors:
        editor.join()
    assert not any(editor.failure for editor in editors), (seed, [editor.failure for editor in editors])
    wanted = {"Everybody": "pending"}
    for editor in editors:
        wanted.update(editor.own)
    deadline = time.monotonic() + LONG_DEADLINE_S + max(AFTER_FAILURES_S)[1]
    while any(stored(computer) != wanted for computer in computers) and time.monotonic() < deadline:
        time.sleep(1)
    for number, computer in enumerate(computers):
        found = stored(computer)
        others = {name for name in {*wanted, *found} if wanted.get(name) != found.get(name)}
        lost = {name: (wanted.get(name), found.get(name)) for name in others}
        assert not lost, (seed, number, lost, problems(computer)[-5:])
    await_silence(computers)
    exports = [computer.exported() for computer in computers]
    assert all(export == exports[0] for export in exports), seed
    assert recorder.statuses("add-version").count(200) <= 1 + COMPUTERS * EDITS
    before = len(recorder.of("add-version"))
    requests = len(recorder.exchanges)
    assert_stays(lambda: len(recorder.of("add-version")) == before, SILENCE_S)
    for exchange in recorder.exchanges[requests:]:
        assert "Preference-Applied" in exchange.headers, "a request that is no wait"


def test_edits_while_the_server_is_down_arrive(server, first, second):
    """If this fails, a restart of the server keeps two computers apart until somebody notices."""
    start(first, second)
    first.add("Before")
    await_status(second, "Before")
    server.stop()
    first.add("On the first")
    second.add("On the second")
    for computer in (first, second):
        wait_until(lambda: REFUSED in problems(computer), DEADLINE_S, "it has tried in vain")  # noqa: B023
    server.start()
    await_status(first, "On the second", timeout_s=LONG_DEADLINE_S)
    await_status(second, "On the first", timeout_s=LONG_DEADLINE_S)
    assert problems(first)[-1] is problems(second)[-1] is None


@pytest.mark.parametrize("killed", ["agent", "agent and sync"])
def test_a_kill_in_the_middle_of_a_sync_costs_nothing(connected, second, recorder, killed):
    """If this fails, a crash or an empty battery damages the tasks, or leaves a lock that keeps the agent from its next
    start."""
    first = connected(recorder.url)
    start(second)
    with hanging_sync(recorder, first):
        process = agent(first)
        if killed == "agent":
            os.kill(process, signal.SIGKILL)
            wait_until(lambda: has_ended(process), DEADLINE_S, "the agent has ended")
        else:
            end(process)
    assert first.json("auto", "status")["running"] is False
    assert (state_directory(first) / "lock").exists()
    assert_whole(first)
    first.task("add", "Water plants")
    start(first)
    await_status(second, "Buy milk")
    await_status(second, "Water plants")
    assert_whole(first)
    assert first.exported() == second.exported()


def wrong_secret(_server, credentials, url):
    return settings(Credentials(url, credentials.client_id, Credentials.generate(url).secret))


def another_history(_server, _credentials, url):
    other = Credentials.generate(url)
    send_task(other, "Somebody's")
    return settings(other)


def nobody_there(_server, credentials, _url):
    return settings(credentials, f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (wrong_secret, "unseal-wrong-key"),
        (another_history, "sync-gone"),
        (nobody_there, REFUSED),
    ],
)
def test_a_sync_that_fails_is_shown(server, first, credentials, change, problem):
    """If this fails, nobody learns that a computer has stopped to sync, or that it syncs again."""
    first.add("Buy milk")
    first.task("sync")
    send_task(credentials, "From another computer")
    good = first.taskrc.read_text(encoding="utf-8")
    first.write_taskrc(change(server, credentials, server.url))
    start(first)
    await_syncs(first)
    shown = first.json("auto", "status")
    assert {sync["problem"] for sync in shown["syncs"]} == {problem}
    assert shown["failing_since"] == shown["syncs"][0]["at"]
    text = first.tcsync("auto", "status").stdout
    assert f"failed: {problem}" in text and "Failing:" in text
    first.write_taskrc(good)
    await_status(first, "From another computer", timeout_s=LONG_DEADLINE_S)
    await_success(first)
    shown = first.json("auto", "status")
    assert shown["failing_since"] is None and shown["last_success"] is not None


def pauses(computer):
    """The seconds between its syncs."""
    return [later.began_at - (earlier.began_at + earlier.seconds) for earlier, later in pairwise(syncs(computer))]


def test_failures_are_followed_by_longer_and_longer_pauses(first, credentials):
    """If this fails, it asks a server in vain all day."""
    first.write_taskrc(nobody_there(None, credentials, None))
    start(first)
    await_syncs(first, 3)
    between = pauses(first)
    assert between[0] < between[1] and between[1] > PAUSES_S[0], between


def test_a_slow_failure_is_followed_by_a_pause_as_well(first):
    """If this fails, a server that answers slowly is asked without an end, and a battery is soon empty."""
    first.wrap_task(IS_OLD)
    first.wrap_task(
        f'case "$*" in *sync*) sleep {SLEPT_S + 1}; echo "error sending request" >&2; exit 2;; esac  # fake'
    )
    start(first)
    await_syncs(first, 2)
    assert pauses(first)[0] >= PAUSES_S[0] - 1


def test_a_command_at_work_is_waited_for(first, credentials):
    """If this fails, a sync comes into the middle of a setup."""
    first.add("Buy milk")
    start(first)
    await_success(first)
    terminal = first.terminal("rotate")
    terminal.wait_for("]: ")
    before = syncs(first)
    first.add("Water plants")
    assert_stays(lambda: syncs(first) == before, SILENCE_S)
    terminal.interrupt()
    assert terminal.end() == 130
    await_sent(credentials, "Water plants")
    wait_until(lambda: len(syncs(first)) > len(before), DEADLINE_S, "it has noted the sync")
    assert not any(problems(first))


@contextmanager
def writing(database):
    """Another program's transaction that writes. Of this process the lock would end when the library, which has an
    SQLite of its own, closes the file."""
    program = (
        "import sqlite3, sys\n"
        "with sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60) as database:\n"
        "    database.execute('BEGIN IMMEDIATE')\n"
        "    print(flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"\n"
        yield


def test_a_database_in_use_is_waited_for(first, credentials):
    """If this fails, a program that holds the database for long ends the agent, or makes it report a failure."""
    first.add("Buy milk")
    start(first)
    await_success(first)
    process = agent(first)
    first.add("Water plants")
    with writing(first.home / TASK_DATABASE):
        send_task(credentials, "From another computer")
        assert_stays(lambda: "From another computer" not in stored(first), SILENCE_S)
    await_status(first, "From another computer")
    await_sent(credentials, "Water plants")
    assert agents(first) == [process]
    assert not any(problems(first))


def test_off_ends_an_agent_whose_sync_hangs(connected, recorder):
    """If this fails, a person cannot end the agent when the network hangs, which is when they want to."""
    computer = connected(recorder.url)
    with hanging_sync(recorder, computer):
        (child,) = children(agent(computer))
        done = computer.tcsync("auto", "off")
        assert done.returncode == 0, done.stderr
        assert agents(computer) == []
        assert has_ended(child)


def test_off_ends_a_task_sync_that_hangs(first):
    """If this fails, it lives on and holds the database."""
    first.wrap_task(IS_OLD)
    first.wrap_task('case "$*" in *sync*) sleep 600 & echo $! > "$HOME/child"; wait;; esac  # fake')
    start(first)
    wait_until(lambda: (first.home / "child").exists(), DEADLINE_S, "the sync hangs")
    done = first.tcsync("auto", "off")
    assert done.returncode == 0, done.stderr
    assert agents(first) == []
    child = int((first.home / "child").read_text(encoding="ascii"))
    wait_until(lambda: has_ended(child), DEADLINE_S, "what the sync has started has ended as well")


def test_a_sync_keeps_nobody_from_the_tasks(connected, recorder, second):
    """If this fails, `task add` waits for a slow server, and gives up."""
    first = connected(recorder.url)
    start(second)
    with hanging_sync(recorder, first):
        first.add("Water plants")
    await_status(second, "Buy milk")
    await_status(second, "Water plants")
    assert not any(problems(first))


@pytest.mark.parametrize("is_short", [True, False])
def test_a_command_waits_for_the_end_of_a_sync(connected, recorder, is_short):
    """If this fails, a setup and a sync work on the same tasks, or a person is sent away because of a moment."""
    first = connected(recorder.url)
    with hanging_sync(recorder, first) as may_go_on:
        if is_short:
            threading.Timer(1, may_go_on.set).start()
        done = first.tcsync("rotate", "--yes")
        if is_short:
            assert done.returncode == 0, done.stderr
        else:
            assert done.returncode == 8 and "[computer-busy]" in done.stderr, done.stderr
            assert "or a sync of the agent" in done.stderr
            assert "`tcsync auto off`" in done.stderr
    await_success(first)
    if not is_short:
        done = first.tcsync("rotate", "--yes")  # The remedy.
        assert done.returncode == 0, done.stderr


def test_leaving_a_server_that_hangs(connected, recorder):
    """If this fails, a person can neither leave nor examine the computer while the agent's sync hangs."""
    first = connected(recorder.url)
    with hanging_sync(recorder, first):
        done = first.tcsync("off", "--yes")
        assert done.returncode == 8 and "[computer-busy]" in done.stderr, done.stderr
        assert first.tcsync("auto", "off").returncode == 0  # The remedy.
        done = first.tcsync("off", "--yes")
        assert done.returncode == 0, done.stderr


def has_open(process, path):
    """Whether the process has the directory open, as one does that waits for its lock."""
    opened = []
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            opened.append(file.readlink())
    return path.resolve() in opened


def test_a_sync_uses_the_settings_after_a_setup_that_it_has_waited_for(connected, server, recorder):
    """If this fails, it sends the tasks of the new history to the old one, and the new one never gets them."""
    first = connected(recorder.url)
    first.add("Sent")
    first.task("sync")
    first.add("Not sent")
    other = Credentials.generate(server.url)
    with alone(first.home / ".task"):
        command = [*python_command(), "-m", "tcsync.wizard.auto.replica_sync"]
        sync = subprocess.Popen(command, env=first.environment, stdout=subprocess.PIPE)
        wait_until(lambda: has_open(sync.pid, first.home / ".task"), DEADLINE_S, "it waits for the lock")
        first.write_taskrc(settings(other))
    assert sync.wait(DEADLINE_S) == 0, sync.stdout.read()
    await_sent(other, "Not sent")
    assert recorder.statuses("add-version") == [200], "that of the first task"


@contextmanager
def no_taskrc(computer):
    """An include that does not exist, as while a disk is not mounted."""
    good = computer.taskrc.read_text(encoding="utf-8")
    computer.write_taskrc(f"{good}include /nonexistent/theme\n")
    yield
    computer.write_taskrc(good)


@contextmanager
def no_secret(computer):
    good = computer.taskrc.read_text(encoding="utf-8")
    computer.write_taskrc(good.replace("sync.encryption_secret", "#sync.encryption_secret"))
    yield
    computer.write_taskrc(good)


@contextmanager
def no_data(computer):
    """As while a backup is put in their place."""
    aside = computer.home / "aside"
    (computer.home / ".task").rename(aside)
    yield
    assert not (computer.home / ".task").exists()
    aside.rename(computer.home / ".task")


@contextmanager
def no_authorities(computer):
    file = computer.home / "authorities.pem"
    content = file.read_bytes()
    file.unlink()
    yield
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("lacking", "problem"),
    [
        (no_taskrc, "taskrc-unusable"),
        (no_secret, "sync-incomplete"),
        (no_data, "database-gone"),
        (no_authorities, "ca-file-unusable"),
    ],
)
def test_what_is_missing_for_a_while_is_told_and_waited_for(first, authority, credentials, lacking, problem):
    """If this fails, the agent ends for good because of a moment, or nothing tells why it does not sync."""
    (first.home / "authorities.pem").write_bytes(authority.file.read_bytes())
    first.add("Buy milk")
    assert first.tcsync("auto", "on", "--ca-file", first.home / "authorities.pem").returncode == 0
    await_syncs(first)
    process = agent(first)
    with lacking(first):
        send_task(credentials, "From another computer")
        wait_until(lambda: problem in problems(first), DEADLINE_S, f"{problem} is noted")
    await_status(first, "From another computer", timeout_s=LONG_DEADLINE_S)
    await_success(first)
    assert agents(first) == [process]


def test_an_unusable_proxy_is_told(first):
    """If this fails, the agent seems to run, and never syncs."""
    done = first.tcsync("auto", "on", http_proxy="user:pw@:99999")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: problems(first) == ["remote-proxy-failed"], DEADLINE_S, "it is noted")
    assert "user:pw" not in (state_directory(first) / "journal.json").read_text(encoding="utf-8")


def test_a_sync_that_is_killed_is_told_and_done_again(connected, recorder, second):
    """If this fails, a computer that is short of memory gets a message that blames tcsync, or stays behind."""
    first = connected(recorder.url)
    start(second)
    with hanging_sync(recorder, first):
        (child,) = children(agent(first))
        os.kill(child, signal.SIGKILL)
    await_status(second, "Buy milk")
    wait_until(lambda: "sync-broken-off" in problems(first), DEADLINE_S, "it is noted")
    assert_whole(first)


def test_a_home_with_modules_is_no_danger(first, credentials):
    """If this fails, a script named json.py in the home ends the agent, or runs at each sync."""
    (first.home / "json.py").write_text("raise SystemExit('my own json.py')\n", encoding="utf-8")
    first.add("Buy milk")
    done = run_bounded([*first.program, "auto", "on"], env=first.environment, cwd=first.home, timeout_s=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    await_sent(credentials, "Buy milk")
    assert not any(problems(first))


def test_a_sync_without_an_end_is_ended(connected, recorder):
    """If this fails, a server that gives its answers drop by drop keeps this computer from its other tasks for ever."""
    first = connected(recorder.url)
    done = first.tcsync("auto", "on", "--task-timeout", "1")
    assert done.returncode == 0, done.stderr
    await_syncs(first)
    with hanging_sync(recorder, first):
        wait_until(lambda: problems(first)[-1] == "sync-endless", DEADLINE_S, "it has been stopped")
        assert syncs(first)[-1].seconds < 20
    start(first)
    await_success(first)


def test_a_taskwarrior_that_keeps_no_synced_operations_syncs_itself(first, credentials):
    """If this fails, Taskwarrior 3.1 sends everything twice after each sync of the agent."""
    first.add("Buy milk")
    first.write_hook("on-exit.own", RECORDING_HOOK)
    first.wrap_task(IS_OLD)
    start(first)
    await_sent(credentials, "Buy milk")
    await_success(first)
    assert "command:synchronize" in (first.home / "hooked").read_text(encoding="utf-8")


def test_a_database_of_a_later_taskwarrior_is_left_to_it(first):
    """If this fails, an update of Taskwarrior ends all syncs of the agent."""
    first.add("Buy milk")
    with sqlite3.connect(first.home / TASK_DATABASE) as database:
        database.execute("UPDATE version SET major = 99")
    first.wrap_task('case "$*" in *sync*) touch "$HOME/synced"; exit 0;; esac  # fake')
    start(first)
    await_success(first)
    assert (first.home / "synced").exists()
