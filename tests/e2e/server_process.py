"""A process that serves: told to stop by a signal, killed as in a crash, and started again where it was."""

import signal
import subprocess


class ServerProcess:
    """A subclass has `start`, which sets `_process`, and `log`."""

    _name = "server"
    _stop_timeout_s = 15  # Requests in flight may take 10 s; the rest is for closing the storage on a busy machine.
    _process = None

    @property
    def pid(self):
        return self._process.pid

    def send_signal(self, number):
        self._process.send_signal(number)

    def wait_for_exit(self, timeout_s=None):
        """Waits until the process, already told to stop, has closed cleanly. Of an output that is a pipe, everything
        must have been read."""
        timeout_s = timeout_s or self._stop_timeout_s
        try:
            output = self._process.communicate(timeout=timeout_s)[0]
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the {self._name} still ran {timeout_s} s after it was told to stop") from None
        status = self._process.returncode
        self._process = None
        assert (status, output or b"") == (0, b""), f"the {self._name} ended with status {status}:\n{self.log[-4000:]}"

    def stop(self, number=signal.SIGTERM):
        """Stops it as an init system does. One that is not running is left as it is."""
        if self._process:
            self.send_signal(number)
            self.wait_for_exit()

    def kill(self):
        """Ends it as a crash does: nothing is finished, nothing is closed."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def restart(self):
        self.stop()
        self.start()
