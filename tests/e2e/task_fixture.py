"""The fixture of everything that drives a Taskwarrior, here and in tests/python."""

import os

import pytest
import taskwarrior
from taskwarrior import ClientUnavailable


@pytest.fixture(scope="session")
def task_client():
    """The Taskwarrior to test with. Where there is none, CI must notice; a person may have good reasons."""
    try:
        return taskwarrior.find_client()
    except ClientUnavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no Taskwarrior: {reason}", pytrace=False)
        pytest.skip(f"no Taskwarrior: {reason}")
