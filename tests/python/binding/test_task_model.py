"""Tasks as Taskwarrior reads and writes them: the same properties as the real one writes, recorded and at work."""

import json
import shutil
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskwarrior import Replica as Computer
from taskwarrior import User

from tcsync import Create, Delete, Replica, TaskModelError, Update, task_model
from tcsync.task_model import Annotation, Status

TASK, OTHER = uuid4(), uuid4()
NOW = datetime(2026, 11, 22, 13, 2, 23, 797474, tzinfo=timezone.utc)
LATER = NOW + timedelta(hours=1)


def seconds(moment):
    return str(int(moment.timestamp()))


def applied(task, operations):
    """The properties after operations, which may begin with a creation."""
    task = dict(task)
    for operation in operations:
        match operation:
            case Create():
                assert not task
            case Update(property=name, value=None):
                del task[name]
            case Update(property=name, value=value):
                task[name] = value
            case Delete():
                raise AssertionError("the task model never deletes a task for ever")
    return task


@pytest.fixture
def task():
    return applied({}, task_model.add(TASK, "Buy milk", now=NOW))


class TestRecorded:
    """Against the operations that a real Taskwarrior 3.5 has sent."""

    @pytest.fixture
    def recorded(self, blobs):
        """The changes of each task in two versions of one client: lists of (task, properties before, those after)."""
        client = blobs[0].client_id
        tasks, versions = {}, []
        for blob in sorted((b for b in blobs if b.client_id == client and b.kind == "version"), key=self.age):
            before = {task: dict(properties) for task, properties in tasks.items()}
            for operation in json.loads(blob.plaintext)["operations"]:
                ((kind, fields),) = operation.items()
                task = tasks.setdefault(UUID(fields["uuid"]), {})
                if kind == "Update":
                    task[fields["property"]] = fields["value"]
            versions.append([(task, before.get(task, {}), dict(tasks[task])) for task in tasks])
        assert len(versions) == 2
        return versions

    @staticmethod
    def age(blob):
        return json.loads(blob.plaintext)["operations"][-1]["Update"]["timestamp"]

    def test_a_new_task_is_that_of_taskwarrior(self, recorded):
        """If this fails, Taskwarrior shows tasks of other programs differently from its own."""
        for task_id, before, after in recorded[0]:
            assert not before
            made = task_model.add(
                task_id,
                after["description"],
                properties={name: after[name] for name in ("project", "due") if name in after},
                tags=task_model.tags_of(after),
                now=task_model.date_of(after, "entry"),
            )
            assert applied({}, made) == after
        assert {len(after) for _, _, after in recorded[0]} == {4, 8}

    def test_a_completed_task_is_that_of_taskwarrior(self, recorded):
        """If this fails, a task that was completed by another program is not completed in Taskwarrior."""
        completed = 0
        for task_id, before, after in recorded[1]:
            now = task_model.date_of(after, "modified")
            if after["status"] == "completed":
                completed += 1
                assert applied(before, task_model.complete(task_id, before, now=now)) == after
            elif before:
                changed = {"priority": after["priority"]}
                assert applied(before, task_model.modify(task_id, before, properties=changed, now=now)) == after
        assert completed == 1


@pytest.fixture
def computer(task_client):
    home = tempfile.mkdtemp(prefix="replica-", dir=task_client.root / "tmp")
    made = Computer(task_client, home, "http://127.0.0.1:1", User())
    made.directory = Path(home) / "data"
    yield made
    shutil.rmtree(home)


class TestRealTaskwarrior:
    def test_taskwarrior_reads_all_that_was_written(self, computer):
        """If this fails, Taskwarrior lacks tags, dependencies, notes or dates that another program has set."""
        with Replica(computer.directory) as replica:
            replica.commit(task_model.add(OTHER, "Go to the shop"))
            replica.commit(
                task_model.add(
                    TASK, "Buy milk", properties={"due": LATER, "project": "home"}, tags=["shop"], dependencies=[OTHER]
                )
            )
            replica.commit(task_model.annotate(TASK, replica.task(TASK), "two litres", now=NOW))
        exported = computer.export()[str(TASK)]
        assert exported["tags"] == ["shop"] and exported["depends"] == [str(OTHER)]
        assert exported["annotations"] == [{"entry": f"{NOW:%Y%m%dT%H%M%SZ}", "description": "two litres"}]
        assert exported["due"] == f"{LATER:%Y%m%dT%H%M%SZ}" and exported["project"] == "home"

    def test_all_that_taskwarrior_wrote_is_read(self, computer):
        """If this fails, a program shows other tasks than Taskwarrior."""
        shop, milk = (
            computer.add("Go to the shop"),
            computer.add("Buy milk", "+shop", "+now", "due:2030-01-02T03:04:05Z"),
        )
        computer.task(milk, "modify", f"depends:{shop}")
        computer.task(milk, "annotate", "two litres")
        computer.task(milk, "start")
        with Replica(computer.directory) as replica:
            task = replica.task(UUID(milk))
        assert task_model.tags_of(task) == {"shop", "now"} and task_model.dependencies_of(task) == {UUID(shop)}
        assert [each.description for each in task_model.annotations_of(task)] == ["two litres"]
        assert task_model.date_of(task, "due") == datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
        assert task_model.status_of(task) is Status.PENDING and task_model.date_of(task, "start")
        computer.task(milk, "done")
        with Replica(computer.directory) as replica:
            done = replica.task(UUID(milk))
        assert applied(task, task_model.complete(UUID(milk), task, now=task_model.date_of(done, "end"))) == done


class TestReading:
    def test_unknown_and_damaged_properties_are_passed_over(self):
        """If this fails, one odd property of another program makes a task unreadable."""
        odd = {
            "status": "wishful",
            "due": "tomorrow",
            "wait": "9" * 30,
            "until": "9" * 5000,
            "tag_": "x",
            "tag_ok": "",
            "annotation_x": "no",
            "annotation_7": "yes",
            "dep_x": "x",
            f"dep_{OTHER}": "",
        }
        assert task_model.status_of(odd) is None
        assert [task_model.date_of(odd, name) for name in ("due", "wait", "until", "end")] == [None] * 4
        assert task_model.tags_of(odd) == {"ok"} and task_model.dependencies_of(odd) == {OTHER}
        assert task_model.annotations_of(odd) == [Annotation(datetime(1970, 1, 1, 0, 0, 7, tzinfo=timezone.utc), "yes")]

    def test_a_task_without_properties_is_pending(self):
        """If this fails, a task disappears from lists because another computer wrote only a part of it."""
        assert task_model.status_of({}) is Status.PENDING
        assert not task_model.tags_of({}) and not task_model.annotations_of({}) and not task_model.dependencies_of({})

    @given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones()))
    def test_dates_are_kept_in_seconds(self, moment):
        """If this fails, a due date moves when it is written and read."""
        made = task_model.add(TASK, "x", properties={"due": moment}, now=NOW)
        due = task_model.date_of(applied({}, made), "due")
        assert timedelta(0) <= moment - due < timedelta(seconds=1)


class TestChanging:
    def test_a_change_sets_modified_once(self, task):
        """If this fails, Taskwarrior sorts tasks by a wrong age."""
        operations = task_model.modify(TASK, task, properties={"project": "home"}, add_tags=["a", "b"], now=LATER)
        assert [operation.property for operation in operations] == ["modified", "project", "tag_a", "tag_b", "tags"]
        assert applied(task, operations)["modified"] == seconds(LATER)
        assert {operation.timestamp for operation in operations} == {LATER}

    def test_nothing_is_written_without_a_change(self, task):
        """If this fails, a click without an effect overrides the changes of another computer."""
        assert task_model.modify(TASK, task, properties={"description": "Buy milk", "due": None, "x": ""}) == []
        assert task_model.modify(TASK, task, status=Status.PENDING, remove_tags=["a"]) == []
        assert task_model.stop(TASK, task) == task_model.remove_annotation(TASK, task, NOW) == []
        started = applied(task, task_model.start(TASK, task, now=LATER))
        assert task_model.start(TASK, started) == []

    def test_given_dates_are_kept(self, task):
        """If this fails, an import gives all tasks the age of the import."""
        made = applied({}, task_model.add(TASK, "old", properties={"entry": NOW, "modified": NOW}, now=LATER))
        assert made["entry"] == made["modified"] == seconds(NOW)
        assert applied(task, task_model.modify(TASK, task, properties={"modified": "5"}, now=LATER))["modified"] == "5"

    def test_tags_and_their_list_agree(self, task):
        """If this fails, programs that read the list show other tags than Taskwarrior."""
        task = applied(task, task_model.modify(TASK, task, add_tags=["home", "Work", "é"]))
        assert task["tags"] == "Work,home,é" and task["tag_home"] == "x"
        task = applied(task, task_model.modify(TASK, task, add_tags=["new"], remove_tags=["home", "é"]))
        assert task["tags"] == "Work,new" and task_model.tags_of(task) == {"Work", "new"}
        task = applied(task, task_model.modify(TASK, task, remove_tags=["new", "Work"]))
        assert "tags" not in task and not task_model.tags_of(task)

    def test_dependencies_and_their_list_agree(self, task):
        """If this fails, programs that read the list show other dependencies than Taskwarrior."""
        third = uuid4()
        task = applied(task, task_model.modify(TASK, task, add_dependencies=[third, OTHER]))
        assert task["depends"] == ",".join(sorted([str(third), str(OTHER)]))
        task = applied(task, task_model.modify(TASK, task, remove_dependencies=[third]))
        assert task["depends"] == str(OTHER) and task_model.dependencies_of(task) == {OTHER}
        task = applied(task, task_model.modify(TASK, task, remove_dependencies=[OTHER]))
        assert "depends" not in task and not task_model.dependencies_of(task)

    def test_the_end_follows_the_status(self, task):
        """If this fails, reports of completed tasks lack some, or a reopened task counts as ended."""
        started = applied(task, task_model.start(TASK, task, now=NOW))
        done = applied(started, task_model.complete(TASK, started, now=LATER))
        assert (done["status"], done["end"], "start" in done) == ("completed", seconds(LATER), False)
        assert applied(done, task_model.delete(TASK, done, now=LATER + timedelta(1)))["end"] == done["end"]
        reopened = applied(done, task_model.modify(TASK, done, status=Status.PENDING))
        assert reopened["status"] == "pending" and "end" not in reopened
        deleted = applied(started, task_model.delete(TASK, started, now=LATER))
        assert (deleted["status"], deleted["end"], "start" in deleted) == ("deleted", seconds(LATER), True)
        again = applied(done, task_model.start(TASK, done, now=LATER))
        assert (again["status"], again["start"], "end" in again) == ("pending", seconds(LATER), False)

    def test_the_status_comes_last(self, task):
        """If this fails, a task joins the working set before it has a description."""
        assert task_model.add(TASK, "x", properties={"zone": "z"}, tags=["t"])[-1].property == "status"

    def test_annotations_of_one_second_are_kept(self, task):
        """If this fails, the second of two quick notes replaces the first one."""
        for text in ("one", "two", "three"):
            task = applied(task, task_model.annotate(TASK, task, text, now=NOW))
        notes = task_model.annotations_of(task)
        assert [note.description for note in notes] == ["one", "two", "three"]
        assert "two" not in repr(notes)
        task = applied(task, task_model.remove_annotation(TASK, task, notes[1].entry))
        assert [note.description for note in task_model.annotations_of(task)] == ["one", "three"]


class TestRefusals:
    @pytest.mark.parametrize("tag", ["", " ", "a b", "+a", "-", "1a", "a:b", "a,b", "WAITING", "ABC", "(", "\ta"])
    def test_tags_that_taskwarrior_cannot_read(self, task, tag):
        """If this fails, a task gets a tag that no filter finds and no command removes."""
        with pytest.raises(TaskModelError, match="cannot be a tag"):
            task_model.modify(TASK, task, add_tags=[tag])
        assert task_model.modify(TASK, {**task, f"tag_{tag}": "x"}, remove_tags=[tag]), "a bad one can be removed"

    @pytest.mark.parametrize("tag", ["z", ":abc", "🦀", "🦀x", "a123_456", "Abc", "É"])
    def test_tags_that_taskwarrior_can_read(self, task, tag):
        """If this fails, a tag that a person has in Taskwarrior cannot be given to another task."""
        assert task_model.tags_of(applied(task, task_model.modify(TASK, task, add_tags=[tag]))) == {tag}

    @pytest.mark.parametrize("name", ["status", "tags", "depends", "tag_a", f"dep_{OTHER}", "annotation_5"])
    def test_properties_with_rules_of_their_own(self, task, name):
        """If this fails, a change by name leaves a list or a date behind that contradicts it."""
        with pytest.raises(TaskModelError, match="rules of its own"):
            task_model.modify(TASK, task, properties={name: "x"})

    def test_empty_texts_and_dates_without_a_zone(self, task):
        """If this fails, Taskwarrior gets a task that it cannot show, or a date that is off by hours."""
        for description in ("", " ", None, NOW):
            with pytest.raises(TaskModelError, match="description"):
                task_model.modify(TASK, task, properties={"description": description})
        with pytest.raises(TaskModelError, match="description"):
            task_model.add(TASK, "")
        with pytest.raises(TaskModelError, match="annotation"):
            task_model.annotate(TASK, task, "\n")
        for changes in ({"now": datetime(2026, 1, 1)}, {"properties": {"due": datetime(2026, 1, 1)}}):
            with pytest.raises(TaskModelError, match="time zone"):
                task_model.add(TASK, "x", **changes)

    def test_a_dependency_on_itself(self, task):
        """If this fails, a task blocks itself for ever."""
        with pytest.raises(TaskModelError, match="itself"):
            task_model.modify(TASK, task, add_dependencies=[TASK])
