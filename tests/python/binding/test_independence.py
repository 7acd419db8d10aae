"""The binding stands alone: without the wizard, and without any package but Python's own."""

import ast
from pathlib import Path

import tcsync

PACKAGE = Path(tcsync.__file__).parent
# `python -m tcsync` is the wizard's program.
BINDING = sorted(path for path in PACKAGE.glob("*.py") if path.name != "__main__.py")


def imported_by(path):
    """The names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def test_the_binding_imports_nothing_of_the_wizard():
    """If this fails, a program that only talks to a server loads the wizard, and cannot do without it."""
    assert len(BINDING) > 10
    assert [(path.name, name) for path in BINDING for name in imported_by(path) if "wizard" in name] == []


def test_the_binding_needs_no_package(python, credentials):
    """If this fails, a program that only talks to a server needs the wizard's packages."""
    done = python(
        "import sys\n"
        "for name in ('click', 'rich', 'segno', 'keyring'): sys.modules[name] = None\n"
        "import tcsync, uuid\n"
        f"credentials = tcsync.Credentials({credentials.url!r}, uuid.uuid4(), tcsync.Secret('s'))\n"
        "code = tcsync.encode_pairing_code(credentials)\n"
        "assert tcsync.decode_pairing_code(code.reveal()) == credentials\n"
        "with tcsync.RemoteServer(credentials, proxy='') as server: print(server.probe().kind.name)\n"
        "print([name for name in sys.modules if name.startswith('tcsync.wizard')])\n"
    )
    assert (done.stdout, done.stderr) == ("EMPTY_HISTORY\n[]\n", "")
