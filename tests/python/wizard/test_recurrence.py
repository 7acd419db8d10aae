"""Recurring tasks on several computers: one makes the repetitions, and the ones that two have made are found."""

import re
import subprocess
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest

from tcsync import read_taskrc
from tcsync.wizard.findings import CommandStopped
from tcsync.wizard.recurrence import describe, doubled, late, makes_repetitions

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
TEMPLATE, OTHER = UUID(int=1), UUID(int=2)
A, B, C = UUID(int=10), UUID(int=11), UUID(int=12)
DAILY = ("due:2026-11-28", "recur:daily")


def seconds(*, days):
    return str(int((NOW + timedelta(days=days)).timestamp()))


def repetition(status="pending", imask="0", parent=TEMPLATE, modified="100", **properties):
    return {"status": status, "parent": str(parent), "imask": imask, "modified": modified, **properties}


def taskrc(tmp_path, text):
    path = tmp_path / "taskrc"
    path.write_text(text, encoding="utf-8")
    return read_taskrc(path)


# Each name is what breaks if the row fails; the last column has the tasks to delete.
DOUBLED = {
    "two computers' repetitions are not found": ([repetition(), repetition()], [A]),
    "the one that a person has worked on is deleted": ([repetition(modified="200"), repetition()], [B]),
    "a completed task has to be done again": ([repetition("completed"), repetition(), repetition()], [B, C]),
    "a third computer's is left": ([repetition(), repetition(), repetition()], [A, B]),
    "Taskwarrior 2's numbers are others": ([repetition(imask="3.000000"), repetition(imask="3")], [A]),
    "a deleted double is reported for ever": ([repetition("deleted"), repetition()], []),
    "nothing is left to do, and it is reported": ([repetition("completed"), repetition("completed")], []),
    "successive repetitions are taken for doubles": ([repetition(imask="0"), repetition(imask="1")], []),
    "two recurring tasks are taken for one": ([repetition(), repetition(parent=OTHER)], []),
    "a task without a number ends it": ([repetition(imask="x"), {"parent": "x", "imask": "1"}, {}], []),
}


@pytest.mark.parametrize("name", DOUBLED)
def test_doubles_are_the_same_repetition_of_the_same_task(name):
    """If this fails, the row's name says what breaks."""
    tasks, surplus = DOUBLED[name]
    found = doubled(dict(zip((A, B, C), tasks, strict=False)))
    assert [task for repetition in found for task in repetition.surplus] == surplus


TEMPLATES = {
    "the last repetition is of today": ({"entry": seconds(days=-90)}, [seconds(days=0)], False),
    "the last one is long over": ({"entry": seconds(days=-90)}, [seconds(days=-9), seconds(days=-4)], True),
    "none was ever made": ({"entry": seconds(days=-90)}, [], True),
    "it was just added elsewhere": ({"entry": seconds(days=-1)}, [], False),
    "its end is over": ({"entry": seconds(days=-90), "until": seconds(days=-1)}, [seconds(days=-9)], False),
    "it has no dates that can be read": ({}, ["tomorrow"], False),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_recurring_task_that_no_computer_repeats_is_found(name):
    """If this fails, recurring tasks end silently when their computer is gone, or the doctor warns without reason."""
    template, dues, expected = TEMPLATES[name]
    tasks = {TEMPLATE: {"status": "recurring", **template}}
    tasks |= {UUID(int=100 + n): repetition(imask=str(n), due=due) for n, due in enumerate(dues)}
    assert late(tasks, NOW) == ([TEMPLATE] if expected else [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", True), ("recurrence=on", True), ("recurrence=YES", True), ("recurrence=off", False), ("recurrence=", False)],
)
def test_the_setting_is_read_as_taskwarrior_reads_it(tmp_path, text, expected):
    """If this fails, the doctor says the opposite of what Taskwarrior does."""
    assert makes_repetitions(taskrc(tmp_path, text)) is expected


@pytest.mark.parametrize("text", ["", "recurrence=on", "recurrence=YES", "recurrence=off", "recurrence="])
def test_taskwarrior_reads_the_setting_alike(first, tmp_path, text):
    """If this fails, the table above is not Taskwarrior's."""
    first.write_taskrc(f"{text}\n")
    first.task("add", "Water plants", *DAILY)
    first.task("count")
    has_repetitions = len(first.exported()) > 1
    assert has_repetitions is makes_repetitions(taskrc(tmp_path, text))


def test_a_computer_without_recurring_tasks_is_well(tmp_path):
    """If this fails, the doctor finds a fault on most computers."""
    assert describe({A: {"status": "pending"}}, taskrc(tmp_path, "recurrence=off")) == "there are no recurring tasks"


def test_a_computer_that_waits_for_repetitions_in_vain_is_told(tmp_path):
    """If this fails, recurring tasks end silently when the computer that made the repetitions is gone."""
    tasks = {TEMPLATE: {"status": "recurring", "entry": seconds(days=-90)}}
    assert describe(tasks, taskrc(tmp_path, ""), NOW).startswith("this computer makes the repetitions")
    with pytest.raises(CommandStopped) as stopped:
        describe(tasks, taskrc(tmp_path, "recurrence=off"), NOW)
    assert stopped.value.finding.problem.identifier == "recurrence-stopped"


def join(first, second, server, *flags):
    """Sets up the first computer and then the second one; the second one's outcome."""
    assert first.json("setup", "--first-computer", "--server-url", server.url)["result"] == "done"
    return second.json("setup", "--pairing-code-file", "-", *flags, given=first.pair())


def list_and_sync(*computers):
    """On each computer a day's use: the listing makes repetitions."""
    for computer in computers:
        computer.task("count")
    for computer in (*computers, *computers):
        computer.task("sync")


def check(computer):
    """The doctor's check of the recurring tasks."""
    return next(check for check in computer.json("doctor")["checks"] if check["check"] == "recurrence")


def repetitions(computer):
    return [(task["imask"], task["status"]) for task in computer.exported().values() if "imask" in task]


def test_the_second_computer_leaves_repetitions_to_the_first(server, first, second):
    """If this fails, every recurring task is doubled on people with two computers."""
    first.add("Buy milk")
    assert join(first, second, server)["result"] == "done"
    assert "recurrence=off\n" in second.taskrc.read_text(encoding="utf-8")
    assert "recurrence" not in first.taskrc.read_text(encoding="utf-8")
    first.task("add", "Water plants", *DAILY)
    first.task("sync", "rc.recurrence=0")
    second.task("sync")
    list_and_sync(second, first)
    made = repetitions(second)
    assert len(made) == len({number for number, _ in made}) > 1
    assert repetitions(first) == made
    assert {check(computer)["status"] for computer in (first, second)} == {"ok"}


def test_doubles_are_found_and_the_remedy_removes_them(server, first, second):
    """If this fails, a person with doubled tasks gets no help, or the advice deletes tasks of which one is left."""
    first.add("Buy milk")
    assert join(first, second, server, "--recurrence")["result"] == "done"
    assert "recurrence" not in second.taskrc.read_text(encoding="utf-8")
    first.task("add", "Water plants", *DAILY)
    first.task("sync", "rc.recurrence=0")
    second.task("sync", "rc.recurrence=0")
    list_and_sync(first, second)
    before = repetitions(first)
    found = check(first)
    assert (found["id"], found["status"]) == ("recurrence-doubled", "failed")
    assert found["text"].startswith(f"{len(before) // 2} repetitions")
    assert check(second)["remedy"] == found["remedy"]

    off, delete, _ = found["remedy"].split("`")[1::2]
    second.task(*off.split()[1:])
    first.task(*delete.split()[1:], "rc.bulk=0")
    list_and_sync(first, second)
    for computer in (first, second):
        left = [number for number, status in repetitions(computer) if status == "pending"]
        assert sorted(left) == sorted({number for number, _ in before})
        assert check(computer)["status"] == "ok"


# Each name is what breaks if the row fails: the setting before, the flags, and the new setting, or None for no change.
SETTINGS = {
    "the setup does not decide it": ("", [], "off"),
    "a person's own setting is replaced": ("recurrence=on", [], None),
    "a person's own setting is written again": ("recurrence=off", [], None),
    "the flag is not obeyed": ("", ["--recurrence"], None),
    "the flag does not replace a setting": ("recurrence=off", ["--recurrence"], "on"),
    "the opposite flag does not replace a setting": ("recurrence=on", ["--no-recurrence"], "off"),
}


def test_a_taskrc_that_computers_share_has_no_setting_of_one_of_them(paired, second):
    """If this fails, the commit of a dotfiles repository ends the repetitions on all computers."""
    repository = second.home / "dotfiles"
    subprocess.run(["git", "init", "--quiet", repository], check=True, timeout=60)
    (repository / "taskrc").write_text("# shared\n", encoding="utf-8")
    second.taskrc.symlink_to(repository / "taskrc")
    outcome = second.json("setup", "--pairing-code-file", "-", given=paired.pair())
    assert outcome["result"] == "done", outcome
    assert second.task("_get", "rc.recurrence").strip() == "off"
    assert "recurrence" not in (repository / "taskrc").read_text(encoding="utf-8")
    left = second.tcsync("off", "--all")
    assert "recurrence=off stays" in left.stdout


def test_a_persons_own_setting_is_changed_by_a_flag_alone(server, paired, second):
    """If this fails, the name of the row that is shown says what breaks; or a dry run hides the change."""
    code, wrong = paired.pair(), {}
    for name, (before, flags, after) in SETTINGS.items():
        second.write_taskrc(f"{before}\n")
        done = second.tcsync("setup", "--pairing-code-file", "-", "--dry-run", *flags, given=code)
        found = re.search(r"set recurrence to (\w+)", done.stdout)
        if (done.returncode, found and found[1]) != (0, after):
            wrong[name] = done.stdout
    assert wrong == {}


def test_a_person_with_recurring_tasks_is_asked(server, first, second):
    """If this fails, a person whose second computer is the one in daily use cannot choose it."""
    first.write_taskrc("")
    first.task("add", "Water plants", *DAILY)
    done = first.tcsync("setup", "--first-computer", "--server-url", server.url)
    assert "This computer makes the repetitions" in done.stdout
    terminal = second.terminal("setup", "--second-computer", "--server-url", server.url)
    terminal.answer("Pairing code", first.pair())
    terminal.answer("Should this computer make the repetitions of recurring tasks?", "")
    assert terminal.end() == 0
    assert "recurrence=off" in terminal.screen
    assert "recurrence=off\n" in second.taskrc.read_text(encoding="utf-8")


def test_a_computer_of_this_history_keeps_its_part(server, paired):
    """If this fails, the first computer's setup with its own pairing code leaves nobody to make the repetitions."""
    code = paired.pair()
    paired.write_taskrc("")
    done = paired.json("setup", "--pairing-code-file", "-", given=code)
    assert done["result"] == "done"
    assert "recurrence" not in paired.taskrc.read_text(encoding="utf-8")
