"""While the wizard runs, another user of the computer looks: at every process's arguments and environment, at every
file that others may read, and at every log. The secret is in none of them."""

import os
import stat
import threading
from pathlib import Path

import pytest
from computers import python_command


class ProcessWatch:
    """Looks at /proc as fast as it can, until it is stopped. `seen` are the programs that it saw."""

    def __init__(self):
        self.seen = set()
        self._arguments = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def check(self, *needles):
        """The places in which one of these was seen."""
        return sorted({kind for kind, text in self._arguments for needle in needles if needle in text})

    def _watch(self):
        own = str(os.getpid())
        while not self._stop.is_set():
            for name in filter(str.isdigit, os.listdir("/proc")):
                if name == own:
                    continue
                for kind in ("cmdline", "environ"):
                    try:
                        text = Path("/proc", name, kind).read_bytes()
                    except OSError:
                        continue
                    if text:
                        self.seen.add(text.split(b"\0")[0].decode("utf-8", "replace").rsplit("/", 1)[-1])
                        self._arguments.add((kind, text))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_the_secret_is_not_in_arguments_environment_or_logs(server, new_computer, tmp_path):
    """If this fails, another user of the computer, or a log, learns the secret."""
    first, second = new_computer(), new_computer()
    first.add("Buy milk")
    with ProcessWatch() as watch:
        terminal = first.terminal("setup", "--first-computer", "--server-url", server.url)
        assert terminal.end() == 0
        secret, code = first.secret(), first.pair()
        assert second.tcsync("setup", "--pairing-code-file", "-", given=code).returncode == 0
        flags = ("--server-url", server.url, "--client-id", first.json("show")["client_id"])
        reader, writer = os.pipe()
        os.write(writer, f"{secret}x".encode())
        os.close(writer)
        failed = second.tcsync(
            "setup", "--replace", "--second-computer", *flags, "--secret-fd", reader, pass_fds=(reader,)
        )
        os.close(reader)
        assert failed.returncode == 6
        assert second.tcsync("doctor").returncode == 0
    assert "task" in watch.seen, f"the watch saw no Taskwarrior, only {watch.seen}"
    needles = [form.encode() for form in (secret, code, code.replace("-", ""))]
    assert watch.check(*needles) == []
    for output in (failed.stdout, failed.stderr, server.log):
        assert secret not in output and code not in output
    for home in (first.home, second.home):
        for path in filter(Path.is_file, home.rglob("*")):
            if any(needle in path.read_bytes() for needle in needles):
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, f"others can read the secret in {path}"
    places = {path.name for path in second.home.rglob("*") if path.is_file() and needles[0] in path.read_bytes()}
    assert places == {".taskrc"}, "the secret is kept in more than one place"


def test_a_traceback_shows_no_secret(server, paired, second):
    """If this fails, a traceback with credentials ends up in a bug report."""
    program = second.home / "broken.py"
    program.write_text(
        "import tcsync.wizard.setup.flow as flow\n"
        "from tcsync.wizard.cli import main\n"
        "def broken(self, credentials, *rest, **more):\n"
        "    secret = credentials.secret.reveal()\n"
        "    raise ZeroDivisionError(secret)\n"
        "flow.Setup._apply = broken\n"
        "main()\n",
        encoding="utf-8",
    )
    second.program = [*python_command(), str(program)]
    done = second.tcsync("setup", "--pairing-code-file", "-", given=paired.pair())
    assert done.returncode == 1
    assert "ZeroDivisionError at broken.py:5. [unexpected]" in done.stdout
    assert paired.secret() not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
