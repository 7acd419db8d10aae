"""The image of examples/deploy/docker, built with buildah, and containers of it.

Everything works as root in a container of its own, without a daemon, an overlay file system or a registry: the base
image is a Debian that debootstrap made, RUN steps run in a chroot, and images are plain directories below the build
directory. The base and the packages of the build stage are kept for the next run. The Debian is that of the Dockerfile,
which is another one than the tests run on: so the server is compiled on both. A container is made of namespaces,
as by a container engine: its own processes, mounts and network, a root file system that is read-only, and
a volume at /data.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import debian_root
import prerequisites
from support import BUILD_DIR, REPOSITORY, run_bounded, wait_until

DOCKERFILE = REPOSITORY / "examples/deploy/docker/Dockerfile"
SUITE = re.search(r"^ARG BASE_IMAGE=.*/debian:([a-z]+)-", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)[1]
BASE_ROOT = BUILD_DIR / f"debian-{SUITE}-base"
STORE = BUILD_DIR / "deploy-images"
BUILD_TIMEOUT_S = 1500
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
BASE, BUILD_PACKAGES = f"localhost/tcsync-base-{SUITE}", f"localhost/tcsync-build-packages-{SUITE}"
IMAGE = "localhost/tcsync-server"
NAMESPACES = ("--mount", "--pid", "--net", "--ipc", "--uts", "--fork")

# Makes the container's file system out of the image's, and becomes its first process.
_ENTER = """
set -eu
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
[ -z "$VOLUME" ] || mount --bind "$VOLUME" "$ROOT/data"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -o remount,bind,ro "$ROOT"
ip link set lo up
exec chroot "$ROOT" "$@"
"""


def buildah(*arguments, timeout_s=BUILD_TIMEOUT_S):
    """Runs buildah on this folder's own images; its standard output."""
    store = ("--root", STORE / "root", "--runroot", STORE / "run", "--storage-driver", "vfs")
    command = [prerequisites.program("buildah"), *store]
    done = run_bounded([*map(str, command), *map(str, arguments)], timeout_s=timeout_s)
    assert done.returncode == 0, f"buildah {arguments[0]}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout.strip()


def _exists(image):
    return image in buildah("images", "--format", "{{.Name}}").split()


def require():
    """Ends the test where no image can be built or no container made."""
    prerequisites.root()
    for name in ("buildah", "nsenter", "ip"):
        prerequisites.program(name)
    done = run_bounded([prerequisites.program("unshare"), *NAMESPACES, "true"], timeout_s=30)
    if done.returncode != 0:
        prerequisites.lacking(f"the system makes no namespaces: {done.stderr}")


def build():
    """Builds the image as the Dockerfile says, but on a base of our own."""
    require()
    STORE.mkdir(exist_ok=True)
    try:
        debian_root.require(BASE_ROOT, SUITE, "bash")
    except debian_root.RootUnavailable as reason:
        prerequisites.lacking(f"no Debian to base an image on: {reason}")
    build_options = ["build", "--isolation", "chroot", "--format", "docker", "--file", DOCKERFILE]
    build_options += ["--build-arg", f"BASE_IMAGE={BASE}"]
    if not _exists(BASE):
        (STORE / "Containerfile").write_text("FROM scratch\nCOPY . /\n", encoding="utf-8")
        buildah("build", "--quiet", "--tag", BASE, "--file", STORE / "Containerfile", BASE_ROOT)
    # Both lists of packages are in this stage, which is made again when they change.
    buildah(*build_options, "--layers", "--target", "build-packages", "--tag", BUILD_PACKAGES, REPOSITORY)
    build_options += ["--build-context", f"build-packages=container-image://{_with_compiler_cache(BUILD_PACKAGES)}"]
    if cache := _compiler_cache():
        build_options += ["--volume", f"{cache}:/ccache"]
    buildah(*build_options, "--tag", IMAGE, REPOSITORY)
    buildah("rmi", "--prune")


def _compiler_cache():
    """This machine's ccache directory, or None."""
    ccache = shutil.which("ccache")
    if not ccache:
        return None
    directory = Path(run_bounded([ccache, "--get-config", "cache_dir"], timeout_s=30).stdout.strip())
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _with_compiler_cache(image):
    """The image with ccache in it, when this machine has one: the same result, sooner from the second time on."""
    if not _compiler_cache():
        return image
    image_id = buildah("inspect", "--type", "image", "--format", "{{.FromImageID}}", image)
    cached = f"{image}-ccache"
    label = '{{index .OCIv1.Config.Labels "of"}}'
    if _exists(cached) and buildah("inspect", "--type", "image", "--format", label, cached) == image_id:
        return cached
    container = buildah("from", image)
    install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends ccache"
    buildah("run", "--isolation", "chroot", container, "sh", "-c", install)
    variables = ("CCACHE_DIR=/ccache", "CMAKE_C_COMPILER_LAUNCHER=ccache", "CMAKE_CXX_COMPILER_LAUNCHER=ccache")
    buildah("config", "--label", f"of={image_id}", *(part for name in variables for part in ("--env", name)), container)
    buildah("commit", "--rm", container, cached)
    return cached


@dataclass(frozen=True)
class Image:
    """The built image: its file system, and its instructions for running it."""

    root: Path
    config: dict
    healthcheck: dict


@contextlib.contextmanager
def mounted():
    """The built image as an Image; gone at the end."""
    description = json.loads(buildah("inspect", "--type", "image", IMAGE))
    container = buildah("from", IMAGE)
    try:
        root = Path(buildah("mount", container))
        yield Image(root, description["OCIv1"]["config"], description["Docker"]["config"]["Healthcheck"])
    finally:
        buildah("rm", container)


class Container:
    """A running container of the image, in a network namespace of its own with nothing but loopback.

    `volume`: a directory for /data, or None. `user` is UID:GID as `docker run --user` takes it, by default the image's.
    As anyone but root it has no capability and gets none.
    """

    def __init__(self, image, volume, log_path, *command, user=None, env=()):
        self._image = image
        self._log_path = Path(log_path)
        self._user = user or image.config["User"]
        self._env = [*image.config["Env"], *env]
        arguments = [*image.config["Entrypoint"], *(command or image.config["Cmd"])]
        self._process = self._start(volume, arguments)

    @property
    def pid(self):
        """Its first process, which is number 1 in there, as it is numbered here."""
        return wait_until(self._first_process, START_TIMEOUT_S, "the container has a first process")

    @property
    def log(self):
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def network(self):
        """The beginning of a command that runs in the container's network."""
        return (prerequisites.program("nsenter"), f"--net=/proc/{self.pid}/ns/net")

    def wait_until_listening(self):
        def listening():
            status = self._process.poll()
            assert status is None, f"the container ended with status {status}:\n{self.log}"
            return "listening on http://" in self.log

        wait_until(listening, START_TIMEOUT_S, "the server in the container is listening")

    def exec(self, *command, timeout_s=60):
        """Runs a command in the container as its user, like `docker exec`; its CompletedProcess."""
        enter = [prerequisites.program("nsenter"), f"--target={self.pid}", "--mount", "--pid", "--net"]
        enter += [f"--root=/proc/{self.pid}/root", "--wd=/"]
        return run_bounded([*enter, *self._as_user(command)], timeout_s=timeout_s)

    def stop(self):
        """Stops it with the image's signal, as an engine does; the exit status."""
        subprocess.run(
            ["kill", "-s", self._image.config["StopSignal"], str(self.pid)], check=True, timeout=STOP_TIMEOUT_S
        )
        return self._process.wait(STOP_TIMEOUT_S)

    def wait(self):
        return self._process.wait(STOP_TIMEOUT_S)

    def kill(self):
        """Ends all processes in there: with the first one the kernel ends the others."""
        if self._process.poll() is None:
            for pid in self._children() or [self._process.pid]:
                os.kill(pid, signal.SIGKILL)
            self._process.wait(STOP_TIMEOUT_S)

    def _as_user(self, command):
        """The command with the container's environment and user, in there."""
        clean = ["/usr/bin/env", "-i", *self._env]
        user, group = self._user.split(":")
        if user == "0":
            return [*clean, *command]
        drop = ("--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs")
        return [*clean, "setpriv", "--reuid", user, "--regid", group, *drop, *command]

    def _start(self, volume, arguments):
        unshare = [prerequisites.program("unshare"), *NAMESPACES, "--kill-child"]
        with open(self._log_path, "ab") as log:
            return subprocess.Popen(
                [*unshare, "/bin/sh", "-c", _ENTER, "container", *self._as_user(arguments)],
                env={
                    "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
                    "ROOT": str(self._image.root),
                    "VOLUME": str(volume or ""),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _first_process(self):
        status = self._process.poll()
        assert status is None, f"the container ended with status {status}:\n{self.log}"
        return next(iter(self._children()), None)

    def _children(self):
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
