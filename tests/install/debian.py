#!/usr/bin/env python3
"""The two commands of the README on another Debian, as on a fresh machine: makes a small system of that suite with
debootstrap (as root), copies this source tree into it, and runs ./examples/run-server.sh and ./tests/run.sh there.

    tests/install/debian.py SUITE [--compiler gcc|clang] [CTEST_ARGUMENT]...
    tests/install/debian.py testing --compiler clang -R '^(unit|conformance)[.]'

SUITE: bookworm (Debian 12), trixie (13), testing, or another that debootstrap knows. It ends with the status of the
first command that failed. The system is kept as debian-SUITE-machine in the build directory, with its packages
and builds, so that the next run is short; remove it to begin from nothing. This machine's ccache is used, when it
has one.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import debian_root
from support import BUILD_DIR, REPOSITORY

SOURCE = "tcsync"  # in the other system's /
COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}

# Mounts that are gone with the last process in there.
_ENTER = """
set -eu
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
if [ -n "$CACHE" ]; then
  mkdir -p "$ROOT/ccache"
  mount --bind "$CACHE" "$ROOT/ccache"
fi
exec chroot "$ROOT" /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LANG=C.UTF-8 \
  ${CACHE:+CCACHE_DIR=/ccache} ${MIRROR:+TCSYNC_DEBOOTSTRAP_MIRROR="$MIRROR"} "$@"
"""


def compiler_cache():
    """This machine's ccache directory, or an empty text."""
    ccache = shutil.which("ccache")
    if not ccache:
        return ""
    command = [ccache, "--get-config", "cache_dir"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


class Machine:
    """The other system."""

    def __init__(self, suite):
        self.root = BUILD_DIR / f"debian-{suite}-machine"
        self._cache = compiler_cache()
        debian_root.require(self.root, suite, "bash", "ca-certificates")
        # A mirror may be older than its lists say that they are good for.
        (self.root / "etc/apt/apt.conf.d/lists").write_text('Acquire::Check-Valid-Until "false";\n', encoding="ascii")

    def copy_sources(self):
        """Copies the files that git knows, with the changes that are not committed; builds in the copy stay."""
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY), "ls-files", "-z"], capture_output=True, check=True
        ).stdout
        target = self.root / SOURCE
        for old in target.iterdir() if target.is_dir() else ():
            if old.name != "build":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        for name in filter(None, listed.decode().split("\0")):
            if (REPOSITORY / name).exists():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, target / name)

    def run(self, *command, **variables):
        """Runs a command at the top of the sources; its exit status."""
        print("+", *command, flush=True)
        settings = [f"{name}={value}" for name, value in variables.items()]
        inside = ["/usr/bin/env", "--chdir", f"/{SOURCE}", *settings, *command]
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _ENTER, "enter", *inside],
            env={
                "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
                "ROOT": str(self.root),
                "CACHE": self._cache,
                "MIRROR": os.environ.get("TCSYNC_DEBOOTSTRAP_MIRROR", ""),
            },
            stdin=subprocess.DEVNULL,
        ).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    parser.add_argument("--compiler", choices=COMPILERS, default="gcc")
    arguments, ctest_arguments = parser.parse_known_args()
    try:
        machine = Machine(arguments.suite)
    except debian_root.RootUnavailable as reason:
        sys.exit(f"debian.py: no Debian {arguments.suite}: {reason}")
    machine.copy_sources()
    c_compiler, cpp_compiler = COMPILERS[arguments.compiler]
    variables = {"CC": c_compiler, "CXX": cpp_compiler, "DEBIAN_FRONTEND": "noninteractive"}
    extra = ["ccache"] if compiler_cache() else []
    commands = [
        ["src/cmake/install-packages.sh", "build"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", arguments.compiler, *extra],
        ["./examples/run-server.sh", "--version"],
        ["./tests/run.sh", *ctest_arguments],
    ]
    for command in commands:
        if status := machine.run(*command, **variables):
            sys.exit(status)


if __name__ == "__main__":
    main()
