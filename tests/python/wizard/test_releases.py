"""The promise is Taskwarrior 3.1 and later: the main ways with every release that is at hand.

The one that all tests use is always among them. TCSYNC_TEST_TASKS names further ones, such as
/opt/task-3.1.0/bin/task:/opt/task-3.4.2/bin/task. The end of the run says which releases ran.
"""

import admin
import pytest
import taskwarrior
from support import free_port, run_bounded

from tcsync.wizard.taskwarrior import TaskRun, explain_sync

CLIENTS = [None, *taskwarrior.further_clients()]


def named(client):
    return "found" if client is None else client.command[0]


@pytest.fixture(params=CLIENTS, ids=named)
def task_client(request, task_client):
    """Instead of the one Taskwarrior: each."""
    client = request.param or task_client
    version = run_bounded([*client.command, "--version"], timeout_s=60).stdout.strip()
    request.config.stash[taskwarrior.RELEASES_RUN].add(version)
    return client


def pair(first, second, url):
    """Sets up both computers; the second one has a task of its own."""
    outcome = first.json("setup", "--first-computer", "--server-url", url)
    assert outcome["result"] == "done", outcome["messages"]
    assert outcome["sent_operations"] >= 5  # A new task's.
    second.add("Water plants")
    outcome = second.json("setup", "--pairing-code-file", "-", "--merge", given=first.pair())
    assert outcome["result"] == "done", outcome["messages"]
    first.task("sync")


def problems(computer):
    """The doctor's checks that failed."""
    return [check for check in computer.json("doctor")["checks"] if check["status"] == "failed"]


def test_two_computers_are_set_up_and_sync_both_ways(server, first, second):
    """If this fails, a release that is promised cannot be set up, or loses tasks."""
    first.add("Buy milk", "Call Ada")
    pair(first, second, server.url)
    assert first.tasks().keys() == {"Buy milk", "Call Ada", "Water plants"}
    first.task("Buy milk", "done")
    second.task("Call Ada", "modify", "project:calls")
    second.task("add", "Read")
    second.task("undo")
    for computer in (first, second, first):
        computer.task("sync")
    tasks = first.tasks()
    assert (tasks["Buy milk"]["status"], tasks["Call Ada"]["project"]) == ("completed", "calls")
    assert "Read" not in tasks
    assert second.exported() == first.exported()
    for computer in (first, second):
        assert problems(computer) == []


def test_an_invites_url_is_used_whole(start_server, first, second):
    """If this fails, Taskwarrior 3.1 to 3.4 drops the token of an invite, and the server refuses every sync; or a
    person who has set the URL by hand does not learn why."""
    server = start_server("--invite-only")
    url = server.url + admin.as_json(server.data_dir, "invites", "create", "--uses", "1")["path"]
    first.add("Buy milk")
    pair(first, second, url)
    assert second.exported() == first.exported()

    written = first.taskrc.read_text(encoding="utf-8")
    assert f"sync.server.url={url}/\n" in written
    first.write_taskrc(written.replace(f"={url}/\n", f"={url}\n"))
    first.task("add", "Call Ada")  # With nothing to send, the wrong URL's 404 means that there is nothing new.
    fails = run_bounded(["task", "sync"], env=first.environment, timeout_s=60).returncode != 0
    found = problems(first)
    assert [problem["id"] for problem in found] == ["sync-url-without-slash"] * fails
    if fails:
        assert first.json("setup", "--replace")["result"] == "mended"
        first.task("sync")
        assert problems(first) == []


def test_a_computer_on_which_nothing_ever_ran_is_set_up(server, first, second):
    """If this fails, `task` asks whether to create a taskrc where nobody answers."""
    assert first.json("setup", "--first-computer", "--server-url", server.url)["result"] == "done"
    assert first.taskrc.stat().st_mode & 0o777 == 0o600
    code = first.pair()
    first.add("Buy milk")
    first.task("sync")
    assert second.json("setup", "--pairing-code-file", "-", given=code)["result"] == "done"
    assert second.tasks().keys() == {"Buy milk"}


def test_the_recognised_messages_are_those_of_taskwarrior(start_server, first, second):
    """If this fails, the real Taskwarrior words its failures other than the wizard expects."""
    server, other = start_server(), start_server()
    first.add("Buy milk")
    assert first.json("setup", "--first-computer", "--server-url", server.url)["result"] == "done"
    taskrc = first.taskrc.read_text(encoding="utf-8")
    second.write_taskrc(taskrc.replace(first.secret(), "wrong"))
    assert sync_finding(second) == "sync-wrong-secret"
    for url in (f"http://127.0.0.1:{free_port()}", "http://host.invalid"):
        second.write_taskrc(taskrc.replace(server.url, url))
        assert sync_finding(second) == "sync-unreachable"
    second.add("Water plants")
    assert second.json("setup", "--first-computer", "--server-url", other.url, "--replace")["result"] == "done"
    settings = second.taskrc.read_text(encoding="utf-8")
    first.write_taskrc(settings)
    assert sync_finding(first) == "sync-gone"


def sync_finding(computer):
    """The wizard's finding for a failing `task sync` on that computer."""
    done = run_bounded(["task", "sync"], env=computer.environment, timeout_s=60)
    assert done.returncode != 0
    return explain_sync(TaskRun("task sync", done.returncode, done.stdout, done.stderr)).problem.identifier
