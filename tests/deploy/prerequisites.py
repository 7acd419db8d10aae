"""Prerequisites of the tests in this folder. Where one is missing, CI must notice; a person may have good reasons."""

import os
import shutil

import pytest

_SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def lacking(reason):
    """Ends the test: it cannot run here."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def program(name):
    """The path of an installed program."""
    path = shutil.which(name, path=_SYSTEM_PATH)
    if not path:
        lacking(f"{name} is not installed: see src/cmake/debian-packages.txt")
    return path


def root():
    if os.geteuid() != 0:
        lacking("only root can do this")
