#!/usr/bin/env python3
"""Writes what `pip` would write beside the Python modules, for Debian's package of them: the program, and the metadata
that other programs read. The dependencies become lines for debian/control.

    python_package.py PROJECT PACKAGE       PROJECT has pyproject.toml; PACKAGE is debian/python3-tcsync
"""

import os
import re
import sys
from pathlib import Path

import tomllib

PROGRAM = """#!/usr/bin/python3
import sys

from {module} import {function}

sys.exit({function}())
"""


def version_of(project):
    """The release, by the rule of pyproject.toml."""
    rule = project["tool"]["scikit-build"]["metadata"]["version"]
    text = (project["directory"] / rule["input"]).read_text(encoding="utf-8")
    return rule["result"].format(**re.search(rule["regex"], text).groupdict())


def read_project(directory):
    project = tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))
    return {"directory": directory, **project}


def write_programs(scripts, directory):
    directory.mkdir(parents=True)
    for name, target in scripts.items():
        module, function = target.split(":")
        program = directory / name
        program.write_text(PROGRAM.format(module=module, function=function), encoding="utf-8")
        program.chmod(0o755)


def write_metadata(project, version, directory):
    described = project["project"]
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {described['name']}",
        f"Version: {version}",
        f"Summary: {described['description']}",
        f"License: {described['license']}",
        f"Requires-Python: {described['requires-python']}",
        *(f"Requires-Dist: {requirement}" for requirement in described["dependencies"]),
    ]
    entries = [f"{name} = {target}" for name, target in described["scripts"].items()]
    directory.mkdir(parents=True)
    (directory / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (directory / "entry_points.txt").write_text("\n".join(["[console_scripts]", *entries]) + "\n", encoding="utf-8")
    (directory / "INSTALLER").write_text("debian\n", encoding="utf-8")


def debian_requirement(requirement):
    """click>=8.1 is python3-click (>= 8.1)."""
    found = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", requirement)
    if not found:
        sys.exit(f"python_package.py: the dependency {requirement!r} of pyproject.toml is not NAME>=VERSION")
    return f"python3-{found[1]} (>= {found[2]})"


def main(directory, package):
    project = read_project(directory)
    version = version_of(project)
    described = project["project"]
    write_programs(described["scripts"], package / "usr/bin")
    modules = package / "usr/lib/python3/dist-packages"
    write_metadata(project, version, modules / f"{described['name']}-{version}.dist-info")
    requirements = ", ".join(map(debian_requirement, described["dependencies"]))
    with open(f"{package}.substvars", "a", encoding="utf-8") as variables:
        variables.write(f"tcsync:Requires={requirements}\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    os.umask(0o022)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
