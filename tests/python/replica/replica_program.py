"""Programs with replicas, for tests, forked from this one, which has loaded the package that they use. Runs in a Python
that has it.

    replica_program.py SOCKET tcsync|taskchampion SERVER_URL CLIENT_ID SECRET

Each message on the socket has a directory, and a connection for a program; the answer is the program's process. It
reads commands from its connection, one JSON list a line, and answers each with a line:

    ["commit", OPERATIONS]   OPERATIONS as in a version; {"UndoPoint": {}} is one more
    ["undo"], ["sync"]       "busy" when another program holds the database, "lost" when the server does not answer
    ["tasks", PROPERTIES]    {ID: {NAME: VALUE}}
    ["rebuild"]              rebuilds the working set
"""

import json
import os
import signal
import socket
import sys
import time
import uuid
from datetime import datetime, timezone

OPEN_ATTEMPTS = 100


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


class OurReplica:
    """By the package under test. Its key is derived once, and a forked process makes a connection of its own."""

    def __init__(self, url, client_id, secret):
        import tcsync

        self._tcsync = tcsync
        credentials = tcsync.Credentials(url, uuid.UUID(client_id), tcsync.Secret(secret))
        self._remote = tcsync.RemoteServer(credentials, proxy="")

    def open(self, directory):
        self._replica = self._tcsync.Replica(directory)

    def _operation(self, operation):
        ((kind, fields),) = operation.items()
        if kind == "UndoPoint":
            return self._tcsync.UndoPoint()
        task_id = uuid.UUID(fields["uuid"])
        if kind == "Create":
            return self._tcsync.Create(task_id)
        if kind == "Delete":
            return self._tcsync.Delete(task_id)
        return self._tcsync.Update(task_id, fields["property"], fields["value"], moment(fields["timestamp"]))

    def commit(self, operations):
        try:
            self._replica.commit([self._operation(operation) for operation in operations])
        except self._tcsync.ReplicaError as error:
            if error.fault in (
                self._tcsync.ReplicaFault.IN_USE,
                self._tcsync.ReplicaFault.INVALID_OPERATION,
            ):
                return error.fault.name.lower()
            raise
        return "done"

    def undo(self):
        return self._replica.undo()

    def sync(self):
        try:
            self._replica.sync(self._remote)
        except self._tcsync.ReplicaError as error:
            if error.fault == self._tcsync.ReplicaFault.IN_USE:
                return "busy"
            raise
        return "done"

    def tasks(self, _properties):
        return {str(task_id): task for task_id, task in self._replica.tasks().items()}

    def rebuild(self):
        self._replica.rebuild_working_set()


class Champion:
    """By TaskChampion, the replica of Taskwarrior."""

    def __init__(self, url, client_id, secret):
        import taskchampion

        self._module = taskchampion
        self._server = {
            "url": url,
            "client_id": client_id,
            "encryption_secret": secret,
            "avoid_snapshots": False,
        }
        # 0.7 always writes, and takes times as text.
        is_old = not hasattr(taskchampion, "AccessMode")
        self._access = [] if is_old else [taskchampion.AccessMode.ReadWrite]
        self._moment = str if is_old else moment

    def open(self, directory):
        # It does not wait for another program that has the database at this moment.
        for attempt in range(OPEN_ATTEMPTS):
            try:
                self._replica = self._module.Replica.new_on_disk(directory, True, *self._access)
                return
            except RuntimeError:
                if attempt == OPEN_ATTEMPTS - 1:
                    raise
            time.sleep(0.1)

    def _old_value(self, changed, task_id, name):
        if (task_id, name) in changed:
            return changed[task_id, name]
        task = self._replica.get_task_data(task_id)
        return task.get(name) if task and task.has(name) else None

    def commit(self, operations):
        listed = self._module.Operations()
        changed = {}
        for operation in operations:
            ((kind, fields),) = operation.items()
            if kind == "UndoPoint":
                listed.append(self._module.Operation.UndoPoint())
                continue
            task_id = fields["uuid"]
            if kind == "Create":
                listed.append(self._module.Operation.Create(task_id))
            elif kind == "Delete":
                old = {
                    name: value
                    for name in fields["properties"]
                    if (value := self._old_value(changed, task_id, name)) is not None
                }
                changed.update({(task_id, name): None for name in fields["properties"]})
                listed.append(self._module.Operation.Delete(task_id, old))
            else:
                name, value = fields["property"], fields["value"]
                old = self._old_value(changed, task_id, name)
                changed[task_id, name] = value
                listed.append(
                    self._module.Operation.Update(
                        task_id,
                        name,
                        self._moment(fields["timestamp"]),
                        old_value=old,
                        value=value,
                    )
                )
        return self._unless_busy(lambda: self._replica.commit_operations(listed))

    def undo(self):
        try:
            return self._replica.commit_reversed_operations(self._replica.get_undo_operations())
        except RuntimeError as error:
            # It cannot undo an invalid operation, which it has committed nevertheless.
            if "does not exist" in str(error):
                return False
            raise

    def sync(self):
        return self._unless_busy(lambda: self._replica.sync_to_remote(**self._server))

    def tasks(self, properties):
        return {
            task_id: {name: task.get(name) for name in properties if task.has(name)}
            for task_id, task in self._replica.all_task_data().items()
        }

    def rebuild(self):
        self._replica.rebuild_working_set(False)

    @staticmethod
    def _unless_busy(action):
        try:
            action()
        except RuntimeError as error:
            if "locked" in str(error):
                return "busy"
            raise
        return "done"


def serve(replica, directory, connection):
    replica.open(directory)
    with connection, connection.makefile(encoding="utf-8") as commands:
        for line in commands:
            command, *values = json.loads(line)
            connection.sendall(json.dumps(getattr(replica, command)(*values)).encode() + b"\n")


def main():
    descriptor, kind, *arguments = sys.argv[1:]
    requests = socket.socket(fileno=int(descriptor))
    replica = {"tcsync": OurReplica, "taskchampion": Champion}[kind](*arguments)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for the programs.
    while True:
        directory, files, *_ = socket.recv_fds(requests, 4096, 1)
        if not files:
            break
        with socket.socket(fileno=files[0]) as connection:
            process = os.fork()
            if process == 0:
                requests.close()
                serve(replica, os.fsdecode(directory), connection)
                break
        requests.send(str(process).encode())


main()
