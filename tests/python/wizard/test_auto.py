"""`tcsync auto`: the agent with the real Taskwarrior and the real server, on computers of a test's own."""

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from computers import python_command
from recorder import Recorder
from support import free_port, run_bounded, wait_until

from tcsync import NIL_VERSION, Create, Credentials, RemoteServer, Replica, Update, decode_pairing_code
from tcsync.wizard.auto.agent import SLEPT_S
from tcsync.wizard.auto.journal import Journal, read_journal
from tcsync.wizard.auto.pace import FAILING_NOTICE_S, PAUSES_S

DEADLINE_S = 60
# The agent reads its settings again twice a minute, and after failures it pauses for longer.
LONG_DEADLINE_S = 150
# A loop of syncs would not leave the journals alone for that long.
SILENCE_S = 8
# Of the computers that are used at once. TCSYNC_AGENTS=5 TCSYNC_AGENT_EDITS=100 TCSYNC_AGENT_OFFLINE_S=3600 takes five
# of them, with 500 edits in all, and an hour without the server.
COMPUTERS = int(os.environ.get("TCSYNC_AGENTS", "3"))
EDITS = int(os.environ.get("TCSYNC_AGENT_EDITS", "14"))
OFFLINE_S = float(os.environ.get("TCSYNC_AGENT_OFFLINE_S", "4"))
TASK_DATABASE = ".task/taskchampion.sqlite3"
REFUSED = "remote-connection-refused"
# A line of shell that makes a Taskwarrior look like the release which does not keep synced operations.
IS_OLD = '[ "$*" = --version ] && { echo 3.1.0; exit; }  # fake'


def settings(credentials, url=None):
    """The lines of a taskrc, as `tcsync setup` and people write them."""
    return (
        f"sync.server.url={url or credentials.url}\nsync.server.client_id={credentials.client_id}\n"
        f"sync.encryption_secret={credentials.secret.reveal()}\n"
    )


@pytest.fixture
def credentials(server):
    """Those of a person whose history has begun: without one, the server lets nobody wait."""
    made = Credentials.generate(server.url)
    with RemoteServer(made) as remote:
        remote.add_version(NIL_VERSION, b'{"operations":[]}')
    return made


@pytest.fixture
def connected(new_computer, credentials):
    """Makes computers of one person that can sync. Their agents end with the test, however it ends."""
    made = []

    def make(url=None, **options):
        computer = new_computer(**options)
        made.append(computer)
        computer.write_taskrc(settings(credentials, url))
        return computer

    yield make
    for computer in made:
        for process in agents(computer):
            end(process)


@pytest.fixture
def first(connected):
    return connected()


@pytest.fixture
def second(connected):
    return connected()


def agents(computer):
    """The processes of this computer's agents."""
    found = []
    for directory in Path("/proc").iterdir():
        with suppress(OSError):
            if not directory.name.isdigit() or b"\0tcsync.wizard.auto\0" not in (directory / "cmdline").read_bytes():
                continue
            if f"HOME={computer.home}".encode() in (directory / "environ").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return found


def end(process):
    """Ends a process with the programs that it runs, which have sessions of their own."""
    with suppress(OSError):
        os.kill(process, signal.SIGSTOP)
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
        for child in map(int, children):
            os.killpg(child, signal.SIGKILL)
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: has_ended(process), DEADLINE_S, "the agent has ended")


def has_ended(process):
    """Nobody may have taken notice of its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def start(*computers):
    for computer in computers:
        done = computer.tcsync("auto", "on")
        assert done.returncode == 0, done.stderr
        assert "This computer now syncs by itself." in done.stdout


def agent(computer):
    """The process of the one agent that runs."""
    (process,) = agents(computer)
    return process


def state_directory(computer):
    (directory,) = (computer.home / ".local/state/tcsync/auto").iterdir()
    return directory


def syncs(computer):
    """What the agent has noted, the newest last."""
    journal = read_journal(state_directory(computer) / "journal.json")
    return journal.syncs if journal else []


def problems(computer):
    return [sync.problem for sync in syncs(computer)]


def await_syncs(computer, number=1):
    """Waits until it has synced so often, in vain or not."""
    return wait_until(lambda: len(syncs(computer)) >= number, DEADLINE_S, f"{number} syncs")


def stored(computer):
    """The status of each task by its description, read without a Taskwarrior, which a waiting test would run all the
    time."""
    if not (computer.home / TASK_DATABASE).exists():
        return {}
    with Replica.copy_of(computer.home / ".task") as copy:
        return {task.get("description"): task.get("status") for task in copy.tasks().values()}


def await_status(computer, description, status="pending", timeout_s=DEADLINE_S):
    wait_until(lambda: stored(computer).get(description) == status, timeout_s, f"{description} is {status}")


def send_task(credentials, description):
    """What another computer's `task add` and `task sync` do."""
    with Replica.in_memory() as replica, RemoteServer(credentials) as server:
        replica.sync(server)
        task = uuid4()
        replica.commit(
            [Create(task), *(Update(task, *pair) for pair in (("description", description), ("status", "pending")))]
        )
        replica.sync(server)


def await_sent(credentials, description):
    """Waits until the server has the task."""

    def is_there():
        with Replica.in_memory() as replica, RemoteServer(credentials) as server:
            replica.sync(server)
            return description in {task.get("description") for task in replica.tasks().values()}

    wait_until(is_there, DEADLINE_S, f"{description} is at the server")


def await_silence(computers):
    """Waits until no agent has synced for a while."""
    seen, since = None, time.monotonic()

    def is_silent():
        nonlocal seen, since
        found = [syncs(computer) for computer in computers]
        if found != seen:
            seen, since = found, time.monotonic()
        return time.monotonic() - since > SILENCE_S

    wait_until(is_silent, LONG_DEADLINE_S, f"no agent has synced for {SILENCE_S} s")


def assert_stays(condition, seconds):
    """Looks for a while whether a condition remains."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition()
        time.sleep(0.2)


def children(process):
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()]


@contextmanager
def held_request(recorder, endpoint):
    """While the next request to that endpoint waits for its answer. Gives the event that ends this earlier."""
    is_there, may_go_on = threading.Event(), threading.Event()

    def hold():
        is_there.set()
        may_go_on.wait(DEADLINE_S)

    recorder.before_next(endpoint, hold)
    try:
        yield is_there, may_go_on
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


def test_each_kind_of_change_comes_to_the_other_computer(first, second):
    """If this fails, a person still has to run `task sync`, or finds old tasks on the other computer."""
    start(first, second)
    first.add("Buy milk")
    await_status(second, "Buy milk")
    second.task("1", "modify", "Buy oat milk", "project:Home")
    await_status(first, "Buy oat milk")
    first.task("1", "done")
    await_status(second, "Buy oat milk", "completed")
    second.add("Call Ada")
    await_status(first, "Call Ada")
    first.task("Ada", "delete")
    await_status(second, "Call Ada", "deleted")
    assert first.exported() == second.exported()
    assert not any(problems(first) + problems(second))


def test_the_first_tasks_of_all_come_to_the_other_computer(server, first, second):
    """If this fails, a person who has just set up two computers believes that it does not work."""
    new = Credentials.generate(server.url)
    for computer in (first, second):
        computer.write_taskrc(settings(new))
    start(first, second)
    first.add("Buy milk")
    await_status(second, "Buy milk")


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
    print(f"seed {seed}")  # noqa: T201
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
    for computer in computers:
        wait_until(lambda: stored(computer) == wanted, LONG_DEADLINE_S + OFFLINE_S, f"all tasks are there; seed {seed}")  # noqa: B023
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
def test_a_kill_in_the_middle_of_a_sync_costs_nothing(connected, second, server, killed):
    """If this fails, a crash or an empty battery damages the tasks, or leaves a lock that keeps the agent from its next
    start."""
    recorder = Recorder(server.url)
    try:
        first = connected(recorder.url)
        start(first, second)
        await_syncs(first)
        is_in_the_middle, may_go_on = threading.Event(), threading.Event()

        def hold():
            is_in_the_middle.set()
            may_go_on.wait(DEADLINE_S)

        recorder.before_next("add-version", hold)
        first.task("add", "Buy milk")
        assert is_in_the_middle.wait(DEADLINE_S)
        process = agent(first)
        if killed == "agent":
            os.kill(process, signal.SIGKILL)
            wait_until(lambda: has_ended(process), DEADLINE_S, "the agent has ended")
        else:
            end(process)
        may_go_on.set()
        assert first.json("auto", "status")["running"] is False
        assert (state_directory(first) / "lock").exists()
        assert_whole(first)
        first.task("add", "Water plants")
        start(first)
        await_status(second, "Buy milk")
        await_status(second, "Water plants")
        assert_whole(first)
        assert first.exported() == second.exported()
    finally:
        may_go_on.set()
        recorder.close()


def test_there_is_one_agent_only(first):
    """If this fails, two agents run for the same tasks, and each syncs what the other one did."""
    start(first)
    process = agent(first)
    command = [*python_command(), "-m", "tcsync.wizard.auto", "--task", str(first.task_script), "--task-timeout", "30"]
    refused = run_bounded(command, env=first.environment, timeout_s=DEADLINE_S)
    assert refused.returncode == 1
    assert f"Another agent, process {process}, keeps these tasks in sync already." in refused.stderr
    assert "[agent-runs]" in refused.stderr
    assert agents(first) == [process]
    start(first)
    assert agent(first) != process
    shown = first.json("auto", "status")
    assert (shown["running"], shown["pid"]) == (True, agent(first))


def test_new_settings_are_taken_while_it_runs(first, credentials):
    """If this fails, after `tcsync rotate` or a move the agent listens to the old history, and other computers' changes
    never come."""
    first.add("Buy milk")
    start(first)
    wait_until(lambda: problems(first)[-1:] == [None], DEADLINE_S, "it has synced")
    process = agent(first)
    done = first.tcsync("rotate", "--yes")
    assert done.returncode == 0, done.stderr
    rotated = decode_pairing_code(first.pair())
    assert rotated != credentials
    send_task(rotated, "From another computer")
    await_status(first, "From another computer", timeout_s=LONG_DEADLINE_S)
    assert agent(first) == process
    first.add("Water plants")
    await_sent(rotated, "Water plants")


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
def test_a_sync_that_fails_is_shown_and_tried_less_and_less_often(server, first, credentials, change, problem):
    """If this fails, nobody learns that a computer has stopped to sync, or it asks a server in vain all day."""
    first.add("Buy milk")
    first.task("sync")
    send_task(credentials, "From another computer")
    good = first.taskrc.read_text(encoding="utf-8")
    first.write_taskrc(change(server, credentials, server.url))
    start(first)
    wait_until(lambda: problems(first).count(problem) >= 3, LONG_DEADLINE_S, f"it has failed ({problems(first)})")
    shown = first.json("auto", "status")
    assert {sync["problem"] for sync in shown["syncs"]} == {problem}
    assert shown["failing_since"] == shown["syncs"][0]["at"]
    failed = syncs(first)
    pauses = [later.began_at - (earlier.began_at + earlier.seconds) for earlier, later in pairwise(failed[-3:])]
    assert pauses[0] < pauses[1] and pauses[1] > PAUSES_S[0], pauses
    text = first.tcsync("auto", "status").stdout
    assert f"failed: {problem}" in text and "Failing:" in text
    first.write_taskrc(good)
    await_status(first, "From another computer", timeout_s=LONG_DEADLINE_S)
    wait_until(lambda: problems(first)[-1] is None, DEADLINE_S, "it has noted the success")
    shown = first.json("auto", "status")
    assert shown["failing_since"] is None and shown["last_success"] is not None


def test_a_slow_failure_is_followed_by_a_pause_as_well(first):
    """If this fails, a server that answers slowly is asked without an end, and a battery is soon empty."""
    first.wrap_task(IS_OLD)
    first.wrap_task(
        f'case "$*" in *sync*) sleep {SLEPT_S + 1}; echo "error sending request" >&2; exit 2;; esac  # fake'
    )
    start(first)
    wait_until(lambda: len(syncs(first)) >= 3, LONG_DEADLINE_S, "three syncs have failed")
    found = syncs(first)
    for number, (earlier, later) in enumerate(pairwise(found)):
        pause = later.began_at - (earlier.began_at + earlier.seconds)
        assert pause >= PAUSES_S[number] - 1, (number, pause)


def test_a_command_at_work_is_waited_for(first, credentials):
    """If this fails, a sync comes into the middle of a setup."""
    first.add("Buy milk")
    start(first)
    wait_until(lambda: problems(first)[-1:] == [None], DEADLINE_S, "it has synced")
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
    wait_until(lambda: problems(first)[-1:] == [None], DEADLINE_S, "it has synced")
    process = agent(first)
    first.add("Water plants")
    with writing(first.home / TASK_DATABASE):
        send_task(credentials, "From another computer")
        assert_stays(lambda: "From another computer" not in stored(first), SILENCE_S)
    await_status(first, "From another computer")
    await_sent(credentials, "Water plants")
    assert agents(first) == [process]
    assert not any(problems(first))


def test_hooks_of_others_are_left_alone(first, credentials):
    """If this fails, a person's own hook is replaced or no longer runs, or `task` waits for a hook of tcsync."""
    first.add("Buy milk")
    hooks = first.home / ".task/hooks"
    hooks.mkdir(exist_ok=True)
    hook = hooks / "on-exit.own"
    hook.write_text('#!/bin/sh\ncat > /dev/null\necho "$*" >> "$HOME/hooked"\n', encoding="utf-8")
    hook.chmod(0o755)
    before = (hook.read_bytes(), hook.stat().st_mode)
    start(first)
    first.task("add", "Water plants")
    await_sent(credentials, "Water plants")
    called = (first.home / "hooked").read_text(encoding="utf-8")
    assert "command:add" in called and "command:synchronize" not in called
    assert [path.name for path in hooks.iterdir()] == ["on-exit.own"]
    assert (hook.read_bytes(), hook.stat().st_mode) == before
    assert not any(problems(first))


def test_off_removes_what_on_has_made(first):
    """If this fails, a person who has enough of the agent finds it again after the next login."""
    first.add("Buy milk")
    first.task("sync")

    def files():
        ignored = (".local/state/tcsync/", ".task/taskchampion.sqlite3")
        return {name: found for name, found in first.files().items() if not name.startswith(ignored)}

    before = files()
    assert "The agent was not on." in first.tcsync("auto", "off").stdout
    start(first)
    await_syncs(first)
    (made,) = files().keys() - before.keys()
    assert re.fullmatch(r"\.config/autostart/tcsync-auto-[0-9a-f]{8}\.desktop", made)
    shown = first.json("auto", "status")
    assert shown["file"] == str(first.home / made)
    content = Path(shown["file"]).read_text(encoding="utf-8")
    assert first.secret() not in content
    done = first.tcsync("auto", "off")
    assert done.returncode == 0, done.stderr
    assert "This computer syncs only when you run `task sync`." in done.stdout
    assert agents(first) == []
    assert files() == before
    shown = first.tcsync("auto", "status")
    assert shown.returncode == 9
    assert "does not run" in shown.stdout
    assert "The agent was not on." in first.tcsync("auto", "off").stdout


def test_what_the_agent_leaves_has_no_secret(first):
    """If this fails, a copy of the home's state gives away all tasks."""
    first.add("Buy milk")
    start(first)
    await_syncs(first)
    for name, (content, mode) in first.files().items():
        if name != ".taskrc":
            assert first.secret().encode() not in content, name
        if name.startswith(".local/state/tcsync/"):
            assert first.home.joinpath(name).parent.stat().st_mode & 0o077 == 0, name
        assert mode
    cmdline = Path(f"/proc/{agent(first)}/cmdline").read_bytes()
    assert first.secret().encode() not in cmdline


def test_off_ends_an_agent_whose_sync_hangs(connected, recorder):
    """If this fails, a person cannot end the agent when the network hangs, which is when they want to."""
    computer = connected(recorder.url)
    start(computer)
    await_syncs(computer)
    with held_request(recorder, "add-version") as (is_there, _):
        computer.add("Buy milk")
        assert is_there.wait(DEADLINE_S)
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
    start(first, second)
    await_syncs(first)
    with held_request(recorder, "add-version") as (is_there, _):
        first.add("Buy milk")
        assert is_there.wait(DEADLINE_S)
        first.add("Water plants")
    await_status(second, "Buy milk")
    await_status(second, "Water plants")
    assert not any(problems(first))


@pytest.mark.parametrize("is_short", [True, False])
def test_a_command_waits_for_the_end_of_a_sync(connected, recorder, is_short):
    """If this fails, a setup and a sync work on the same tasks, or a person is sent away because of a moment."""
    first = connected(recorder.url)
    start(first)
    await_syncs(first)
    with held_request(recorder, "add-version") as (is_there, may_go_on):
        first.add("Buy milk")
        assert is_there.wait(DEADLINE_S)
        if is_short:
            threading.Timer(1, may_go_on.set).start()
        done = first.tcsync("rotate", "--yes")
        if is_short:
            assert done.returncode == 0, done.stderr
        else:
            assert done.returncode == 8 and "[computer-busy]" in done.stderr, done.stderr
            assert "or a sync of the agent" in done.stderr
    wait_until(lambda: problems(first)[-1] is None, DEADLINE_S, "it has synced")
    if not is_short:
        done = first.tcsync("rotate", "--yes")  # The remedy.
        assert done.returncode == 0, done.stderr


def test_a_sync_without_an_end_is_ended(connected, recorder):
    """If this fails, a server that gives its answers drop by drop keeps this computer from its other tasks for ever."""
    first = connected(recorder.url)
    first.add("Buy milk")
    with held_request(recorder, "add-version") as (is_there, _):
        done = first.tcsync("auto", "on", "--task-timeout", "1")
        assert done.returncode == 0, done.stderr
        assert is_there.wait(DEADLINE_S)
        wait_until(lambda: problems(first) == ["sync-endless"], DEADLINE_S, "it has been stopped")
        assert syncs(first)[0].seconds < 20
    start(first)
    wait_until(lambda: problems(first)[-1] is None, DEADLINE_S, "the next one has succeeded")


def test_a_taskwarrior_that_keeps_no_synced_operations_syncs_itself(first, credentials):
    """If this fails, Taskwarrior 3.1 sends everything twice after each sync of the agent."""
    first.add("Buy milk")
    hook = first.home / ".task/hooks/on-exit.own"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncat > /dev/null\necho "$*" >> "$HOME/hooked"\n', encoding="utf-8")
    hook.chmod(0o755)
    first.wrap_task(IS_OLD)
    start(first)
    await_sent(credentials, "Buy milk")
    wait_until(lambda: problems(first)[-1:] == [None], DEADLINE_S, "it has synced")
    assert "command:synchronize" in (first.home / "hooked").read_text(encoding="utf-8")


def test_a_database_of_a_later_taskwarrior_is_left_to_it(first):
    """If this fails, an update of Taskwarrior ends all syncs of the agent."""
    first.add("Buy milk")
    with sqlite3.connect(first.home / TASK_DATABASE) as database:
        database.execute("UPDATE version SET major = 99")
    first.wrap_task('case "$*" in *sync*) touch "$HOME/synced"; exit 0;; esac  # fake')
    start(first)
    wait_until(lambda: problems(first)[-1:] == [None], DEADLINE_S, "it has synced")
    assert (first.home / "synced").exists()


def test_a_server_without_waits_gets_the_changes_at_once(start_server, connected):
    """If this fails, the agent does nothing for people with the reference server, or asks it all the time."""
    credentials = Credentials.generate(start_server("--version-wait-max", "0").url)
    computer = connected()
    computer.write_taskrc(settings(credentials))
    computer.add("Buy milk")
    start(computer)
    await_sent(credentials, "Buy milk")
    wait_until(
        lambda: computer.json("auto", "status")["server_waits"] is False, DEADLINE_S, "the status tells of the server"
    )
    assert "so it is asked every few minutes" in computer.tcsync("auto", "status").stdout
    computer.task("add", "Water plants")
    await_sent(credentials, "Water plants")
    await_silence([computer])
    assert not any(problems(computer))


def test_a_computer_that_slept_catches_up(first, second):
    """If this fails, a laptop that wakes up shows the tasks of yesterday."""
    start(first, second)
    first.add("Before")
    await_status(second, "Before")
    process = agent(first)
    os.kill(process, signal.SIGSTOP)
    try:
        first.add("Typed while it slept")
        second.add("Sent while it slept")
        time.sleep(SLEPT_S + 1)  # For so long that it must notice.
    finally:
        os.kill(process, signal.SIGCONT)
    await_status(first, "Sent while it slept")
    await_status(second, "Typed while it slept")
    assert agent(first) == process


def test_a_person_is_told_after_a_day_of_failures_and_only_once(first, credentials):
    """If this fails, a computer that has not synced for weeks looks as always, or shows the same notice all day."""
    first.add("Buy milk")
    first.task("sync")
    send_task(credentials, "From another computer")
    first.write_taskrc(first.taskrc.read_text(encoding="utf-8").replace(first.secret(), "wrong"))
    fake = first.task_script.with_name("notify-send")
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >> "$HOME/told"\n', encoding="utf-8")
    fake.chmod(0o755)
    start(first)
    await_syncs(first)
    first.tcsync("auto", "off")
    path = state_directory(first) / "journal.json"
    journal = read_journal(path) or Journal()
    journal.failing_since = time.time() - FAILING_NOTICE_S - 60
    journal.syncs = []
    journal.write(path)
    start(first)
    await_syncs(first, 3)
    lines = (first.home / "told").read_text(encoding="utf-8").splitlines()
    assert lines.count("Taskwarrior has not synced for a day") == 1
    assert any("does not open with this secret" in line and "`tcsync doctor`" in line for line in lines)


def test_a_journal_that_cannot_be_written_is_no_end(first, credentials):
    """If this fails, a full disk ends the agent instead of a record for people."""
    start(first)
    await_syncs(first)
    (state_directory(first) / "journal.new").mkdir()
    first.add("Buy milk")
    await_sent(credentials, "Buy milk")
    assert len(agents(first)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it(first, number):
    """If this fails, a logout waits for the agent, or leaves it behind."""
    start(first)
    process = agent(first)
    os.kill(process, number)
    wait_until(lambda: has_ended(process), DEADLINE_S, "the agent has ended")
    assert first.json("auto", "status")["running"] is False


def test_a_relative_data_directory_is_the_one_of_the_command(first):
    """If this fails, `tcsync auto on` waits in vain for an agent that looks at a directory which nobody has meant."""
    environment = {**first.environment, "TASKDATA": "tasks"}
    done = run_bounded([*first.program, "auto", "on"], env=environment, cwd=first.home, timeout_s=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    assert first.json("auto", "status", TASKDATA=str(first.home / "tasks"))["running"] is True


def test_a_start_that_fails_leaves_nothing(first):
    """If this fails, `tcsync auto on` says that it has failed, and at the next login an agent runs nevertheless."""
    first.add("Buy milk")
    first.task("sync")
    before = first.files()
    (first.home / ".local").write_text("in the way of the agent's directory", encoding="utf-8")
    done = first.tcsync("auto", "on")
    assert done.returncode == 1
    assert "[agent-not-started]" in done.stderr
    (first.home / ".local").unlink()
    assert first.files() == before
    assert agents(first) == []


def test_an_agent_that_has_ended_is_found(first):
    """If this fails, a computer stops syncing by itself, and nothing tells its user."""
    first.add("Buy milk")
    first.task("sync")
    start(first)
    end(agent(first))

    def found():
        return next(check for check in first.json("doctor", "--no-sync")["checks"] if check["check"] == "agent")

    assert (found()["status"], found()["id"]) == ("failed", "agent-stopped")
    assert "no, because its agent does not run" in first.tcsync("status").stdout
    start(first)  # The remedy.
    assert found()["status"] == "ok"
    assert "By itself:    yes" in first.tcsync("status").stdout


def test_what_cannot_be_removed_is_told(first):
    """If this fails, `tcsync auto off` says that it is off, and at the next login it is on."""
    start(first)
    (entry,) = (first.home / ".config/autostart").iterdir()
    entry.unlink()
    entry.mkdir()
    done = first.tcsync("auto", "off")
    assert done.returncode == 1
    assert "[agent-not-stopped]" in done.stderr and str(entry) in done.stderr
    entry.rmdir()
    assert first.tcsync("auto", "off").returncode == 0
    assert agents(first) == []


def test_without_settings_there_is_no_agent(new_computer):
    """If this fails, an agent runs that can never sync."""
    computer = new_computer()
    done = computer.tcsync("auto", "on")
    assert done.returncode == 9
    assert "[taskrc-missing]" in done.stderr
    assert computer.files() == {}
