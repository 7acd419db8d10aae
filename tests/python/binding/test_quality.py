"""The package is typed and tidy, as its users' tools will check it."""

import subprocess
import sys

import pytest
from support import REPOSITORY

PACKAGE = REPOSITORY / "capi" / "python"
CONFIGURATION = PACKAGE / "pyproject.toml"
TESTS = REPOSITORY / "tests" / "python"


@pytest.mark.parametrize(
    "command",
    [
        ["mypy", "--config-file", str(CONFIGURATION), "--cache-dir", "{tmp}", "--no-incremental"],
        ["ruff", "check", "--no-cache", "--config", str(CONFIGURATION), str(PACKAGE), str(TESTS)],
        ["ruff", "format", "--check", "--no-cache", "--config", str(CONFIGURATION), str(PACKAGE), str(TESTS)],
    ],
    ids=["mypy", "ruff-check", "ruff-format"],
)
def test_clean(command, tmp_path):
    """If this fails, the tool's output below says where."""
    arguments = [argument.replace("{tmp}", str(tmp_path)) for argument in command]
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=PACKAGE, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_any_in_public_signatures():
    """If this fails, a user's type checker is blind behind one of these functions."""
    import inspect
    import typing

    import tcsync

    for name in tcsync.__all__:
        public = getattr(tcsync, name)
        if not inspect.isroutine(public) and not inspect.isclass(public):
            continue
        functions = [public] if inspect.isroutine(public) else [
            method for key, method in vars(public).items() if inspect.isfunction(method) and not key.startswith("_")
        ]  # fmt: skip
        for function in functions:
            hints = inspect.get_annotations(function)
            assert hints, f"{name}.{function.__name__} has no types"
            assert typing.Any not in hints.values() and not [hint for hint in hints.values() if "Any" in str(hint)]
