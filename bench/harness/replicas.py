"""The replicas that are compared, the server with their histories, and the tasks that they have."""

import contextlib
import hashlib
import json
import os
import pathlib
import resource
import shutil
import sqlite3
import subprocess
import sys
import time

PACKAGE = "taskchampion-py"
PACKAGE_VERSION = "2.0.2"
HERE = pathlib.Path(__file__).resolve().parent
# The slowest known replica needs a minute for a hundred thousand versions.
TIMEOUT_SECONDS = 1800


class WrongTasks(Exception):
    """A replica failed, or has other tasks than it must have."""


class Unavailable(Exception):
    """A replica cannot be measured here; the text says why, and what to do."""


def run(name, command, environment=None):
    """The output of a command that is part of the measurement."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=environment, timeout=TIMEOUT_SECONDS
    )
    if done.returncode != 0:
        raise WrongTasks(f"{name}: status {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


class Program:
    """A replica that is a command with the arguments of `tcsync-bench-replica`."""

    def __init__(self, name, command):
        self.name = name
        self._command = command

    def receive(self, directory, user):
        return self._run("receive", directory, user)["sync"]

    def send(self, directory, user, tasks_file):
        """The times of the commits, and of the sync."""
        report = self._run("send", directory, user, "--tasks-file", tasks_file)
        return report["commit"], report["sync"]

    def _run(self, what, directory, user, *more):
        arguments = ["--directory", directory, "--url", user["url"]]
        arguments += ["--client-id", user["client_id"], "--secret", user["secret"]]
        return json.loads(run(f"{self.name} {what}", [*self._command, what, *arguments, *more]))


def tcsync(bin_dir):
    return Program("tcsync", [bin_dir / "tcsync-bench-replica"])


def taskchampion(python):
    found = subprocess.run(
        [python, "-c", f"from importlib.metadata import version; print(version('{PACKAGE}'))"],
        capture_output=True,
        text=True,
    )
    if found.returncode != 0:
        raise Unavailable(f"{python} has no {PACKAGE}; install version {PACKAGE_VERSION} there")
    if found.stdout.strip() != PACKAGE_VERSION:
        raise Unavailable(f"{python} has {PACKAGE} {found.stdout.strip()}, not {PACKAGE_VERSION}")
    return Program("taskchampion", [python, "-B", HERE / "taskchampion_replica.py"])


def make_environment(directory):
    """The Python of an environment that has the package, made if it is not there."""
    python = directory / "bin" / "python"
    with contextlib.suppress(OSError, Unavailable):
        taskchampion(python)
        return python
    for command in (
        [sys.executable, "-m", "venv", "--clear", directory],
        [python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", f"{PACKAGE}=={PACKAGE_VERSION}"],
    ):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            raise Unavailable(
                f"cannot make a Python environment with {PACKAGE} {PACKAGE_VERSION} in {directory}: {lines[-1]}: "
                "give a Python that has it (--python), or leave TaskChampion out (--without-taskchampion)"
            )
    return python


class Taskwarrior:
    """The real `task`. Its times are those of whole processes, starts included; `root` is the directory
    that is `/` for it."""

    name = "taskwarrior"

    def __init__(self, command, root):
        self._command = command
        self._root = root

    def receive(self, directory, user):
        return self._run(directory, user, "sync")

    def send(self, directory, user, tasks_file):
        tasks = json.loads(pathlib.Path(tasks_file).read_text(encoding="utf-8"))
        imported = [
            {"uuid": task_id, "status": "pending", "description": properties["description"]}
            for task_id, properties in tasks.items()
        ]
        path = directory.with_suffix(".json")
        path.write_text(json.dumps(imported), encoding="utf-8")
        commit = self._run(directory, user, "import", self._inside(path))
        return commit, self._run(directory, user, "sync")

    def _inside(self, path):
        return "/" + str(path.resolve().relative_to(self._root.resolve()))

    def _run(self, directory, user, *arguments):
        settings = {
            "data.location": self._inside(directory),
            "confirmation": "off",
            "sync.server.url": user["url"],
            "sync.server.client_id": user["client_id"],
            "sync.encryption_secret": user["secret"],
        }
        taskrc = directory.with_suffix(".taskrc")
        taskrc.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        environment = {**os.environ, "TASKRC": self._inside(taskrc), "HOME": self._inside(directory.parent)}
        before, begin = _children_seconds(), time.monotonic()
        run(f"{self.name} {arguments[0]}", [*self._command, *arguments], environment)
        return {"seconds": time.monotonic() - begin, "cpu_seconds": _children_seconds() - before}


def _children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def server(bin_dir, versions, tasks, tasks_file):
    """A server in a process of its own, filled; gives what it says about its histories."""
    command = [bin_dir / "tcsync-bench-replica", "serve", "--tasks-file", tasks_file]
    command += ["--versions", versions, "--tasks", tasks]
    process = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        if not line:
            raise OSError(f"the server did not start; its status is {process.wait(timeout=TIMEOUT_SECONDS)}")
        yield json.loads(line)
    finally:
        process.stdin.close()
        process.wait(timeout=TIMEOUT_SECONDS)
        process.stdout.close()


def read_tasks(directory):
    """The tasks in a replica's database, read without any of the replicas."""
    with contextlib.closing(sqlite3.connect(pathlib.Path(directory) / "taskchampion.sqlite3")) as database:
        return {task_id: json.loads(data) for task_id, data in database.execute("SELECT uuid, data FROM tasks")}


def digest(tasks):
    return hashlib.sha256(json.dumps(tasks, sort_keys=True).encode()).hexdigest()


def check_tasks(name, directory, wanted):
    """Raises WrongTasks unless the replica has exactly the wanted tasks. Their number and digest."""
    tasks = read_tasks(directory)
    if tasks == wanted:
        return {"tasks": len(tasks), "digest": digest(tasks)}
    wrong = [task_id for task_id in {**wanted, **tasks} if tasks.get(task_id) != wanted.get(task_id)]
    raise WrongTasks(
        f"{name} has {len(tasks)} tasks of {len(wanted)}, and {len(wrong)} are wrong: {wrong[0]} is "
        f"{tasks.get(wrong[0])} and must be {wanted.get(wrong[0])}"
    )


def empty_directory(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
