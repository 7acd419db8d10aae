"""Installs tcsync, moves the installation elsewhere, and embeds it from an outside CMake project and
with pkg-config; runs the programs. See CMakeLists.txt for the arguments.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CONSUMER = Path(__file__).parent / "consumer"

TEXT_SUFFIXES = (".h", ".cmake", ".pc")
# Generous: with debug information it was 182 MB.
INSTALLED_BYTES_MAX = 40_000_000
SIZED_BUILD_TYPES = ("Release", "RelWithDebInfo")  # without optimization, code is larger


def run(*command, is_shown=True, **variables):
    """Runs a command, which must succeed; returns its output."""
    command = [str(argument) for argument in command]
    print("+", *command, flush=True)
    done = subprocess.run(
        command,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if is_shown or done.returncode != 0:
        print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with status {done.returncode}")
    return done.stdout


def expect(output, expected):
    if not re.fullmatch(expected, output):
        sys.exit(f"printed {output!r}, expected {expected!r}")


def check_paths(prefix, arguments):
    """If this fails, the installed package works only on the machine where it was built."""
    for path in prefix.rglob("*"):
        if path.suffix not in (".h", ".cmake", ".pc"):
            continue
        text = path.read_text(encoding="utf-8")
        for directory in (arguments.source_dir, arguments.build_dir, arguments.work_dir):
            if str(directory) in text:
                sys.exit(f"{path} refers to {directory}")


def check_size(prefix, arguments):
    """If this fails, an installation carries debug information, which is many times as large as all else."""
    binaries = [path for path in prefix.rglob("*") if path.is_file() and path.suffix not in TEXT_SUFFIXES]
    archives = [path for path in binaries if path.suffix == ".a"]
    if not archives or len(archives) == len(binaries):
        sys.exit(f"installed were only {binaries}")
    for path in binaries:
        with path.open("rb") as file:
            if file.read(8)[:4] not in (b"\x7fELF", b"!<ar"):
                continue
        if ".debug_" in run("readelf", "--section-headers", "--wide", path, is_shown=False):
            sys.exit(f"{path} has debug information")
    total = sum(path.stat().st_size for path in prefix.rglob("*") if not path.is_symlink())
    print(f"installed: {total} bytes", flush=True)
    if arguments.build_type in SIZED_BUILD_TYPES and total > INSTALLED_BYTES_MAX:
        sys.exit(f"the installed files have {total} bytes, over {INSTALLED_BYTES_MAX}")


def main(arguments):
    shutil.rmtree(arguments.work_dir, ignore_errors=True)
    arguments.work_dir.mkdir(parents=True)
    first, prefix = arguments.work_dir / "first", arguments.work_dir / "moved"
    run("cmake", "--install", arguments.build_dir, "--prefix", first)
    first.rename(prefix)
    check_paths(prefix, arguments)
    check_size(prefix, arguments)

    c_output = rf"tcsync {re.escape(arguments.version)}: 29 bytes more\n"
    build = arguments.work_dir / "consumer"
    run(
        "cmake", "-S", CONSUMER, "-B", build,
        f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_C_COMPILER={arguments.c_compiler}",
        f"-DCMAKE_CXX_COMPILER={arguments.cxx_compiler}",
        f"-DCMAKE_C_FLAGS={arguments.flags}",
        f"-DCMAKE_CXX_FLAGS={arguments.flags}",
        f"-DWITH_ENGINE={arguments.server}",
    )  # fmt: skip
    run("cmake", "--build", build)
    expect(run(build / "c_program"), c_output)
    expect(run(build / "replica_program"), r"task: Buy milk\n")
    if arguments.server:
        expect(run(build / "c_program_with_archive"), c_output)
        expect(
            run(build / "cpp_program"),
            r"add-version: 200\nget-child-version: sealed bytes\n"
            r"remote: the server URL 'ftp://host' begins with neither .*\n",
        )

    pkgconfig_dir = str(prefix / arguments.libdir / "pkgconfig")

    def pkg_config(*options):
        return run("pkg-config", *options, "tcsync", PKG_CONFIG_PATH=pkgconfig_dir).split()

    expect(" ".join(pkg_config("--modversion")), re.escape(arguments.version))
    program = arguments.work_dir / "pkg_config_program"
    library_dir = pkg_config("--variable=libdir")[0]
    run(
        arguments.c_compiler, *arguments.flags.split(), CONSUMER / "c_program.c", "-o", program,
        *pkg_config("--cflags", "--libs"), f"-Wl,-rpath,{library_dir}",
    )  # fmt: skip
    expect(run(program), c_output)
    check_static(arguments, pkg_config)

    if arguments.server:
        server = prefix / arguments.bindir / "tcsync-server"
        expect(run(server, "--version"), rf"tcsync-server {re.escape(arguments.version)}\n")
        if not list(prefix.glob("share/man/man8/tcsync-server.8")):
            sys.exit("the server was installed without its manual page")


def check_static(arguments, pkg_config):
    """If this fails, a program that is to be one file cannot have tcsync in it."""
    if arguments.flags:
        return  # A sanitizer's runtime is not for programs that are linked statically.
    sources = [(CONSUMER / "c_program.c", [])]
    if arguments.server and arguments.postgres:
        print("no program with an engine is linked statically: libpq needs Kerberos, of which Debian has no archive")
    elif arguments.server:
        sources.append((arguments.source_dir / "examples" / "embed.c", [arguments.work_dir / "static_data"]))
    for source, program_arguments in sources:
        built = arguments.work_dir / f"static_{source.stem}"
        built_object = built.with_suffix(".o")
        run(arguments.c_compiler, "-c", source, "-o", built_object, *pkg_config("--cflags"))
        run(arguments.cxx_compiler, "-static", built_object, "-o", built, *pkg_config("--static", "--libs"))
        headers = run("readelf", "--program-headers", "--wide", built, is_shown=False)
        if "INTERP" in headers or "DYNAMIC" in headers:
            sys.exit(f"{built} needs shared libraries")
        run(built, *program_arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("source-dir", "build-dir", "work-dir"):
        parser.add_argument(f"--{option}", type=lambda text: Path(text).resolve(), required=True)
    for option in ("libdir", "bindir", "version", "build-type", "c-compiler", "cxx-compiler", "flags"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("server", "postgres"):
        parser.add_argument(f"--{option}", type=lambda text: text == "1", required=True)
    main(parser.parse_args())
