#!/usr/bin/env python3
"""Makes the virtual environment of the Python tests: the wheel of capi/python, as `pip install` builds it, and the
tests' requirements. Does nothing when neither the sources nor the requirements have changed.

    environment.py BUILD_DIRECTORY        makes BUILD_DIRECTORY/python-venv and BUILD_DIRECTORY/python-wheel
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "capi" / "python"
# The sources of the library and the package, with its manual pages.
SOURCES = ("CMakeLists.txt", "capi", "docs/man", "include", "src")
PIP_TIMEOUT_S = 900


def run(*command, **variables):
    subprocess.run(command, check=True, timeout=PIP_TIMEOUT_S, env={**os.environ, **variables})


def digest_of_sources():
    digest = hashlib.sha256(sys.version.encode())
    for top in SOURCES:
        path = REPOSITORY / top
        for file in sorted([path] if path.is_file() else path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(REPOSITORY)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def requirements():
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["test"]]


def build_wheel(python, directory):
    """The new wheel; one that was built before is gone."""
    shutil.rmtree(directory, ignore_errors=True)
    compilers = {}
    if ccache := shutil.which("ccache"):
        compilers = {f"CMAKE_{language}_COMPILER_LAUNCHER": ccache for language in ("C", "CXX")}
    run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(PACKAGE), **compilers)
    (wheel,) = directory.glob("*.whl")
    return wheel


def remembered(stamp, text, action):
    """Runs the action unless it was run for the same text."""
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != text:
        stamp.unlink(missing_ok=True)
        action()
        stamp.write_text(text, encoding="utf-8")


def main(build_directory):
    environment = build_directory / "python-venv"
    python = str(environment / "bin" / "python")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    wanted = requirements()

    def make():
        venv.create(environment, with_pip=True, clear=True)
        run(*pip, *wanted)

    remembered(environment / "requirements.stamp", "\n".join([sys.version, *wanted]), make)
    remembered(
        environment / "wheel.stamp",
        digest_of_sources(),
        lambda: run(*pip, "--no-deps", "--force-reinstall", str(build_wheel(python, build_directory / "python-wheel"))),
    )
    run(python, "-m", "tcsync", "--version")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
