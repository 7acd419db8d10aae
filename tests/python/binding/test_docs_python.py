"""The examples of docs/python.md run as they stand there, one after the other."""

import re

from support import REPOSITORY

import tcsync

PAGE = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_examples_of_the_page_work(full_library, server, tmp_path, capsys):
    """If this fails, code that people copy from the page does not work."""
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(examples) >= 5
    names = {"server_url": server.url, "directory": str(tmp_path)}
    for example in examples:
        exec(compile(example, "docs/python.md", "exec"), names)
    printed = capsys.readouterr().out
    assert printed.startswith("********\n") and names["credentials"].secret.reveal() not in printed
    assert f"0 1 {names['first'].version_id}" in printed
    assert "INFO listening on" not in printed, "only the listener says that, and its log is not set"
    assert "1 ['shop'] 2026-12-24" in printed and "SyncProgress(" in printed
    assert '"clients": 0' in printed or '"clients":0' in printed


def test_every_fault_and_error_is_named():
    """If this fails, the page lacks one, or describes one that is gone."""
    for fault in (
        *tcsync.RemoteFault,
        *tcsync.UnsealFault,
        *tcsync.EngineFault,
        *tcsync.ReplicaFault,
        *tcsync.SyncFault,
        *tcsync.PairingCodeFault,
        *tcsync.ProbeKind,
    ):
        assert f"`{fault.name}`" in PAGE, fault
    for name in tcsync.__all__:
        if name.endswith("Error"):
            assert f"`{name}`" in PAGE, name
