"""Setups, exchanges, rotations, moves and syncs in random order on the four computers of one person, with the real
Taskwarrior. If this fails, some way through them loses an edit.

TCSYNC_GENERATED_SEEDS=100-200 runs those schedules instead of the one of every run.
"""

import os
import random
import time
from datetime import datetime, timezone
from uuid import uuid4

import pytest
from test_joining import raw_tasks

from tcsync import Create, Replica, Update

COMPUTERS = 4
STEPS = 22
PROPERTIES = ("description", "project", "estimate", "tag_next")


def seeds():
    first, _, last = os.environ.get("TCSYNC_GENERATED_SEEDS", "20261130").partition("-")
    return range(int(first), int(last or first) + 1)


class Person:
    """The edits of one person, and the computers on which they are made."""

    def __init__(self, seed, computers, servers):
        self._random = random.Random(seed)
        self._computers = computers
        self._servers = servers
        #: (task, property) -> the time and value of its latest edit, and all of its values.
        self.latest = {}
        self.values = {}
        #: The decisions that a join has reported as doubtful.
        self.doubtful = set()
        #: After each step: the step, and the tasks of each computer.
        self.log = []
        self.code = None

    def begin(self):
        first, *others = self._computers
        for computer in self._computers:
            computer.write_taskrc("uda.estimate.type=numeric\n")
            self.edit(computer)
        self._setup(first, "--first-computer", "--server-url", self._servers[0].url)
        self.code = first.pair()
        for computer in others:
            self.adopt(computer)
        self._note("begin")

    def step(self):
        computer = self._random.choice(self._computers)
        actions = (self.edit,) * 6 + (self.sync,) * 5 + (self.adopt,) * 4 + (self.rotate, self.move, self.begin_again)
        action = self._random.choice(actions)
        action(computer)
        self._note(f"{action.__name__} {self._computers.index(computer)}")

    def edit(self, computer):
        """Changes one or two properties of a task, completes it, or adds one."""
        known = sorted(raw_tasks(computer), key=str)
        moment = datetime.now(timezone.utc)
        modified = str(int(time.time()))
        if not known or self._random.random() < 0.3:
            task_id = uuid4()
            operations = [Create(task_id)]
            changes = {"status": "pending", "entry": modified, "description": f"task {moment:%H%M%S%f}"}
        else:
            task_id = self._random.choice(known)
            operations = []
            chosen = self._random.sample(PROPERTIES, self._random.randint(1, 2))
            changes = {name: f"{moment:%S%f}" for name in chosen}
            changes.update({name: None for name in chosen if name != "description" and self._random.random() < 0.2})
            if self._random.random() < 0.1:
                changes = {"status": "completed", "end": modified}
        operations += [Update(task_id, name, value, moment) for name, value in changes.items()]
        operations.append(Update(task_id, "modified", modified, moment))
        with Replica(computer.home / ".task") as replica:
            replica.commit(operations)
        for name, value in changes.items():
            self.latest[task_id, name] = (moment, value)
            self.values.setdefault((task_id, name), set()).add(value)

    def sync(self, computer):
        computer.task("sync")

    def rotate(self, computer):
        outcome = computer.json("rotate", "--yes")
        assert "client_id" in outcome, outcome
        self.code = computer.pair()

    def move(self, computer):
        here = computer.json("show")["server_url"]
        there = next(server.url for server in self._servers if server.url != here)
        outcome = computer.json("move", "--server-url", there, "--yes")
        if "client_id" in outcome:
            self.code = computer.pair()
        else:  # This client was there before, and has gone on here since.
            assert [message["id"] for message in outcome["messages"]] == ["client-in-use"], outcome

    def begin_again(self, computer):
        server = self._random.choice(self._servers)
        self._setup(computer, "--first-computer", "--server-url", server.url)
        self.code = computer.pair()

    def adopt(self, computer):
        self._setup(computer, "--pairing-code-file", "-", given=self.code)

    def _setup(self, computer, *flags, given=""):
        outcome = computer.json("setup", "--replace", "--merge", *flags, given=given)
        assert outcome["result"] in ("done", "kept"), outcome
        for doubt in (outcome["join"] or {}).get("doubtful", ()):
            self.doubtful.add((doubt["task"], doubt["property"]))

    def converge(self):
        """Brings all computers together; the tasks that every one has."""
        for number, computer in [*enumerate(self._computers)] * 2:
            self.adopt(computer)
            computer.task("sync")
            self._note(f"converge {number}")
        for computer in self._computers:
            computer.task("sync")
        first, *others = map(raw_tasks, self._computers)
        assert all(other == first for other in others)
        return first

    def _note(self, step):
        self.log.append((step, [raw_tasks(computer) for computer in self._computers]))

    def way_of(self, task_id, name):
        """The property's values on each computer, step by step: times and IDs are others in each run of a seed."""
        lines = [f"{task_id} {name}: the latest edit was {self.latest[task_id, name]}"]
        for step, computers in self.log:
            values = [tasks[task_id].get(name) if task_id in tasks else "no task" for tasks in computers]
            lines.append(f"  {step}: {values}")
        return "\n".join(lines)


@pytest.mark.parametrize("seed", seeds())
def test_no_edit_is_lost(start_server, new_computer, seed):
    person = Person(seed, [new_computer() for _ in range(COMPUTERS)], [start_server(), start_server()])
    person.begin()
    for _ in range(STEPS):
        person.step()
    tasks = person.converge()
    lost = []
    for (task_id, name), (_, value) in person.latest.items():
        found = tasks.get(task_id, {}).get(name)
        if found == value:
            continue
        # Where the time of a change was not known, the merge said so, and kept the value of another edit.
        is_reported = (str(task_id), name) in person.doubtful
        if not is_reported or found not in person.values[task_id, name] | {None}:
            lost.append(person.way_of(task_id, name))
    assert not lost, "\n".join([f"seed {seed}", *lost])
