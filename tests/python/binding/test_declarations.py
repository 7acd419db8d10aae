"""The ctypes declarations are those of the header."""

import ctypes
import importlib.metadata
import sys
from unittest.mock import MagicMock

import pytest
from support import REPOSITORY

import tcsync
from tcsync import _declarations, _library

GENERATOR = REPOSITORY / "capi" / "python"


def test_the_declarations_match_the_header(monkeypatch):
    """If this fails, Python calls the library by another header than the one that it was built from: run
    capi/python/generate_declarations.py --output capi/python/src/tcsync/_declarations.py."""
    monkeypatch.setattr(sys, "path", [str(GENERATOR), *sys.path])
    import generate_declarations

    committed = (GENERATOR / "src" / "tcsync" / "_declarations.py").read_text(encoding="utf-8")
    assert generate_declarations.generate() == committed


def test_every_exported_function_is_declared():
    """If this fails, ctypes guesses a function's types, and cuts pointers to 32 bits."""
    listed = (REPOSITORY / "capi" / "baseline" / "symbols.txt").read_text(encoding="utf-8").split()
    functions = [name for name in listed if name.startswith("tcsync_")]
    assert len(functions) > 30
    declared = MagicMock()
    _declarations.declare(declared)
    for name in functions:
        types = vars(getattr(declared, name))
        assert {"argtypes", "restype"} <= types.keys(), name


def test_struct_sizes_are_the_librarys():
    """If this fails, Python and the library disagree where a field of a struct is: the last option field is wrong."""
    option = _declarations.tcsync_option(struct_size=ctypes.sizeof(_declarations.tcsync_option))
    assert _library.library().tcsync_option_info(0, ctypes.byref(option), None) == _declarations.TCSYNC_OK
    assert option.name and option.maximum >= option.minimum


@pytest.mark.parametrize("faults", [tcsync.EngineFault, tcsync.ReplicaFault])
def test_faults_are_codes(faults):
    """If this fails, a fault has one name in C and another one in Python."""
    for fault in faults:
        assert _declarations.CODE_NAMES[fault.value] == f"TCSYNC_{fault.name}"


@pytest.mark.parametrize(
    ("faults", "prefix"),
    [(tcsync.RemoteFault, "REMOTE"), (tcsync.SyncFault, "SYNC"), (tcsync.UnsealFault, "UNSEAL")],
)
def test_faults_of_the_client_are_codes(faults, prefix):
    """If this fails, a fault has one name in C and another one in Python, or Python lacks it."""
    codes = {name: code for code, name in _declarations.CODE_NAMES.items() if name.startswith(f"TCSYNC_{prefix}_")}
    assert {f"TCSYNC_{prefix}_{fault.name}": fault.value for fault in faults} == codes


def test_the_package_has_the_librarys_release():
    """If this fails, the package, as it is named on an index, and the library in it are of two releases."""
    assert tcsync.__version__ == _library.version() == importlib.metadata.version("tcsync")
    number = _declarations.TCSYNC_VERSION_MAJOR * 1_000_000 + _declarations.TCSYNC_VERSION_MINOR * 1_000
    assert _library.library().tcsync_version_number() == number + _declarations.TCSYNC_VERSION_PATCH


@pytest.mark.parametrize(
    ("path", "expected"), [("/nonexistent/libtcsync.so", "cannot be loaded"), ("libc.so.6", "is of another release")]
)
def test_a_wrong_library_is_named(python, path, expected):
    """If this fails, a broken installation ends in a traceback from ctypes."""
    done = python(
        "import os\n"
        f"os.environ['TCSYNC_LIBRARY'] = {path!r}\n"
        "import tcsync\n"
        "try: tcsync.Credentials.generate('https://example.com')\n"
        "except tcsync.LibraryError as error: print(error)\n"
    )
    assert expected in done.stdout and path in done.stdout, done
