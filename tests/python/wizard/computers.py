"""Computers of the wizard's tests: a home directory, a `task` on the PATH, and the installed tcsync program in it.

The real Taskwarrior is the one that tests/e2e finds. When it lives in a chroot, a home lies in there, and a symbolic
link gives it the same path outside: the wizard and Taskwarrior then mean the same files. A fake `task` is a script
that is named as such; each says in one place how it misbehaves.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import agents
import pexpect
from support import run_bounded, wait_until

TIMEOUT_S = 60
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ROWS, COLUMNS = 50, 160

# `fake_task(NAME)`: the body of a shell script.
FAKE_TASKS = {
    "2.6.2": "echo 2.6.2",
    "3.4.2": "echo 3.4.2",
    # Hangs with a child of its own, as a hook would, and does not mind being asked to end.
    "hangs": "trap '' TERM INT HUP; sleep 600 & echo $! > \"$HOME/child\"; wait; sleep 600",
    "hangs-in-sync": (
        'case "$*" in --version) echo 3.5.0;; *sync*) sleep 600 & echo $! > "$HOME/child"; wait;; *) echo "[]";; esac'
    ),
    "fails": 'if [ "$1" = --version ]; then echo 3.5.0; else echo "The disk is on fire." >&2; exit 2; fi',
    "does-not-start": "echo broken >&2; exit 127",
    "other-program": "echo Task runner v3.40.0",
    # Asks and waits for an answer wherever it can.
    "asks": 'read answer || { echo "Cannot proceed without rc file." >&2; exit 2; }; echo "$answer"',
}


def tcsync_command():
    """The installed program: TCSYNC_PROGRAM, else the one beside this Python."""
    named = os.environ.get("TCSYNC_PROGRAM")
    if named:
        return [named]
    beside = Path(sys.executable).parent / "tcsync"
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "tcsync"]


def python_command():
    """The Python in which tcsync is installed, for programs of a test's own."""
    program = Path(tcsync_command()[0])
    return [str(program.with_name("python") if program.name == "tcsync" else program)]


class Computer:
    """One computer of one person. `task` None: there is no Taskwarrior on it."""

    def __init__(self, base, client, *, fake_task=None, has_task=True):
        self.real_home = Path(tempfile.mkdtemp(prefix="tcsync-", dir=client.root / "tmp"))
        self.home = self.real_home
        if client.root != Path("/"):
            self.home = Path("/", *self.real_home.relative_to(client.root).parts)
            self.home.symlink_to(self.real_home)
        self._bin = base / f"bin-{self.real_home.name}"
        self._bin.mkdir()
        if fake_task:
            self._write_task(FAKE_TASKS[fake_task])
        elif has_task:
            self._write_task(f'exec {shlex.join(client.command)} "$@"')
        self.program = tcsync_command()
        self.environment = {
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "PATH": f"{self._bin}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "PYTHONDONTWRITEBYTECODE": "1",
            **{name: os.environ[name] for name in ("PYTHONPATH", "TCSYNC_LIBRARY") if name in os.environ},
        }

    @property
    def task_script(self):
        """The `task` on this computer's PATH."""
        return self._bin / "task"

    def trust(self, authority):
        """As if that authority's certificate were installed in the system."""
        self.trust_file(authority.file)

    def trust_file(self, certificate):
        copy = self.home / "authority.pem"
        copy.write_bytes(certificate.read_bytes())
        self.environment["SSL_CERT_FILE"] = str(copy)

    def remove(self):
        for process in agents.agents(self):
            agents.end(process)
        if self.home.is_symlink():
            self.home.unlink()
        subprocess.run(["rm", "-rf", "--", str(self.real_home)], check=True, timeout=TIMEOUT_S)

    def wrap_task(self, before):
        """Lets a line of shell run before each `task`, which may end it."""
        script = self.task_script
        shebang, body = script.read_text(encoding="utf-8").split("\n", 1)
        script.write_text(f"{shebang}\n{before}\n{body}", encoding="utf-8")

    def copy_task(self, name):
        """Puts a copy of the `task` that the last wrap_task began to wrap beside it."""
        lines = (self.task_script).read_text(encoding="utf-8").split("\n")
        copy = self._bin / name
        copy.write_text("\n".join([lines[0], *lines[2:]]), encoding="utf-8")
        copy.chmod(0o755)

    def unwrap_task(self, name):
        """Takes that copy for `task` again."""
        (self._bin / name).replace(self.task_script)

    def _write_task(self, body):
        self.add_program("task", body)

    def add_program(self, name, body):
        """Puts a script of shell on this computer's PATH."""
        _write_script(self._bin / name, body)

    def write_hook(self, name, body):
        """Gives Taskwarrior a hook; its file."""
        hook = self.home / ".task" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        _write_script(hook, body)
        return hook

    @property
    def taskrc(self):
        return self.home / ".taskrc"

    def write_taskrc(self, text):
        self.taskrc.write_text(text, encoding="utf-8")
        self.taskrc.chmod(0o600)

    def files(self):
        """Every file of the home with its content and permissions: to tell whether anything was changed. SQLite's
        files beside its database do not count."""
        return {
            str(path.relative_to(self.real_home)): (path.read_bytes(), path.stat().st_mode)
            for path in self.real_home.rglob("*")
            if path.is_file() and not path.name.endswith(("-shm", "-wal"))
        }

    def task(self, *arguments):
        """Runs Taskwarrior as a script would; its standard output."""
        done = run_bounded(["task", "rc.confirmation=off", *arguments], env=self.environment, timeout_s=TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add(self, *descriptions):
        if not self.taskrc.exists():
            self.write_taskrc("")
        for description in descriptions:
            self.task("add", description)

    def exported(self):
        """Every task by its UUID, without the values that each computer computes for itself."""
        exported = json.loads(self.task("rc.json.array=1", "rc.gc=0", "rc.recurrence=0", "export"))
        return {
            task["uuid"]: {name: value for name, value in task.items() if name not in ("id", "urgency")}
            for task in exported
        }

    def tasks(self):
        """The same by description, where those are distinct."""
        return {task["description"]: task for task in self.exported().values()}

    def tcsync(self, *arguments, given="", pass_fds=(), **variables):
        """Runs tcsync with pipes, as a script does; `given` is its standard input."""
        return subprocess.run(
            [*self.program, *map(str, arguments)],
            env={**self.environment, **variables},
            input=given,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
            pass_fds=pass_fds,
        )

    def json(self, *arguments, **options):
        """Runs tcsync with --json; the object that it printed."""
        done = self.tcsync(*arguments, "--json", **options)
        document = json.loads(done.stdout)
        assert document.get("exit_code", done.returncode) == done.returncode, done.stdout
        return document

    def terminal(self, *arguments, columns=COLUMNS, asks_last=False, **variables):
        """Starts tcsync at a terminal. A setup asks its last question, whether to sync by itself, only with
        `asks_last`."""
        if arguments[0] == "setup" and not asks_last:
            arguments = (*arguments, "--no-auto")
        return Terminal([*self.program, *map(str, arguments)], {**self.environment, **variables}, columns)

    def pair(self):
        """The pairing code, as `tcsync pair` shows it."""
        done = self.tcsync("pair")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def secret(self):
        """The secret in the taskrc."""
        lines = self.taskrc.read_text(encoding="utf-8").splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("sync.encryption_secret="))


def _write_script(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


class Terminal:
    """A program at a pseudo-terminal, and the person who answers it."""

    def __init__(self, command, environment, columns=COLUMNS):
        self._process = pexpect.spawn(
            command[0], command[1:], env=environment, encoding="utf-8", timeout=TIMEOUT_S, dimensions=(ROWS, columns)
        )
        self._seen = ""
        self.pid = self._process.pid

    def answer(self, prompt, text):
        """Waits for a prompt, given as plain text, and types an answer."""
        self.wait_for(prompt)
        self._process.sendline(text)

    def paste(self, prompt, text):
        """Waits for a prompt, and pastes text as a terminal does: all at once, with an Enter only where it has one."""
        self.wait_for(prompt)
        self._process.send(text.replace("\n", "\r"))

    def wait_for(self, text):
        self._process.expect_exact(text)
        self._seen += self._process.before + self._process.after

    def interrupt(self):
        """Ctrl-C, as people press it: once the program waits. Python does not see a signal that comes after its last
        look and before it sleeps in a read."""
        wait_until(self._sleeps, TIMEOUT_S, "the program waits")
        self._process.sendintr()

    def _sleeps(self):
        """Whether every thread of the program is asleep."""
        states = []
        for stat in Path(f"/proc/{self._process.pid}/task").glob("*/stat"):
            try:
                states.append(stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0])
            except FileNotFoundError:  # A thread that has just ended.
                return False
        return bool(states) and set(states) == {"S"}

    def close_input(self):
        """Ctrl-D."""
        self._process.sendeof()

    def end(self):
        """Waits for the program's end; its exit status."""
        self._process.expect(pexpect.EOF)
        self._seen += self._process.before
        self._process.close()
        assert self._process.signalstatus is None, f"ended by signal {self._process.signalstatus}"
        return self._process.exitstatus

    @property
    def screen(self):
        """All that was shown so far, without colours."""
        return plain_text(self._seen)

    @property
    def raw(self):
        return self._seen


def plain_text(text):
    """Text without escape sequences, and with plain line ends."""
    plain = ESCAPE.sub("", text).replace("\r\n", "\n")
    return "\n".join(line.rstrip() for line in plain.split("\n"))


def failed(report):
    """The failed checks of a doctor's report, with the names of their findings."""
    return {check["check"]: check["id"] for check in report["checks"] if check["status"] == "failed"}


def text_of(report, name):
    """The text of one of its checks."""
    return next(check["text"] for check in report["checks"] if check["check"] == name)
