"""A server on a directory that may not let it start: damaged ones, and images of power cuts."""

import subprocess
import time

import admin
import server as server_module
import wire
from model import Broken
from server import LISTENING

START_TIMEOUT_S = 60


class Process:
    """A server on a directory that may not let it start."""

    def __init__(self, data_dir, log_path, flags):
        self._log_path = log_path
        with open(log_path, "wb") as log:
            self._process = subprocess.Popen(
                admin.command_line(data_dir, "--listen", "127.0.0.1:0", *flags),
                env=server_module.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # fmt: skip
        self.data_dir = data_dir
        self.url = None
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None and self.url is None:
            if match := LISTENING.search(self.output):
                self.url = f"http://{match[1]}"
            elif time.monotonic() > deadline:
                self.kill()
                raise Broken(f"the server neither listened nor ended within {START_TIMEOUT_S} s: {self.output}")
            else:
                time.sleep(0.01)
        # Listening is logged before or after the data is open: only a server that stays counts.
        if self.url is not None:
            self._wait_for_answer()

    def _wait_for_answer(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None:
            try:
                wire.request(self.url, "GET", "/health/live")
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        self.url = None

    @property
    def output(self):
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def status(self):
        return self._process.poll()

    def kill(self):
        self._process.kill()
        self._process.wait()
