"""The examples that serve: how each is built and run. The one in C has the library's listener, and all others embed
the engine in an HTTP server of their language.

Each is `PROGRAM DATA_DIR PORT`. It serves 127.0.0.1:PORT (0: any free one), takes further options from the environment
(tcsync_config_set_from_environment), and prints one line `listening on http://127.0.0.1:PORT` when it accepts. It ends
at SIGTERM and SIGINT with 0, and at a mistake with 1 and the message of the tcsync_error.
"""

import contextlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from server import environment
from server_process import ServerProcess
from support import BUILD_DIR, REPOSITORY, run_bounded

EXAMPLES = REPOSITORY / "examples"
HEADERS = REPOSITORY / "capi" / "include"
LIBRARY = Path(os.environ.get("TCSYNC_LIBRARY") or BUILD_DIR / "lib" / "libtcsync.so")
OUTPUT = BUILD_DIR / "examples" / "embedders"
BUILD_TIMEOUT_S = 900
START_TIMEOUT_S = 120
GRACE_S = 10  # Requests that are open may take as long at the end.

# All clients come from one address, and a disk may be slow.
OPTIONS = {"TCSYNC_NEW_CLIENTS_PER_ADDRESS_DAY": "0", "TCSYNC_DISK_WAIT_MAX": "60000"}


@dataclass(frozen=True)
class Language:
    """`programs` are those, and the files, that building and running needs; "node>=20" is that release or a later one.
    `build` makes the example in the directory that it is given, and returns the command that runs it, without DATA_DIR
    and PORT. `lacks` names features that the language's HTTP server, and so the example, does not have."""

    name: str
    programs: tuple
    build: Callable
    lacks: tuple = ()


def attempt(command, cwd=None, **variables):
    return run_bounded(command, env=environment(**variables), cwd=cwd, timeout_s=BUILD_TIMEOUT_S)


def run(command, cwd=None, **variables):
    done = attempt(command, cwd, **variables)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}"


def _build_c(_output):
    return [BUILD_DIR / "bin" / "serve_c"]


def go_variables(output):
    """Those with which Go finds the header and the library, and nothing on the network."""
    return {
        "CGO_CFLAGS": f"-I{HEADERS}",
        "CGO_LDFLAGS": f"-L{LIBRARY.parent}",
        "GOCACHE": str(output / "cache"),
        "GOFLAGS": "-buildvcs=false",  # whose repository the source is in is no matter
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
    }


def _build_go(output):
    program = output / "tcsync-embed"
    run(["go", "build", "-o", program], cwd=EXAMPLES / "go", **go_variables(output))
    return [program]


def _build_rust(output):
    declarations, program = output / "tcsync.rs", output / "tcsync-embed"
    names = "tcsync_.*|sigwait|sigemptyset|sigaddset|pthread_sigmask|_exit"
    bindgen = ["bindgen", EXAMPLES / "rust" / "declarations.h", "--size_t-is-usize", "--no-layout-tests"]
    bindgen += ["--allowlist-function", names, "--allowlist-var", "TCSYNC_.*|SIGTERM|SIGINT|SIG_BLOCK"]
    run([*bindgen, "--output", declarations, "--", f"-I{HEADERS}"])
    rustc = ["rustc", "--edition", "2021", "-O", "-L", LIBRARY.parent, "-l", "tcsync"]
    run([*rustc, EXAMPLES / "rust" / "main.rs", "-o", program], TCSYNC_DECLARATIONS=str(declarations))
    return [program]


JNA = "/usr/share/java/jna.jar"


def _build_java(output):
    run(["javac", "-Xlint:all", "-Werror", "-d", output, "-cp", JNA, EXAMPLES / "java" / "Server.java"])
    return ["java", "-Xmx64m", "-cp", f"{output}:{JNA}", "Server"]


# npm's messages for faults of the network, and not of the package.
REGISTRY_OUT_OF_REACH = re.compile(
    r"npm (?:error|ERR!) code (ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|EIDLETIMEOUT|"
    r"ENOTCACHED|ERR_SOCKET_TIMEOUT|E407|E50\d)\b"
)


def _build_node(output):
    # Nothing of npm's is in the source tree, and its packages stay from one run to the next.
    manifest = (EXAMPLES / "node" / "package.json").read_text(encoding="utf-8")
    wanted = json.loads(manifest)["dependencies"]["koffi"]
    installed = output / "node_modules" / "koffi" / "package.json"
    if not installed.is_file() or json.loads(installed.read_text(encoding="utf-8"))["version"] != wanted:
        (output / "package.json").write_text(manifest, encoding="utf-8")
        command = ["npm", "install", "--prefix", output, "--ignore-scripts", "--no-audit", "--no-fund"]
        done = attempt([*command, "--fetch-retries=1"])
        if unreachable := REGISTRY_OUT_OF_REACH.search(done.stderr):
            _prerequisite_is_missing(
                f"the example in node needs koffi {wanted}, and npm cannot reach its registry ({unreachable[1]}): give "
                f"it a network or a proxy, or put the package into {output / 'node_modules'}\n{done.stderr}"
            )
        assert done.returncode == 0, f"npm install: status {done.returncode}\n{done.stdout}{done.stderr}"
    return ["env", f"NODE_PATH={output / 'node_modules'}", "node", EXAMPLES / "node" / "server.js"]


def _build_python(_output):
    # env becomes the program, which so has the process's ID.
    source = REPOSITORY / "capi" / "python" / "src"
    return ["env", f"PYTHONPATH={source}", "PYTHONDONTWRITEBYTECODE=1", sys.executable, EXAMPLES / "serve.py"]


# These servers ask for a body with a 100 before they give the request to the program.
EXPECT = ("refusals before a 100",)

LANGUAGES = {
    language.name: language
    for language in (
        Language("c", (), _build_c),
        Language("go", ("go>=1.19", "gcc"), _build_go),
        # Its http.rs has just the part of HTTP that the example needs.
        Language("rust", ("bindgen>=0.60", "rustc>=1.63"), _build_rust, lacks=("chunked bodies", "further requests")),
        # The JDK's server takes a length of +7, too.
        Language("java", ("javac>=17", "java>=17", JNA), _build_java, lacks=("trailers", "strict lengths", *EXPECT)),
        Language("node", ("node>=20", "npm"), _build_node, lacks=EXPECT),
        Language("python", (), _build_python, lacks=("chunked bodies", *EXPECT)),
    )
}  # fmt: skip


def _prerequisite_is_missing(reason):
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _missing_part(program):
    """The missing part of this entry of `programs`; nothing if it is there."""
    name, _, oldest = program.partition(">=")
    if not shutil.which(name) and not Path(name).is_file():
        return f"{name} {oldest}, which is not installed".replace(" ,", ",")
    if not oldest:
        return None
    printed = attempt([name, "version" if name == "go" else "--version"])
    found = re.search(r"\d+(\.\d+)*", printed.stdout)
    if found and [int(part) for part in found[0].split(".")] >= [int(part) for part in oldest.split(".")]:
        return None
    installed = found[0] if found else f"not known ({(printed.stdout + printed.stderr).strip()[:200]})"
    return f"{name} {oldest} or later, and the release here is {installed}"


def require(language):
    """The test is skipped where a prerequisite is missing."""
    if missing := [missing_part for program in language.programs if (missing_part := _missing_part(program))]:
        _prerequisite_is_missing(f"the example in {language.name} needs {'; and '.join(missing)}")


def build(language):
    """Builds the example and returns the command that runs it; the test is skipped where a prerequisite is missing."""
    require(language)
    output = OUTPUT / language.name
    output.mkdir(parents=True, exist_ok=True)
    return [str(part) for part in language.build(output)]


class Embedder(ServerProcess):
    """One data directory, and the process of an example that serves it. `options` are variables of the environment."""

    _name = "example"
    _stop_timeout_s = 60

    def __init__(self, program, data_dir, log_path, **options):
        self.data_dir = Path(data_dir)
        self._program = program
        self._log_path = Path(log_path)
        self.options = {**OPTIONS, **options}
        self._port = 0
        self.start()

    @property
    def port(self):
        return self._port

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self):
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def _spawn(self, log_path, data_dir, port):
        with open(log_path, "ab") as log:
            return subprocess.Popen(
                [*self._program, str(data_dir), str(port)],
                env=environment(TCSYNC_LIBRARY=str(LIBRARY), LD_LIBRARY_PATH=str(LIBRARY.parent), **self.options),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def refused(self, log_path, data_dir=None, port=0):
        """Starts another process, which ends by itself. Returns its status, its output and its log."""
        process = self._spawn(log_path, data_dir or self.data_dir, port)
        try:
            output = process.communicate(timeout=START_TIMEOUT_S)[0]
        finally:
            process.kill()
            process.wait()
        return process.returncode, output, Path(log_path).read_text(encoding="utf-8", errors="replace")

    def start(self):
        # On any port: the one of before may be another program's by now.
        self._process = self._spawn(self._log_path, self.data_dir, 0)
        has_begun = select.select([self._process.stdout], [], [], START_TIMEOUT_S)[0]
        line = self._process.stdout.readline().decode() if has_begun else ""
        found = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line)
        if not found:
            self.kill()
            raise AssertionError(f"the example printed {line!r} instead of its address:\n{self.log}")
        self._port = int(found[1])

    def open_sockets(self):
        """How many sockets the process has open."""
        count = 0
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                count += os.readlink(link).startswith("socket:")
        return count

    def bytes_under_way(self):
        """How many bytes that were sent to the process it has not read yet."""
        port, count = f":{self._port:04X}", 0
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in table:
                _, local, remote, _, queues = line.split()[:5]
                if local.endswith(port):
                    count += int(queues.split(":")[1], 16)
                elif remote.endswith(port):
                    count += int(queues.split(":")[0], 16)
        return count

    def resident_bytes(self):
        """The memory that the process has resident now."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields["VmRSS"].split()[0]) * 1024
