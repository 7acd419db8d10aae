"""Programs with replicas, in processes of their own, which can be killed.

They are forked from one process for each kind, which has loaded the package and derived the user's key: for a program
of its own that would take most of the time of a schedule.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

ANSWER_TIMEOUT_S = 60


class Origin:
    """The process of which programs of one kind are forked, for one user. `kind`: "tcsync", or "taskchampion" for the
    replica of Taskwarrior."""

    def __init__(self, kind, server_url, user, python=sys.executable):
        self.kind = kind
        self._socket, its_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its_socket:
            program = Path(__file__).with_name("replica_program.py")
            arguments = [str(its_socket.fileno()), kind, server_url, user.client_id, user.secret]
            self._process = subprocess.Popen([python, str(program), *arguments], pass_fds=(its_socket.fileno(),))
        self._socket.settimeout(ANSWER_TIMEOUT_S)

    def fork(self, directory, connection):
        """Starts a program at this end of a connection, for the replica in the directory; its process."""
        socket.send_fds(self._socket, [os.fsencode(directory)], [connection.fileno()])
        return int(self._socket.recv(20))

    def end(self):
        self._socket.close()
        self._process.wait(ANSWER_TIMEOUT_S)


class Program:
    """One program, started at its first command, and again after a kill."""

    def __init__(self, origin, directory):
        self._origin = origin
        self._directory = directory
        self._process = None

    @property
    def kind(self):
        return self._origin.kind

    def __call__(self, *command):
        """Runs the command and gives its answer."""
        self.begin(*command)
        return self.answer()

    def begin(self, *command):
        if self._process is None:
            self._start()
        self._connection.sendall(json.dumps(command).encode() + b"\n")

    def _start(self):
        self._connection, its_end = socket.socketpair()
        with its_end:
            self._process = self._origin.fork(self._directory, its_end)
        self._answers = self._connection.makefile(encoding="utf-8")

    def answer(self):
        line = self._answers.readline()
        assert line, f"{self._origin.kind} has ended; its output is above"
        return json.loads(line)

    def kill(self):
        """SIGKILL, wherever it is. The next command starts it again."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):
            self._answers.read()  # Until its end, which closes it.
        self._answers.close()
        self._connection.close()
        self._process = None
