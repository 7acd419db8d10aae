"""TaskChampion's own replica, through taskchampion-py, with the arguments and the report of
`tcsync-bench-replica receive` and `send`: the same steps, timed by the same rules."""

import argparse
import datetime
import json
import pathlib
import resource
import time

import taskchampion


class Stopwatch:
    """Of this process, since it was made."""

    def __init__(self):
        self._begin, self._processor_begin = time.monotonic(), self._processor_seconds()

    def read(self):
        seconds = time.monotonic() - self._begin
        return {"seconds": seconds, "cpu_seconds": self._processor_seconds() - self._processor_begin}

    @staticmethod
    def _processor_seconds():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime


def commit_task(replica, task_id, properties):
    """As Taskwarrior does for each `task add`."""
    operations = taskchampion.Operations()
    operations.append(taskchampion.Operation.UndoPoint())
    operations.append(taskchampion.Operation.Create(task_id))
    for name, value in properties.items():
        now = datetime.datetime.now(datetime.timezone.utc)
        operations.append(taskchampion.Operation.Update(task_id, name, now, value=value))
    replica.commit_operations(operations)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["receive", "send"])
    for name in ("--directory", "--url", "--client-id", "--secret"):
        parser.add_argument(name, required=True)
    parser.add_argument("--tasks-file", type=pathlib.Path)
    arguments = parser.parse_args()

    report = {}
    if arguments.command == "send":
        tasks = json.loads(arguments.tasks_file.read_text(encoding="utf-8"))
        stopwatch = Stopwatch()
        replica = taskchampion.Replica.new_on_disk(arguments.directory, True)
        for task_id, properties in tasks.items():
            commit_task(replica, task_id, properties)
        report["commit"] = stopwatch.read()
        del replica
    stopwatch = Stopwatch()
    replica = taskchampion.Replica.new_on_disk(arguments.directory, True)
    replica.sync_to_remote(arguments.url, arguments.client_id, arguments.secret, False)
    report["sync"] = stopwatch.read()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
