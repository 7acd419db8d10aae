#!/usr/bin/env python3
"""A throw-away PostgreSQL cluster for tests.

    cluster.py start DIRECTORY    makes a new, empty cluster, and returns when it accepts connections
    cluster.py stop DIRECTORY     ends and removes it; one that does not run is no error

The cluster ends with the process that called `start`: with ctest, also when ctest is killed, or with the shell. With
--keep it runs until `stop`. With --revive a postmaster that ends by itself, or is killed, is started again with its
data. A `start` ends what an earlier one has left, or still runs, in the same directory:

    url      the connection string; it appears when the cluster accepts connections
    log      the log of the server, which stays
    lock     locked by the processes of the cluster, so that no process ID has to be trusted
    revive   with --revive, and until `stop`
    short    a link to a directory in /tmp with the socket, whose path has at most 107 bytes
    data     the cluster, which is in `short` instead where the server's user cannot reach it

It listens on that socket only, where the directory's permissions replace passwords. PostgreSQL refuses to run as root;
for root it runs as the user postgres or nobody. Its programs are Debian's newest, else those on the PATH. `start` exits
with 77, which CTest takes for skipped, if there are none; with CI=true that is a failure.
"""

import argparse
import contextlib
import ctypes
import fcntl
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SKIPPED = 77
POLL_INTERVAL_S = 0.02
# Of a busy machine; an idle one takes a second.
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
TEMPORARY = "/tmp/tcsync-postgres-"
PORT = "5432"  # which is only a part of the socket's name
_PR_SET_PDEATHSIG = 1
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def find_programs():
    """The directory of initdb, postgres and pg_isready."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb") if path.parts[4].isdigit()]
    if found:
        return max(found, key=lambda path: int(path.parts[4]))
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    print("PostgreSQL is not installed: see src/cmake/debian-packages.txt", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def server_user():
    """The user of the server, as subprocess takes it: {} for the one that this program runs as."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    sys.exit("cluster.py: PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def make_directory_of(path, user):
    """Makes it unless it is there, for the server's user alone."""
    path.mkdir(mode=0o700, exist_ok=True)
    if user:
        os.chown(path, user["user"], user["group"])
    return path


def short_of(directory):
    """The target of the link; None without one that this program has made."""
    with contextlib.suppress(OSError):
        target = os.readlink(directory / "short")
        if target.startswith(TEMPORARY) and "/" not in target[len(TEMPORARY) :]:
            return Path(target)
    return None


def data_of(directory, short):
    return short / "data" if (short / "data").is_dir() else directory / "data"


def remove(directory, short):
    """Removes a cluster that has ended. `short` is its own: the directory may have a newer cluster, if its lock was
    removed with everything else."""
    if short:
        shutil.rmtree(short, ignore_errors=True)
    if short_of(directory) == short:
        for name in ("url", "short", "revive"):
            (directory / name).unlink(missing_ok=True)
        shutil.rmtree(directory / "data", ignore_errors=True)


def quit_postmaster(directory):
    """Asks for an immediate end. The caller has seen that the lock is held, so the process is the postmaster."""
    short = short_of(directory)
    with contextlib.suppress(OSError, ValueError):
        text = (data_of(directory, short or directory) / "postmaster.pid").read_text(encoding="ascii")
        process_id = int(text.split("\n")[0])
        if process_id > 1:  # the single-user servers of initdb write theirs negated
            os.kill(process_id, signal.SIGQUIT)


def take_lock(directory):
    """Ends the directory's cluster. Returns the lock, an open file, when none of its processes is left."""
    lock = open(directory / "lock", "a", encoding="ascii")  # noqa: SIM115  held until this process ends
    (directory / "revive").unlink(missing_ok=True)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            quit_postmaster(directory)
        if time.monotonic() > deadline:
            sys.exit(f"cluster.py: the cluster in {directory} has not ended within {STOP_TIMEOUT_S} s")
        time.sleep(POLL_INTERVAL_S)


def make_cluster(programs, directory, lock, log):
    """Makes the directories and runs initdb. Returns the short directory."""
    user = server_user()
    short = Path(tempfile.mkdtemp(prefix=os.path.basename(TEMPORARY), dir=os.path.dirname(TEMPORARY)))
    (directory / "short").symlink_to(short)
    make_directory_of(short, user)
    data = make_directory_of(directory / "data", user)
    if user and subprocess.run(["test", "-x", data], cwd="/", **user).returncode != 0:
        data.rmdir()
        data = make_directory_of(short / "data", user)
    subprocess.run(
        [programs / "initdb", "--pgdata", data, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8",
         "--locale", "C", "--no-sync", "--no-instructions"],
        env=_ENVIRONMENT, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[lock.fileno()],
        check=True, **user)  # fmt: skip
    return short


def is_ready(programs, short):
    command = [programs / "pg_isready", "--quiet", "--host", short, "--port", PORT, "--username", "postgres"]
    return subprocess.run(command, env=_ENVIRONMENT).returncode == 0


def start(directory, durable, revive, owner):
    programs = find_programs()
    directory.mkdir(parents=True, exist_ok=True)
    lock = take_lock(directory)
    remove(directory, short_of(directory))
    log_path = directory / "log"
    with open(log_path, "wb") as log:
        try:
            short = make_cluster(programs, directory, lock, log)
        except (OSError, subprocess.CalledProcessError) as failure:
            remove(directory, short_of(directory))
            sys.exit(f"cluster.py: cannot make a cluster: {failure}\n{tail(log_path)}")
        if revive:
            (directory / "revive").touch()
        supervisor = subprocess.Popen(
            [sys.executable, "-B", __file__, "supervise", directory, "--lock", str(lock.fileno()),
             *(["--durable"] if durable else []), *(["--owner", str(owner)] if owner else [])],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[lock.fileno()], start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_ready(programs, short):
        if supervisor.poll() is not None or time.monotonic() > deadline:
            supervisor.terminate()
            supervisor.wait()
            sys.exit(f"cluster.py: the cluster does not start:\n{tail(log_path)}")
        time.sleep(POLL_INTERVAL_S)
    # The supervisor watches the owner by now: until here it was this process's parent, and not another of its number.
    if owner and os.getppid() != owner:
        supervisor.terminate()
        supervisor.wait()
        sys.exit("cluster.py: the process that wanted the cluster has ended")
    new_url = directory / "url.new"
    new_url.write_text(f"host={short} port={PORT} user=postgres\n", encoding="ascii")
    new_url.replace(directory / "url")


def tail(path):
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])


def stop(directory):
    if directory.is_dir():
        with take_lock(directory):
            remove(directory, short_of(directory))


def watch(process_id):
    """An object that select() finds readable when the process has ended."""
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(process_id)
    queue = select.kqueue()
    event = select.kevent(process_id, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
    queue.control([event], 0)
    return queue


def wait_for_end(process, owner_watch):
    """Returns when the process has ended, or the owner; whether it was the owner."""
    if not owner_watch:
        process.wait()
        return False
    process_watch = watch(process.pid)
    ended = select.select([owner_watch, process_watch], [], [])[0]
    os.close(process_watch if isinstance(process_watch, int) else process_watch.fileno())
    return owner_watch in ended


def end_with_parent():
    """On Linux, a supervisor that is killed takes the postmaster with it. Elsewhere the next start or stop ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def supervise(directory, durable, owner, lock):
    """Runs the postmaster until it ends or the owner has ended, and removes the cluster."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    short = short_of(directory)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": short,
        "port": PORT,
        "max_connections": 300,
        "shared_buffers": "32MB",
    }
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off"}
    elif sys.platform == "linux":
        # After a crash, one call for all files; a call for each takes seconds.
        settings |= {"recovery_init_sync_method": "syncfs"}
    arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
    postmaster = None
    try:
        owner_watch = watch(owner) if owner else None
        while True:
            postmaster = subprocess.Popen(
                [find_programs() / "postgres", "-D", data_of(directory, short), *arguments],
                env=_ENVIRONMENT, cwd="/", stdin=subprocess.DEVNULL, pass_fds=[lock], preexec_fn=end_with_parent,
                **server_user())  # fmt: skip
            if wait_for_end(postmaster, owner_watch) or not (directory / "revive").exists():
                break
            postmaster.wait()
            # The kernel may still keep the memory that it shared with processes of its own.
            time.sleep(POLL_INTERVAL_S)
    except ProcessLookupError:  # the owner, or already the postmaster, has ended
        pass
    finally:
        if postmaster:
            if postmaster.poll() is None:
                postmaster.send_signal(signal.SIGQUIT)
            postmaster.wait()
        remove(directory, short)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="start|stop")
    starting = commands.add_parser("start")
    starting.add_argument("--keep", action="store_true", help="run until stop, not only as long as the caller")
    starting.add_argument("--revive", action="store_true", help="start the postmaster again when it ends")
    supervising = commands.add_parser("supervise")  # what `start` starts
    supervising.add_argument("--owner", type=int)
    supervising.add_argument("--lock", type=int, required=True)
    for command in (starting, supervising):
        command.add_argument("--durable", action="store_true", help="leave fsync on")
    for command in (starting, supervising, commands.add_parser("stop")):
        command.add_argument("directory", type=lambda text: Path(text).absolute())
    arguments = parser.parse_args()
    if arguments.command == "start":
        start(arguments.directory, arguments.durable, arguments.revive, None if arguments.keep else os.getppid())
    elif arguments.command == "stop":
        stop(arguments.directory)
    else:
        supervise(arguments.directory, arguments.durable, arguments.owner, arguments.lock)


if __name__ == "__main__":
    main()
