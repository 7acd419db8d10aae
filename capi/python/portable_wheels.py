#!/usr/bin/env python3
"""Builds wheels that install without a compiler on systems that are older than this one.

    portable_wheels.py --output DIRECTORY [--work DIRECTORY] [TARGET...]

TARGET: linux-x86_64, which runs on every Linux with glibc 2.28 or later. It needs Debian 12, its packages that
install-packages.sh names, and in this Python those of portable_wheels.txt:

    src/cmake/install-packages.sh package
    python3 -m venv ~/wheels && ~/wheels/bin/pip install -r capi/python/portable_wheels.txt
    ~/wheels/bin/python capi/python/portable_wheels.py --output dist

Zig compiles: it has the C library of the target in the oldest release that is wanted, and its own C++ library, which
goes into ours. The libraries that ours links as archives are built from Debian's sources, which are named here with
their checksums. --work keeps the sources and what was built of them; a library that is there is not built again.
portable_wheel_check.py has the last word on the result.
"""

import argparse
import glob
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import portable_wheel_check

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "capi" / "python"
JOBS = os.cpu_count() or 1
# As deep below the target's directory as Debian has it below /usr: it finds its headers from there.
BOOST = "lib/boost/cmake"


@dataclass(frozen=True)
class Target:
    zig: str  # the name of the system, with the oldest release on which the wheel runs
    system: str  # CMake's name
    processor: str
    host: str  # as configure scripts know it
    openssl: str  # the name of its configuration
    platform: str  # the wheel's tag


TARGETS = {
    "linux-x86_64": Target(
        "x86_64-linux-gnu.2.28", "Linux", "x86_64", "x86_64-linux-gnu", "linux-x86_64", "manylinux_2_28_x86_64"
    ),
}


@dataclass(frozen=True)
class Source:
    """Of a Debian source package: the archive as its authors published it, and Debian's patches, if they concern us."""

    package: str
    archive: str
    archive_sha256: str
    patches: str = ""
    patches_sha256: str = ""
    unwanted: tuple[str, ...] = ()  # of the patches


# Debian removes a version some time after the next one has come. Take the names and the checksums of the new one, from
# `apt-cache showsrc PACKAGE`, when this program asks for it.
SOURCES = (
    Source(
        "abseil",
        "abseil_20220623.1.orig.tar.gz",
        "abfe2897f3a30edaa74bc34365afe3c2a3cd012091a97dc7e008f7016adcd5fe",
        "abseil_20220623.1-1+deb12u2.debian.tar.xz",
        "e08490fc7b6f3beca1925953b0c4fb92df2de5e2a01295e4641e2a3d4e528eeb",
        unwanted=("latomic.diff",),  # links by what only GNU's linkers know
    ),
    Source(
        "libsodium",
        "libsodium_1.0.18.orig.tar.gz",
        "d59323c6b712a1519a5daf710b68f5e7fde57040845ffec53850911f10a5d4f4",
        "libsodium_1.0.18-1+deb12u1.debian.tar.xz",
        "f410474e46346b06b162defa05b1be26906aeed6cf309e3d4ebe30b4d1350733",
    ),
    Source(
        "openssl",
        "openssl_3.0.22.orig.tar.gz",
        "67ebca7e50d17383028045486653492195b83db95f8558709701bb47b5c1ef81",
    ),
    Source(
        "sqlite3",
        "sqlite3_3.40.1.orig.tar.xz",
        "aaa776260ab4dc976db34aa7891819484c8676b5b2783123ebc6301e2ca5d655",
        "sqlite3_3.40.1-2+deb12u2.debian.tar.xz",
        "0843bc12e4364076477935ce313a6d0796fd899a989ff18ebb6545540e10e4ca",
    ),
    Source(
        "zlib",
        "zlib_1.2.13.dfsg.orig.tar.bz2",
        "71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1",
    ),
)


class Failure(Exception):
    """A sentence for whoever builds."""


def run(*command, log=None, **options):
    """Runs a command; its output goes into the file `log`, of which a failure shows the end."""
    command = [str(part) for part in command]
    if log is None:
        subprocess.run(command, check=True, **options)
        return
    with log.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False, **options)
    if done.returncode != 0:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
        raise Failure(f"{command[0]} ended with status {done.returncode}; {log} has its output, which ends:\n{end}")


def must_make(directory):
    """Whether the directory, of something that is made in steps, has to be made. `done` tells that it is whole."""
    if (directory / ".done").exists():
        return False
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return True


def was_made(directory):
    (directory / ".done").touch()


class Archive:
    """Debian's archive of source packages, from where this machine has its packages."""

    def __init__(self, work):
        self._directory = work / "apt"
        sources = self._directory / "sources"
        (self._directory / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        sources.mkdir(exist_ok=True)
        for file in Path("/etc/apt/sources.list.d").glob("*.sources"):
            lines = file.read_text(encoding="utf-8").splitlines()
            lines = ["Types: deb-src" if line.startswith("Types:") else line for line in lines]
            (sources / file.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        listed = Path("/etc/apt/sources.list")
        if listed.exists():
            lines = [line for line in listed.read_text(encoding="utf-8").splitlines() if line.startswith("deb ")]
            (sources / "main.list").write_text("".join(f"deb-src {line[4:]}\n" for line in lines), encoding="utf-8")
        self._options = ["-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={sources}",
                         "-o", f"Dir::State::Lists={self._directory / 'lists'}"]  # fmt: skip
        self._is_read = False

    def fetch(self, package, name, sha256, directory):
        """The file in the directory, where it may be already."""
        file = directory / name
        if not file.exists():
            run("/usr/lib/apt/apt-helper", "download-file", self._address(package, name), file,
                log=self._directory / "log")  # fmt: skip
        with file.open("rb") as data:
            found = hashlib.file_digest(data, "sha256").hexdigest()
        if found != sha256:
            raise Failure(
                f"{file} has the SHA-256 {found}, and not {sha256}: look at where it came from, and remove it"
            )
        return file

    def _address(self, package, name):
        if not self._is_read:
            run("apt-get", *self._options, "update", log=self._directory / "log")
            self._is_read = True
        records = subprocess.run(["apt-cache", *self._options, "showsrc", package], capture_output=True, text=True,
                                 check=True).stdout  # fmt: skip
        versions = [line.split()[1] for line in records.splitlines() if line.startswith("Version:")]
        for version in versions:
            listed = subprocess.run(["apt-get", *self._options, "source", "--print-uris", f"{package}={version}"],
                                    capture_output=True, text=True, check=True).stdout  # fmt: skip
            for line in listed.splitlines():
                address, *file = line.split()
                if file and file[0] == name:
                    return address.strip("'")
        raise Failure(
            f"Debian has no {name} any more, but the versions {', '.join(versions)} of {package}: name one of them, "
            f"with its checksums, in {Path(__file__).name}"
        )


def unpack(archive, source, work):
    """The patched source tree."""
    tree = work / "sources" / source.package
    downloads = work / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    original = archive.fetch(source.package, source.archive, source.archive_sha256, downloads)
    patches = source.patches and archive.fetch(source.package, source.patches, source.patches_sha256, downloads)
    if must_make(tree):
        log = work / "unpack.log"
        run("tar", "--extract", "--strip-components=1", "--file", original, "--directory", tree, log=log)
        if patches:
            run("tar", "--extract", "--file", patches, "--directory", tree, log=log)
            series = (tree / "debian" / "patches" / "series").read_text(encoding="utf-8").split()
            for name in series:
                if name not in source.unwanted:
                    run("patch", "--strip=1", "--batch", f"--input=debian/patches/{name}", cwd=tree, log=log)
        was_made(tree)
    return tree


class Build:
    """What is built for one target, below a directory of its own."""

    def __init__(self, name, work):
        self.target = TARGETS[name]
        self.directory = work / name
        self.prefix = self.directory / "prefix"
        self.tools = self.directory / "tools"
        self.log = self.directory / "log"
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write_tools()
        self._write_toolchain()

    def _write_tools(self):
        """Compilers by name, as configure scripts want them."""
        self.tools.mkdir(exist_ok=True)
        # By its path: pip hides this Python's packages while it builds a wheel.
        zig = f"exec {Path(importlib.util.find_spec('ziglang').origin).parent / 'zig'}"
        target = f"-target {self.target.zig}"
        # Paths of this machine are in no file that is built.
        flags = f"-g0 -fPIC -ffile-prefix-map={self.directory.parent}=. -ffile-prefix-map={REPOSITORY}=."
        for name, command in {"cc": f"cc {target} {flags}", "c++": f"c++ {target} {flags}", "ar": "ar",
                              "ranlib": "ranlib"}.items():  # fmt: skip
            tool = self.tools / name
            tool.write_text(f'#!/bin/sh\n{zig} {command} "$@"\n', encoding="utf-8")
            tool.chmod(0o755)

    def _write_toolchain(self):
        tool = self.tools.as_posix()
        self.toolchain = self.directory / "toolchain.cmake"
        self.toolchain.write_text(
            f"""set(CMAKE_SYSTEM_NAME {self.target.system})
set(CMAKE_SYSTEM_PROCESSOR {self.target.processor})
set(CMAKE_C_COMPILER {tool}/cc)
set(CMAKE_CXX_COMPILER {tool}/c++)
set(CMAKE_AR {tool}/ar CACHE FILEPATH "")
set(CMAKE_RANLIB {tool}/ranlib CACHE FILEPATH "")
set(CMAKE_FIND_ROOT_PATH {self.prefix})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_PREFIX_PATH {self.prefix})
file(GLOB Boost_DIR {self.prefix}/{BOOST}/Boost-*)
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
""",
            encoding="utf-8",
        )

    def environment(self):
        return os.environ | {
            "CC": str(self.tools / "cc"), "CXX": str(self.tools / "c++"), "AR": str(self.tools / "ar"),
            "RANLIB": str(self.tools / "ranlib"), "CMAKE_TOOLCHAIN_FILE": str(self.toolchain),
            "PKG_CONFIG_LIBDIR": str(self.prefix / "lib" / "pkgconfig"), "PKG_CONFIG_PATH": "",
        }  # fmt: skip

    def in_copy_of(self, tree, *commands):
        """Runs the commands in a copy of a source tree, which is where old configure scripts build."""
        place = self.directory / tree.name
        if not must_make(place):
            return
        shutil.copytree(tree, place, symlinks=True, dirs_exist_ok=True, ignore=lambda *_: [".done"])
        for command in commands:
            run(*command, cwd=place, env=self.environment(), log=self.log)
        was_made(place)

    def _header_libraries(self):
        """Boost and nlohmann-json, of this machine's packages: their headers are of no particular system."""
        for pattern, place in (("/usr/lib/*/cmake/Boost-*", BOOST), ("/usr/lib/*/cmake/boost_headers-*", BOOST),
                               ("/usr/share/cmake/nlohmann_json", "share/cmake"), ("/usr/include/boost", "include"),
                               ("/usr/include/nlohmann", "include")):  # fmt: skip
            found = glob.glob(pattern)
            if not found:
                raise Failure(f"there is no {pattern} here: src/cmake/install-packages.sh package installs it")
            for directory in map(Path, found):
                shutil.copytree(directory, self.prefix / place / directory.name, dirs_exist_ok=True)

    def libraries(self, trees):
        self._header_libraries()
        prefix = f"--prefix={self.prefix}"
        make = ("make", f"-j{JOBS}")
        self.in_copy_of(trees["zlib"], ("./configure", "--static", prefix), (*make, "libz.a"), ("make", "install"))
        self.in_copy_of(trees["libsodium"], ("autoreconf", "--install"),
                        ("./configure", prefix, f"--host={self.target.host}", "--disable-shared", "--with-pic"),
                        make, ("make", "install"))  # fmt: skip
        self.in_copy_of(trees["openssl"],
                        # It has the prefix in it.
                        ("./Configure", self.target.openssl, "--prefix=/usr", "--libdir=lib", "--openssldir=/etc/ssl",
                         "no-shared", "no-tests", "no-module", "no-engine", "no-dso", "no-legacy"),
                        (*make, "build_libs"), ("make", "install_dev", f"DESTDIR={self.prefix}"))  # fmt: skip
        self.in_copy_of(trees["sqlite3"], *self._sqlite())
        place = self.directory / "abseil"
        if must_make(place):
            run("cmake", "-G", "Ninja", "-S", trees["abseil"], "-B", place, f"-DCMAKE_INSTALL_PREFIX={self.prefix}",
                "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_STANDARD=20", "-DABSL_PROPAGATE_CXX_STD=ON",
                "-DBUILD_TESTING=OFF", env=self.environment(), log=self.log)  # fmt: skip
            run("cmake", "--build", place, "--parallel", JOBS, "--target", "install", log=self.log)
            was_made(place)

    def _sqlite(self):
        """Its one source file is made by programs that run here; only that file is compiled for the target."""
        library = self.prefix / "lib" / "libsqlite3.a"
        include = self.prefix / "include"
        return (
            ("env", "-u", "CC", "-u", "AR", "-u", "RANLIB", "./configure", "--disable-tcl"),
            ("env", "-u", "CC", "-u", "AR", "-u", "RANLIB", "make", "sqlite3.c"),
            ("mkdir", "-p", library.parent, include),
            (self.tools / "cc", "-O2", "-DSQLITE_THREADSAFE=1", "-DSQLITE_OMIT_LOAD_EXTENSION", "-c", "sqlite3.c", "-o",
             "for-target.o"),
            ("rm", "-f", library),
            (self.tools / "ar", "rcs", library, "for-target.o"),
            ("cp", "sqlite3.h", "sqlite3ext.h", include),
        )  # fmt: skip

    def wheel(self, output):
        """Builds the wheel with the target's tag, and returns its path."""
        built = self.directory / "wheel"
        shutil.rmtree(built, ignore_errors=True)
        run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", built,
            f"--config-settings=build-dir={self.directory / 'tcsync'}", PACKAGE, env=self.environment(),
            log=self.log)  # fmt: skip
        (wheel,) = built.glob("*.whl")
        run(
            sys.executable,
            "-m",
            "wheel",
            "tags",
            "--remove",
            "--platform-tag",
            self.target.platform,
            wheel,
            log=self.log,
        )
        (wheel,) = built.glob("*.whl")
        if found := list(portable_wheel_check.faults(str(wheel))):
            raise Failure(f"{wheel} is not what its name says:\n" + "\n".join(found))
        output.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(wheel, output))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the directory for the wheels")
    parser.add_argument(
        "--work", type=Path, default=REPOSITORY / "build-wheels", help="the directory for what is between"
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.targets if name not in TARGETS]:
        parser.error(f"no target {', '.join(unknown)}: there are {', '.join(TARGETS)}")
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    archive = Archive(work)
    trees = {source.package: unpack(archive, source, work) for source in SOURCES}
    for name in arguments.targets or TARGETS:
        build = Build(name, work)
        build.libraries(trees)
        print(build.wheel(arguments.output.resolve()), flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"portable_wheels.py: {failure}")
