"""Random schedules of computers on which our replica and TaskChampion's use the same database in turn: changes, undo,
syncs, two syncs at once, programs that are killed in the middle of one, batches of more than a megabyte.
"""

import random
import sqlite3
import threading
import uuid

from programs import Program

KINDS = ("tcsync", "taskchampion")
PROPERTIES = ("description", "status", "project", "modified", "big")
START = 1_700_000_000


class Computer:
    """One database, and a program of each kind that uses it."""

    def __init__(self, directory, programs):
        self.directory = directory
        self.programs = programs

    def tasks(self, kind):
        return self.programs[kind]("tasks", PROPERTIES)


class Schedule:
    """One seed's events."""

    def __init__(self, seed, computers):
        self._seed = seed
        self._random = random.Random(seed)
        self._computers = computers
        self._task_ids = [str(uuid.UUID(int=self._random.getrandbits(128), version=4)) for _ in range(5)]

    def run(self, steps):
        for _ in range(steps):
            computer = self._random.choice(self._computers)
            program = computer.programs[self._random.choice(KINDS)]
            self._random.choices(
                (
                    self._change,
                    self._undo,
                    self._sync,
                    self._sync_twice,
                    self._kill,
                    self._change_much,
                    self._refused,
                ),
                weights=(8, 1, 4, 2, 2, 1, 1),
            )[0](computer, program)

    def _update(self, task_id, name, value):
        # Few times, so that ties occur; later ones may be synced before earlier ones.
        seconds, microseconds = (
            START + self._random.randrange(3),
            self._random.choice(("", ".5", ".000001")),
        )
        stamp = f"2023-11-14T22:13:{20 + seconds - START}{microseconds.ljust(7, '0') if microseconds else ''}Z"
        return {
            "Update": {
                "uuid": task_id,
                "property": name,
                "value": value,
                "timestamp": stamp,
            }
        }

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
                value = self._random.choice(("pending", "completed", 'é\n"\\', "", None))
                operations.append(self._update(task_id, name, value))
        assert program("commit", operations) == "done"

    def _change_much(self, computer, _program):
        """More than a version holds. TaskChampion does not rebase it whole (its issue 686), so we sync it at once."""
        operations = [
            self._update(task_id, name, letter * 400_000)
            for letter, name in (("a", "big"), ("b", "project"), ("c", "big"))
            for task_id in computer.tasks("tcsync")
        ]
        assert computer.programs["tcsync"]("commit", operations) == "done"
        assert computer.programs["tcsync"]("sync") == "done"

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
        """Two rounds, after which each computer has all changes of all. The tasks, which are the same everywhere."""
        for _ in range(2):
            for computer in self._computers:
                assert computer.programs[self._random.choice(KINDS)]("sync") == "done"
        expected = self._computers[0].tasks("tcsync")
        for computer in self._computers:
            check_database(computer.directory)
            for kind in KINDS:
                assert computer.tasks(kind) == expected, f"seed {self._seed}: {kind} on {computer.directory.name}"
        return expected


def check_database(directory):
    with sqlite3.connect(f"file:{directory}/taskchampion.sqlite3?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT count(*) FROM operations WHERE NOT synced").fetchone() == (0,)


def run(seed, directory, server_url, user, python, steps=30):
    """One schedule, in new databases below the directory; AssertionError when two replicas differ at its end. `python`
    has the packages of both kinds."""
    programs = []

    def new_computer():
        path = directory / f"computer{len(programs) // len(KINDS)}"
        path.mkdir()
        started = {kind: Program(kind, path, server_url, user, python) for kind in KINDS}
        programs.extend(started.values())
        return Computer(path, started)

    try:
        schedule = Schedule(seed, [new_computer() for _ in range(2 + seed % 5 if seed % 3 == 0 else 2)])
        schedule.run(steps)
        expected = schedule.finish()
        # New computers, of both kinds, begin with a snapshot if the server has one.
        for kind in KINDS:
            fresh = new_computer()
            assert fresh.programs[kind]("sync") == "done"
            assert fresh.tasks("taskchampion") == expected, f"seed {seed}: a new {kind} replica"
    finally:
        for program in programs:
            program.kill()
