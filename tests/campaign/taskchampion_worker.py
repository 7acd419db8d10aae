"""Some of TaskChampion's own replicas (taskchampion-py), one at a time in this process: each derives its key for some
tenths of a second of a processor in every sync. Runs in a Python that has the package.

    taskchampion_worker.py DIRECTORY SEED

Each line on standard input is a JSON object: a new replica, `{"replica": NAME, "client_id": ID, "secret": TEXT}`, or
some edits of one, and a sync, `{"replica": NAME, "edits": COUNT, "url": URL}`. A line answers each:
`{"edits": [[TASK, PROPERTY, VALUE], ...], "error": null or why the sync failed}`.

A replica changes tasks of its own, and annotates others' under names that only it uses. So no two replicas ever change
the same property: TaskChampion does not transform again what it has transformed when another replica is faster
(docs/replica.md, "Differences from TaskChampion"), and replicas with such changes may stay different by its own fault.
"""

import datetime
import json
import random
import sys
import uuid
from pathlib import Path

import taskchampion

LARGE_BYTES = 300_000  # more than a server keeps in memory as a whole
# With more than that unsent, TaskChampion makes several versions, of which it transforms only the first.
UNSENT_BYTES_MAX = 600_000


class Replica:
    def __init__(self, directory, number, client_id, secret, source):
        self._replica = taskchampion.Replica.new_on_disk(str(directory), True)
        self._credentials = client_id, secret
        self._annotation = number * 1_000_000
        self._random = source
        self._own = []
        self._unsent_bytes = 0

    def edit(self):
        """Returns what it has set."""
        kind = self._random.choices(["create", "change", "large", "annotate"], [4, 4, 0.15, 2])[0]
        if not self._own:
            kind = "create"
        if kind == "create":
            task = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
            self._own.append(task)
            return self._commit(task, {"status": "pending", "description": self._text()}, is_new=True)
        if kind == "annotate":
            task = self._random.choice(self._replica.all_task_uuids())
            self._annotation += 1
            return self._commit(task, {f"annotation_{self._annotation}": self._text()})
        task = self._random.choice(self._own)
        if kind == "large" and self._unsent_bytes + LARGE_BYTES < UNSENT_BYTES_MAX:
            return self._commit(task, {"notes": self._text() * (LARGE_BYTES // 40)})
        name = self._random.choice(["description", "project", "status"])
        value = self._random.choice(["pending", "completed", "deleted"]) if name == "status" else self._text()
        return self._commit(task, {name: value})

    def sync(self, url):
        self._replica.sync_to_remote(url, *self._credentials, False)
        self._unsent_bytes = 0

    def _text(self):
        return f"Grüße 🎉 {self._random.getrandbits(100):030x}"

    def _commit(self, task, properties, is_new=False):
        operations = taskchampion.Operations()
        if is_new:
            operations.append(taskchampion.Operation.Create(task))
        for name, value in properties.items():
            now = datetime.datetime.now(datetime.timezone.utc)
            operations.append(taskchampion.Operation.Update(task, name, now, value=value))
            self._unsent_bytes += len(value)
        self._replica.commit_operations(operations)
        return [[task, name, value] for name, value in properties.items()]


def main(directory, seed):
    source = random.Random(seed)
    replicas = {}
    for line in sys.stdin:
        order = json.loads(line)
        name, edits, error = order["replica"], [], None
        if "client_id" in order:
            # Names end with the replica's number.
            number = int(name.rpartition("-")[2])
            replicas[name] = Replica(directory / name, number, order["client_id"], order["secret"], source)
        else:
            for _ in range(order["edits"]):
                edits += replicas[name].edit()
            try:
                replicas[name].sync(order["url"])
            except RuntimeError as failure:
                error = str(failure)
        print(json.dumps({"edits": edits, "error": error}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
