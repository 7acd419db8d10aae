"""Random schedules of computers on which our replica and TaskChampion's use the same database in turn: changes, undo,
syncs, two syncs at once, programs that are killed in the middle of one, batches of more than a megabyte. If these fail,
a person who uses Taskwarrior and a program with our replica sees different tasks in them, or loses an edit.
"""

import random
import sqlite3
import threading
import uuid

import pytest
from taskwarrior import User

KINDS = ("tcsync", "taskchampion")
PROPERTIES = ("description", "status", "project", "modified", "big")
START = 1_700_000_000


class Computer:
    """One database, and a program of each kind that uses it."""

    def __init__(self, directory, start_program, server_url, user):
        self.directory = directory
        self.programs = {kind: start_program(kind, directory, server_url, user) for kind in KINDS}

    def tasks(self, kind):
        return self.programs[kind]("tasks", PROPERTIES)


class Schedule:
    """One seed's events."""

    def __init__(self, seed, computers):
        self._random = random.Random(seed)
        self._computers = computers
        self._task_ids = [str(uuid.UUID(int=self._random.getrandbits(128), version=4)) for _ in range(5)]

    def run(self, steps):
        for _ in range(steps):
            computer = self._random.choice(self._computers)
            program = computer.programs[self._random.choice(KINDS)]
            self._random.choices(
                (self._change, self._undo, self._sync, self._sync_twice, self._kill, self._change_much, self._refused),
                weights=(8, 1, 4, 2, 2, 1, 1),
            )[0](computer, program)

    def _update(self, task_id, name, value):
        # Few times, so that ties occur; later ones may be synced before earlier ones.
        seconds, microseconds = START + self._random.randrange(3), self._random.choice(("", ".5", ".000001"))
        stamp = f"2023-11-14T22:13:{20 + seconds - START}{microseconds.ljust(7, '0') if microseconds else ''}Z"
        return {"Update": {"uuid": task_id, "property": name, "value": value, "timestamp": stamp}}

    def _change(self, computer, program):
        tasks = set(computer.tasks("tcsync"))
        operations = [{"UndoPoint": {}}] if self._random.random() < 0.5 else []
        for _ in range(self._random.randint(1, 4)):
            task_id = self._random.choice(self._task_ids)
            if task_id not in tasks:
                operations.append({"Create": {"uuid": task_id}})
                tasks.add(task_id)
            elif self._random.random() < 0.1:
                operations.append({"Delete": {"uuid": task_id, "properties": PROPERTIES}})
                tasks.discard(task_id)
            else:
                name = self._random.choice(PROPERTIES[:-1])
                value = self._random.choice(("pending", "completed", "é\n\"\\", "", None))
                operations.append(self._update(task_id, name, value))
        assert program("commit", operations) == "done"

    def _change_much(self, computer, _program):
        """More than a version holds. TaskChampion would not rebase its own (its issue 686), so this is ours."""
        operations = [
            self._update(task_id, name, letter * 400_000)
            for letter, name in (("a", "big"), ("b", "project"), ("c", "big"))
            for task_id in computer.tasks("tcsync")
        ]
        assert computer.programs["tcsync"]("commit", operations) == "done"

    def _refused(self, computer, program):
        """Of a task that nobody has: TaskChampion commits and sends it, and it changes nothing anywhere."""
        invalid = self._update(str(uuid.UUID(int=self._random.getrandbits(128), version=4)), "project", "x")
        expected = "done" if program is computer.programs["taskchampion"] else "invalid_operation"
        assert program("commit", [invalid]) == expected

    def _undo(self, _computer, program):
        assert program("undo") in (True, False)

    def _sync(self, _computer, program):
        assert program("sync") == "done"

    def _sync_twice(self, _computer, _program):
        """Two programs at once, on two computers or on one."""
        chosen = self._random.sample([program for one in self._computers for program in one.programs.values()], 2)
        for program in chosen:
            program.begin("sync")
        assert {program.answer() for program in chosen} <= {"done", "busy"}

    def _kill(self, _computer, program):
        program("tasks", ())  # It runs.
        program.begin("sync")
        threading.Event().wait(self._random.random() * 0.6)  # The moment is what is random; nothing is awaited.
        program.kill()

    def finish(self):
        """Two rounds, after which each computer has all changes of all."""
        for _ in range(2):
            for computer in self._computers:
                assert computer.programs[self._random.choice(KINDS)]("sync") == "done"


def check_database(directory):
    with sqlite3.connect(f"file:{directory}/taskchampion.sqlite3?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT count(*) FROM operations WHERE NOT synced").fetchone() == (0,)


@pytest.fixture
def new_computer(tmp_path, start_program, server):
    """Makes a computer with an empty database."""
    made = []

    def make(user):
        directory = tmp_path / f"computer{len(made)}"
        directory.mkdir()
        made.append(Computer(directory, start_program, server.url, user))
        return made[-1]

    return make


def test_all_computers_end_with_the_same_tasks(seed, new_computer, user):
    """If this fails, an order of events exists after which two computers show different tasks."""
    count = 2 + seed % 5 if seed % 3 == 0 else 2
    schedule = Schedule(seed, [new_computer(user) for _ in range(count)])
    schedule.run(steps=30)
    schedule.finish()
    computers = schedule._computers
    expected = computers[0].tasks("tcsync")
    for computer in computers:
        check_database(computer.directory)
        for kind in KINDS:
            assert computer.tasks(kind) == expected, (computer.directory, kind)
    # New computers, of both kinds, begin with a snapshot if the server has one.
    for kind in KINDS:
        fresh = new_computer(user)
        assert fresh.programs[kind]("sync") == "done"
        assert fresh.tasks("taskchampion") == expected, kind


def test_the_real_taskwarrior_agrees(server, new_replica, start_program):
    """If this fails, Taskwarrior does not open a database that we have written, or shows other tasks in it."""
    user = User()
    homes = [new_replica(server.url, user) for _ in range(2)]
    programs = [start_program("tcsync", home._home / "data", server.url, user) for home in homes]
    computers = list(zip(homes, programs, strict=True))
    chosen = random.Random(7)
    for round_number in range(4):
        for number, (home, program) in enumerate(computers):
            added = home.add(f"from Taskwarrior {number} {round_number}", "project:home", "+next")
            task_id = str(uuid.uuid4())
            stamp = {"timestamp": f"2026-01-02T03:04:0{round_number}.123456789Z"}
            operations = [{"Create": {"uuid": task_id}}]
            for name, value in {
                "description": f"from us {number} {round_number}", "status": "pending", "entry": "1767323045",
            }.items():  # fmt: skip
                operations.append({"Update": {"uuid": task_id, "property": name, "value": value, **stamp}})
            assert program("commit", operations) == "done"
            later = {"timestamp": "2036-01-01T00:00:00Z"}
            changed = {"uuid": added, "property": "project", "value": f"office {number}", **later}
            assert program("commit", [{"Update": changed}]) == "done"
            home.task(added, "modify", "priority:H")
            if chosen.random() < 0.5:
                home.task(task_id, "done")
        for home, program in chosen.sample(computers, 2):
            if chosen.random() < 0.5:
                home.sync()
            else:
                assert program("sync") == "done"
    for home, program in (*computers, *computers):
        home.sync()
        assert program("sync") == "done"
    exported = [home.export() for home, _program in computers]
    assert len(exported[0]) == 16
    assert exported[0] == exported[1]
    for task in exported[0].values():
        if task["description"].startswith("from Taskwarrior"):
            assert task["project"].startswith("office") and task["priority"] == "H" and task["tags"] == ["next"]
    # Taskwarrior shows the numbers of the working set that we have made.
    for home, program in computers:
        program("rebuild")
        assert "from us 0 0" in home.task("rc.gc=off", "all").stdout
