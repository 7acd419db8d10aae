"""Programs with replicas, in processes of their own, which can be killed."""

import json
import subprocess
import sys
from pathlib import Path

ANSWER_TIMEOUT_S = 60


class Program:
    """`kind`: "tcsync", or "taskchampion" for the replica of Taskwarrior."""

    def __init__(self, kind, directory, server_url, user, python=sys.executable):
        self._command = [
            python, str(Path(__file__).with_name("replica_program.py")), kind, str(directory), server_url,
            user.client_id, user.secret,
        ]  # fmt: skip
        self._process = None

    def __call__(self, *command):
        """Runs the command and gives its answer."""
        self.begin(*command)
        return self.answer()

    def begin(self, *command):
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def answer(self):
        line = self._process.stdout.readline()
        assert line, f"{self._command[2]} ended with status {self._process.wait(ANSWER_TIMEOUT_S)}"
        return json.loads(line)

    def kill(self):
        """SIGKILL, wherever it is. The next command starts it again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(ANSWER_TIMEOUT_S)
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None
