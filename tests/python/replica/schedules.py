"""Random schedules of computers on which our replica and TaskChampion's use the same database in turn: changes, undo,
syncs, two syncs at once, programs that are killed in the middle of one, batches of more than a megabyte.

A TaskChampion that does not keep synced operations takes those that we have kept for new ones (docs/replica.md). With
such a release each computer has one kind of replica, ours or TaskChampion's.
"""

import random
import sqlite3
import threading
import uuid

from programs import Origin, Program

KINDS = ("tcsync", "taskchampion")
PROPERTIES = ("description", "status", "project", "modified", "big")
START = 1_700_000_000


class Computer:
    """One database, and a program of each kind that uses it."""

    def __init__(self, directory, programs):
        self.directory = directory
        self.programs = programs

    def tasks(self, kind=None):
        """As the program of this kind sees them, or as any does."""
        return (self.programs[kind] if kind else next(iter(self.programs.values())))("tasks", PROPERTIES)


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
            program = self._random.choice(list(computer.programs.values()))
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
        tasks = set(computer.tasks())
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

    def _change_much(self, computer, program):
        """More than a version holds. TaskChampion does not rebase it whole (its issue 686), so we sync it at once."""
        if "tcsync" not in computer.programs:
            return self._change(computer, program)
        operations = [
            self._update(task_id, name, letter * 400_000)
            for letter, name in (("a", "big"), ("b", "project"), ("c", "big"))
            for task_id in computer.tasks()
        ]
        assert computer.programs["tcsync"]("commit", operations) == "done"
        assert computer.programs["tcsync"]("sync") == "done"

    def _refused(self, computer, program):
        """Of a task that nobody has: TaskChampion commits and sends it, and it changes nothing anywhere."""
        invalid = self._update(str(uuid.UUID(int=self._random.getrandbits(128), version=4)), "project", "x")
        expected = "done" if program is computer.programs.get("taskchampion") else "invalid_operation"
        assert program("commit", [invalid]) == expected

    def _undo(self, _computer, program):
        assert program("undo") in (True, False)

    def _sync(self, _computer, program):
        assert program("sync") == "done"

    def _sync_twice(self, _computer, _program):
        """Two programs at once, on two computers or on one."""
        everywhere = [(one, program) for one in self._computers for program in one.programs.values()]
        (one, first), (other, second) = self._random.sample(everywhere, 2)
        chosen = first, second
        if one is not other and "taskchampion" in (first.kind, second.kind):
            # TaskChampion forgets what it has rebased when another computer is faster (docs/replica.md), so there may
            # be nothing to receive but the other one's new version.
            for program in (first, second, first):
                assert program("sync") == "done"
            self._change(one, first)
            self._change(other, second)
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
                assert self._random.choice(list(computer.programs.values()))("sync") == "done"
        expected = self._computers[0].tasks()
        for computer in self._computers:
            check_database(computer.directory)
            for kind in computer.programs:
                assert computer.tasks(kind) == expected, f"seed {self._seed}: {kind} on {computer.directory.name}"
        return expected


def check_database(directory):
    with sqlite3.connect(f"file:{directory}/taskchampion.sqlite3?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        pending = "WHERE NOT synced" if _keeps_synced(database) else ""
        assert database.execute(f"SELECT count(*) FROM operations {pending}").fetchone() == (0,)


def _keeps_synced(database):
    return "synced" in [column[1] for column in database.execute("PRAGMA table_info(operations)")]


def run(seed, directory, server_url, user, python, steps=30):
    """One schedule, in new databases below the directory; AssertionError when two replicas differ at its end. `python`
    has the packages of both kinds."""
    origins = {kind: Origin(kind, server_url, user, python) for kind in KINDS}
    programs = []
    computers = []

    def start(kind, path):
        programs.append(Program(origins[kind], path))
        return programs[-1]

    def new_computer():
        """Of both kinds where they can share a database, and otherwise of each kind in turn, which is given, too."""
        kind = KINDS[len(computers) % len(KINDS)]
        path = directory / f"computer{len(computers)}"
        path.mkdir()
        kinds = KINDS if are_shared else [kind]
        computers.append(Computer(path, {kind: start(kind, path) for kind in kinds}))
        return computers[-1], kind

    try:
        probe = directory / "probe"
        probe.mkdir()
        start("taskchampion", probe)("tasks", ())
        with sqlite3.connect(f"file:{probe}/taskchampion.sqlite3?mode=ro", uri=True) as database:
            are_shared = _keeps_synced(database)
        for _ in range(2 + seed % 5 if seed % 3 == 0 else 2):
            new_computer()
        schedule = Schedule(seed, list(computers))
        schedule.run(steps)
        expected = schedule.finish()
        # New computers, of both kinds, begin with a snapshot if the server has one.
        for _ in KINDS:
            fresh, first_kind = new_computer()
            assert fresh.programs[first_kind]("sync") == "done"
            for kind in fresh.programs:
                assert fresh.tasks(kind) == expected, f"seed {seed}: {kind} on a new computer"
    finally:
        for program in programs:
            program.kill()
        for origin in origins.values():
            origin.end()
