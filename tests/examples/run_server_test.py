"""Runs examples/run-server.sh as a person would, in an existing build directory.

Run: run_server_test.py RUN_SERVER_SH BUILD_DIR

If this fails, the first command of the README does not give a running server, or its output
cannot be pasted into taskrc.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

VARIABLES = ("LISTEN", "CLIENT_ID", "CREATE_CLIENTS", "SNAPSHOT_VERSIONS", "SNAPSHOT_DAYS")
LISTENING = re.compile(r" listening on (http://127\.0\.0\.1:\d+)")
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


class RunServerTest(unittest.TestCase):
    script = ""
    build_dir = ""

    def setUp(self):
        self._directory = tempfile.TemporaryDirectory(prefix="tcsync-")
        self.addCleanup(self._directory.cleanup)
        self.directory = Path(self._directory.name)
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name not in VARIABLES and not name.startswith("TCSYNC_")
        }
        self.environment["TCSYNC_BUILD_DIR"] = self.build_dir
        self.environment["DATA_DIR"] = str(self.directory / "data")

    def run_script(self, *flags):
        return subprocess.run(
            [self.script, *flags],
            env=self.environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=800,
        )

    def credentials(self, output):
        """The URL of the three taskrc lines in `output`, after checking them."""
        lines = re.findall(r"^sync\..*$", output, re.MULTILINE)
        self.assertEqual(3, len(lines), output)
        self.assertRegex(lines[0], r"^sync\.server\.url=\S+$")
        self.assertRegex(lines[1], rf"^sync\.server\.client_id={UUID}$")
        self.assertRegex(lines[2], r"^sync\.encryption_secret=[0-9a-f]{64}$")
        return lines[0].partition("=")[2]

    def test_version(self):
        """If this fails, the script hides the server's own messages."""
        done = self.run_script("--version")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertRegex(done.stdout, r"^tcsync-server \d+\.\d+\.\d+\n$")

    def test_an_invalid_flag_is_refused(self):
        """If this fails, a mistake in a flag is found late, or leaves a data directory."""
        done = self.run_script("--nope")
        self.assertEqual(2, done.returncode)
        self.assertIn("--nope", done.stderr)
        self.assertEqual("", done.stdout)
        self.assertEqual([], list(self.directory.iterdir()))

    def test_starts_and_stops_a_server(self):
        """If this fails, the script gives no server, or one that does not stop as it should."""
        process = subprocess.Popen(
            [self.script, "--listen", "127.0.0.1:0", "--base-path=/tasks"],
            env=self.environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            error_output = ""
            while not (listening := LISTENING.search(error_output)):
                line = process.stderr.readline()
                if not line:
                    self.fail(f"ended with {process.wait()}: {error_output}")
                error_output += line
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(listening[1] + "/tasks/", timeout=30) as answer:
                self.assertEqual(200, answer.status)
            process.send_signal(signal.SIGTERM)
            output, rest = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
        self.assertEqual(0, process.returncode, error_output + rest)
        self.assertTrue(rest.endswith("stopped\n"), rest)
        self.assertEqual("URL", self.credentials(output))
        self.assertTrue((self.directory / "data").is_dir())

    def test_the_printed_url_reaches_the_server(self):
        """If this fails, the lines to paste do not lead to the server that was started."""
        # An address that cannot be bound: the credentials are printed, and then the server ends.
        done = self.run_script("--listen", "192.0.2.1:8443", "--base-path", "/tasks/")
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertEqual("http://192.0.2.1:8443/tasks/", self.credentials(done.stdout))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: run_server_test.py RUN_SERVER_SH BUILD_DIR")
    RunServerTest.script, RunServerTest.build_dir = map(os.path.abspath, sys.argv[1:])
    unittest.main(argv=sys.argv[:1], verbosity=2)
