"""Real replicas, many of them, in a few processes: TaskChampion's own replica cannot leave the thread that made it, and
keeps others of its process waiting while it syncs."""

import multiprocessing
import uuid
from dataclasses import dataclass, field

import taskchampion

WORKERS = 6
# For all replicas of one worker to do their part; each derives a key, for some tenths of a second of work.
ROUND_TIMEOUT_S = 300


@dataclass(frozen=True)
class Client:
    """One user: the credentials that all replicas of one history share."""

    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = field(default_factory=lambda: f"secret-{uuid.uuid4()}")


class _Replica:
    def __init__(self, client):
        self._client = client
        self._replica = taskchampion.Replica.new_in_memory()

    def add(self, description):
        operations = taskchampion.Operations()
        task = self._replica.create_task(str(uuid.uuid4()), operations)
        task.set_description(description, operations)
        task.set_status(taskchampion.Status.Pending, operations)
        self._replica.commit_operations(operations)

    def sync(self, url):
        self._replica.sync_to_remote(url, self._client.client_id, self._client.secret, False)

    def descriptions(self):
        return sorted(task.get_description() for task in self._replica.all_tasks().values())


def _work(pipe, url):
    """Serves one worker's replicas: takes each one's steps, gives its results or its failure."""
    replicas = {}
    while (work := pipe.recv()) is not None:
        results = {}
        for number, steps in work:
            try:
                for step, argument in steps:
                    if step == "new":
                        replicas[number] = _Replica(argument)
                    elif step == "add":
                        replicas[number].add(argument)
                    elif step == "sync":
                        replicas[number].sync(url)
                    elif step == "descriptions":
                        results[number] = replicas[number].descriptions()
            except Exception as failure:
                results[number] = RuntimeError(str(failure))  # one that certainly can be sent
        pipe.send(results)


class Replicas:
    """Replicas by number. Those of neighbouring numbers are in different processes, and so at work at the same time."""

    def __init__(self, url):
        context = multiprocessing.get_context("spawn")
        self._workers = []
        for _ in range(WORKERS):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, url), daemon=True)
            process.start()
            self._workers.append((process, ours))

    def do(self, steps_by_number):
        """Lets every replica do its steps, all workers at once; returns their results. Fails with every failed sync."""
        work_lists = [[] for _ in self._workers]
        for number, steps in steps_by_number.items():
            work_lists[number % WORKERS].append((number, steps))
        for (_, pipe), work in zip(self._workers, work_lists, strict=True):
            pipe.send(work)
        results = {}
        for _, pipe in self._workers:
            assert pipe.poll(ROUND_TIMEOUT_S), f"a worker's replicas were not done within {ROUND_TIMEOUT_S} s"
            results.update(pipe.recv())
        failures = {number: str(result) for number, result in results.items() if isinstance(result, Exception)}
        assert not failures, f"{len(failures)} replicas failed to sync: {failures}"
        return results

    def close(self):
        for process, pipe in self._workers:
            pipe.send(None)
            process.join()
