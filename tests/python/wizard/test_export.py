"""`tcsync export`: all tasks from the server with the pairing code alone, as Taskwarrior exports and imports."""

import json
import os
import signal
import stat
import subprocess
import threading
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from computers import TIMEOUT_S
from servers import answering, gateway

from tcsync import Create, RemoteServer, Replica, Update, decode_pairing_code
from tcsync.taskwarrior_json import task_attributes

FROM_STDIN = ("--pairing-code-file", "-")


def attributes(text):
    return {task["uuid"]: task for task in json.loads(text)}


def exported(computer, code, *flags):
    """The tasks by their UUIDs, and the remarks."""
    done = computer.tcsync("export", *FROM_STDIN, *flags, given=code)
    assert done.returncode == 0, done.stderr
    return attributes(done.stdout), done.stderr


def change(code, *operations):
    """Changes tasks as another program would, past Taskwarrior's checks."""
    with Replica.in_memory() as replica, RemoteServer(decode_pairing_code(code)) as remote:
        replica.sync(remote)
        replica.commit(operations)
        replica.sync(remote)


def new_task(**properties):
    """The operations that make a task with these properties, and its UUID."""
    task_id = uuid4()
    given = {"entry": "1780000000", "modified": "1780000000", "status": "pending", **properties}
    return str(task_id), [Create(task_id), *(Update(task_id, name, value) for name, value in given.items())]


@pytest.fixture
def every_kind(paired):
    """A computer with tasks of every kind, all synced."""
    task = paired.task
    task("add", "Pay rent", "due:tomorrow", "recur:weekly", "until:2040-01-01", "project:home.money")
    task("add", "Later", "wait:2040-01-01", "scheduled:2040-01-02", "priority:H", "+shop", "+next_week")
    task("add", "Ünïcode ☃ \U0001f600 / \\ \"quotes\" 'single'")
    task("add", "Needs the others", "depends:1,2")
    task("1", "annotate", "with a / slash and \U0001f600")
    task("1", "start")
    task("2", "done")
    task("add", "Thrown away")
    task("rc.confirmation=off", "Thrown", "delete")
    task("rc.uda.size.type=numeric", "rc.uda.when.type=date", "add", "Own attributes", "size:5", "when:2040-01-01")
    paired.exported()
    task("list")  # Makes the instance of the recurring task.
    task("sync")
    lines, operations = new_task(description="two\nlines\tand a tab", project="", until="2208988800")
    change(paired.pair(), *operations)
    task("sync")
    assert lines in paired.exported()
    return paired


def test_the_export_equals_that_of_taskwarrior(every_kind, second):
    """If this fails, the rescue loses or changes an attribute of some kind of task."""
    tasks, remarks = exported(second, every_kind.pair())
    expected = every_kind.exported()
    assert tasks == expected
    kinds = {name for task in expected.values() for name in task}
    assert {"mask", "imask", "parent", "recur", "wait", "until", "annotations", "tags", "depends", "size"} <= kinds
    assert "unreadable" not in remarks
    assert f"Exported {len(tasks)} tasks" in remarks
    assert second.files() == {}, "an export changed its computer"


def test_an_empty_taskwarrior_imports_the_same_tasks(every_kind, second):
    """If this fails, tasks that were rescued cannot be used again."""
    second.write_taskrc("")
    target = second.home / "all.json"
    done = second.tcsync("export", *FROM_STDIN, "--output", target, given=every_kind.pair())
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    second.task("import", str(target))
    assert second.exported() == every_kind.exported()


def test_this_computers_settings_are_enough(paired):
    """If this fails, a computer that is set up asks for the pairing code that it has."""
    done = paired.tcsync("export")
    assert done.returncode == 0, done.stderr
    assert attributes(done.stdout) == paired.exported()


def test_no_taskwarrior_is_needed(paired, new_computer):
    """If this fails, a computer that cannot install Taskwarrior cannot rescue tasks."""
    bare = new_computer(has_task=False)
    assert exported(bare, paired.pair())[0] == paired.exported()


def test_a_client_id_and_a_secret_do_as_well_as_a_code(server, paired, second, tmp_path):
    """If this fails, a person who kept the three settings, and no pairing code, cannot rescue tasks."""
    secret = tmp_path / "secret"
    secret.write_text(paired.secret(), encoding="utf-8")
    flags = ("--client-id", paired.json("show")["client_id"], "--secret-file", secret, "--server-url", server.url)
    assert attributes(second.tcsync("export", *flags).stdout) == paired.exported()


def test_a_server_that_has_moved_is_named_beside_the_code(server, paired, second):
    """If this fails, a pairing code is worthless once the server has another address."""
    with gateway(server.url, "never", None) as url:
        code = paired.pair()
        server.stop()
        assert second.tcsync("export", *FROM_STDIN, given=code).returncode == 5
        server.start()
        assert exported(second, code, "--server-url", url)[0] == paired.exported()


UNREADABLE = {
    "due": "soon",
    "wait": "5",  # Taskwarrior imports 1970, and then fails to export it.
    "until": "99999999999999",
    "scheduled": "-1780000000",
    "status": "frozen",
    "imask": "x",
    "annotation_abc": "an undated note",
    "dep_xyz": "x",
    "tag_": "x",
    "tags": "only,in,the,list",
    "annotations": "[]",
    "id": "7",
    "uuid": "another",
    "urgency": "high",
}


def test_malformed_properties_are_texts_that_taskwarrior_imports(paired, second):
    """If this fails, one property that some program has spoilt stops the rescue of all tasks, or is lost."""
    task_id, operations = new_task(description="Spoilt", **UNREADABLE)
    change(paired.pair(), *operations)
    tasks, remarks = exported(second, paired.pair())
    spoilt = tasks[task_id]
    assert {f"unreadable_{name}": value for name, value in UNREADABLE.items()}.items() <= spoilt.items()
    assert spoilt["description"] == "Spoilt" and spoilt["uuid"] == task_id
    for name in UNREADABLE:
        assert f'task {task_id}: the property "{name}"' in remarks
    assert "an undated note" not in remarks, "a task's text is in the log of a script"
    assert "1 task has properties that Taskwarrior cannot read" in remarks
    second.write_taskrc("")
    file = second.home / "all.json"
    file.write_text(json.dumps(list(tasks.values())), encoding="utf-8")
    second.task("import", str(file))
    imported = second.exported()
    assert imported.keys() == tasks.keys()
    assert imported[task_id].items() >= {(f"unreadable_{name}", value) for name, value in UNREADABLE.items()}


@pytest.mark.parametrize("seconds", [315_532_799, 315_532_800, 253_402_293_598, 253_402_293_599])
def test_the_limits_of_dates_are_those_of_taskwarrior(paired, second, seconds):
    """If this fails, Taskwarrior refuses a date in the file, or a date that it can read is exported as text."""
    task_id, operations = new_task(description="At the limit", due=str(seconds))
    change(paired.pair(), *operations)
    tasks, _ = exported(second, paired.pair())
    second.write_taskrc("")
    file = second.home / "all.json"
    file.write_text(json.dumps([tasks[task_id]]), encoding="utf-8")
    second.task("import", str(file))
    assert second.exported() == {task_id: tasks[task_id]}


def test_a_terminal_gets_no_control_characters(paired, second):
    """If this fails, a task of another computer can take over the terminal on which it is shown."""
    evil = "\x1b]0;title\x07\x9b31m\x7f\u2028"
    task_id, operations = new_task(description=evil, **{f"due{evil}": "x", f"dep_{evil}": "x"})
    change(paired.pair(), *operations)
    done = second.tcsync("export", *FROM_STDIN, given=paired.pair())
    assert attributes(done.stdout)[task_id]["description"] == evil
    for character in evil:
        assert character in "0;title31m]" or character not in done.stdout + done.stderr, repr(character)


def test_halves_of_characters_do_not_stop_an_export():
    """If this fails, one escape in a history that is no character ends the rescue with a traceback."""
    found, unreadable = task_attributes(UUID(int=1), {"description": "a\ud800", "b\udfff": "c"})
    assert found["unreadable_description"] == "a\N{REPLACEMENT CHARACTER}"
    assert found["unreadable_b\N{REPLACEMENT CHARACTER}"] == "c"
    assert len(unreadable) == 2
    assert json.dumps(found, ensure_ascii=False).encode()


def test_a_name_that_is_taken_is_not_overwritten():
    """If this fails, a property is lost when another one already has the name that it gets."""
    found, _ = task_attributes(UUID(int=1), {"due": "soon", "unreadable_due": "mine"})
    assert (found["unreadable_due"], found["unreadable_unreadable_due"]) == ("mine", "soon")


def test_a_client_without_tasks_has_an_empty_array(server, first, second):
    """If this fails, a script cannot tell an empty list of tasks from a failure."""
    assert first.tcsync("setup", "--first-computer", "--server-url", server.url).returncode == 0
    done = second.tcsync("export", *FROM_STDIN, given=first.pair())
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


class TestFile:
    def test_only_its_owner_can_read_it(self, paired, second):
        """If this fails, other users of the computer can read all tasks."""
        target = second.home / "all.json"
        previous = os.umask(0)
        try:
            done = second.tcsync("export", *FROM_STDIN, "--output", target, given=paired.pair())
        finally:
            os.umask(previous)
        assert done.returncode == 0
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert attributes(target.read_text(encoding="utf-8")) == paired.exported()
        assert second.files().keys() == {"all.json"}, "a temporary file was left"

    @pytest.mark.parametrize("kind", ["file", "dangling link"])
    def test_an_existing_file_is_kept(self, paired, second, kind):
        """If this fails, an export silently replaces the one that was the better."""
        target = second.home / "all.json"
        if kind == "file":
            target.write_text("mine", encoding="utf-8")
        else:
            target.symlink_to("nowhere")
        before = second.files()
        done = second.tcsync("export", *FROM_STDIN, "--output", target, given=paired.pair())
        assert (done.returncode, "[output-exists]" in done.stderr) == (8, True)
        assert second.files() == before

    def test_a_file_that_comes_meanwhile_is_kept(self, server, paired, second):
        """If this fails, two exports at once replace each other's file without --force."""
        target = second.home / "all.json"

        def answer(pass_on):
            target.write_text("mine", encoding="utf-8")
            return pass_on()

        with gateway(server.url, "GET /v1/client/get-child-version/", answer) as url:
            done = second.tcsync("export", *FROM_STDIN, "--server-url", url, "--output", target, given=paired.pair())
        assert (done.returncode, "[output-exists]" in done.stderr) == (8, True)
        assert target.read_text(encoding="utf-8") == "mine"
        assert second.files().keys() == {"all.json"}

    def test_force_replaces_the_target_of_a_link(self, paired, second):
        """If this fails, --force keeps the old export, or turns a link to another disk into a file here."""
        real = second.home / "real.json"
        real.write_text("old", encoding="utf-8")
        link = second.home / "all.json"
        link.symlink_to("real.json")
        assert second.tcsync("export", *FROM_STDIN, "--output", link, "--force", given=paired.pair()).returncode == 0
        assert link.is_symlink()
        assert attributes(real.read_text(encoding="utf-8")) == paired.exported()

    @pytest.mark.parametrize("force", [(), ("--force",)])
    def test_a_device_is_no_file_to_replace(self, paired, second, force):
        """If this fails, root replaces /dev/null or /dev/stdout by a file with all tasks."""
        done = second.tcsync("export", *FROM_STDIN, "--output", "/dev/null", *force, given=paired.pair())
        assert (done.returncode, "[output-failed]" in done.stderr) == (1, True), done.stderr
        assert Path("/dev/null").is_char_device()

    def test_a_failed_export_leaves_the_old_file(self, server, paired, second):
        """If this fails, an export that breaks off in the middle costs the last good one."""
        target = second.home / "all.json"
        target.write_text("old", encoding="utf-8")
        before = second.files()
        broken = (200, {"Content-Length": "100"}, b"half")
        with gateway(server.url, "GET /v1/client/(get-child|snapshot)", lambda _pass_on: broken) as url:
            flags = ("--server-url", url, "--output", target, "--force")
            assert second.tcsync("export", *FROM_STDIN, *flags, given=paired.pair()).returncode == 5
        assert second.files() == before

    def test_a_missing_directory_is_reported(self, paired, second):
        """If this fails, a mistyped path ends in a traceback."""
        target = second.home / "no" / "all.json"
        done = second.tcsync("export", *FROM_STDIN, "--output", target, given=paired.pair())
        assert (done.returncode, "No such file or directory" in done.stderr) == (1, True)


def test_a_full_disk_behind_standard_output_is_an_error(paired):
    """If this fails, `tcsync export > file` on a full disk looks like a success."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*paired.program, "export"], env=paired.environment, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert b"[output-failed]" in done.stderr and b"Traceback" not in done.stderr


def test_a_reader_that_leaves_gets_one_line(paired):
    """If this fails, `tcsync export | head` shows Python's own complaint."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*paired.program, "export"], env=paired.environment, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.returncode == 1
    assert b"[output-failed]" in done.stderr and b"Exception" not in done.stderr


WRONG = {
    "credentials-needed": (9, (), ""),
    "pairing-code-invalid": (6, FROM_STDIN, "TCSYNC-ABC"),
    "secret-unreadable": (2, ("--pairing-code-file", "/no/such/file"), ""),
    "flags-conflict": (2, ("--client-id", str(uuid4())), ""),
}


@pytest.mark.parametrize("identifier", WRONG)
def test_missing_and_wrong_credentials_are_named(second, identifier):
    """If this fails, a person who has the pairing code is not told how to give it."""
    status, flags, given = WRONG[identifier]
    done = second.tcsync("export", *flags, given=given)
    assert (done.returncode, f"[{identifier}]" in done.stderr) == (status, True), done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "flags",
    [
        ("--force",),
        ("--from", "-", "--pairing-code-file", "-"),
        ("--from", "file", "--server-url", "http://localhost"),
        ("--pairing-code-file", "-", "--client-id", str(uuid4())),
        ("--secret-file", "-", "--secret-fd", "0"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(second, flags):
    """If this fails, a flag is ignored without a word."""
    done = second.tcsync("export", *flags)
    assert (done.returncode, "[flags-conflict]" in done.stderr) == (2, True), done.stderr


def test_a_wrong_secret_and_a_wrong_client_are_told_apart(server, paired, second):
    """If this fails, an export with a mistyped value is an empty file that looks like a success."""
    client_id = paired.json("show")["client_id"]
    for identifier, client, secret in [
        ("unseal-wrong-key", client_id, "0" * 64),
        ("history-empty", str(uuid4()), paired.secret()),
    ]:
        flags = ("--server-url", server.url, "--client-id", client, "--secret-file", "-")
        done = second.tcsync("export", *flags, given=secret)
        assert (done.returncode, f"[{identifier}]" in done.stderr, done.stdout) == (6, True, "")


def test_a_page_that_is_no_sync_server_is_reported(paired, second):
    """If this fails, a wrong URL gives an empty export."""
    with answering(404) as url:
        done = second.tcsync("export", *FROM_STDIN, "--server-url", url, given=paired.pair())
    assert (done.returncode, "[remote-broken-answer]" in done.stderr, done.stdout) == (5, True, "")


def test_poison_in_the_history_is_reported(paired, second):
    """If this fails, an export that lacks the tasks behind a damaged version looks complete."""
    with Replica.in_memory() as replica, RemoteServer(decode_pairing_code(paired.pair())) as remote:
        replica.sync(remote)
        remote.add_version(replica.state().base_version_id, b'{"operations":[{"Explode":{}}]}')
    done = second.tcsync("export", *FROM_STDIN, given=paired.pair())
    assert (done.returncode, "[history-unreadable]" in done.stderr, done.stdout) == (6, True, "")


def test_an_export_sends_nothing(server, paired, second):
    """If this fails, looking at tasks changes the history that it looks at."""
    refused = (500, {}, b"")
    with gateway(server.url, "POST", lambda _pass_on: refused) as url:
        assert exported(second, paired.pair(), "--server-url", url)[0] == paired.exported()


def test_ctrl_c_ends_an_export(server, paired, second):
    """If this fails, a server that says nothing holds the terminal, or a half of a file is left."""
    asked, ended = threading.Event(), threading.Event()

    def answer(pass_on):
        asked.set()
        ended.wait(TIMEOUT_S)
        return pass_on()

    code = second.home / "code"
    code.write_text(paired.pair(), encoding="utf-8")
    flags = ("--pairing-code-file", code, "--output", second.home / "all.json")
    with gateway(server.url, "GET /v1/client/get-child-version/", answer) as url:
        terminal = second.terminal("export", *flags, "--server-url", url)
        assert asked.wait(TIMEOUT_S)
        terminal.interrupt()
        assert terminal.end() == 130, terminal.screen
        ended.set()
    assert "[interrupted]" in terminal.screen
    assert second.files().keys() == {"code"}


def test_sigterm_leaves_no_file(server, paired, second):
    """If this fails, a service that is stopped while it exports leaves a half of a file."""
    target = second.home / "all.json"
    terminals = []

    def answer(pass_on):
        os.kill(terminals[0].pid, signal.SIGTERM)
        return pass_on()

    code = second.home / "code"
    code.write_text(paired.pair(), encoding="utf-8")
    with gateway(server.url, "GET /v1/client/get-child-version/", answer) as url:
        terminals.append(
            second.terminal("export", "--pairing-code-file", code, "--server-url", url, "--output", target)
        )
        assert terminals[0].end() == 130
    assert second.files().keys() == {"code"}
