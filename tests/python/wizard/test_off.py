"""`tcsync off`: everything that a setup leaves is named, asked for and removed, and nothing else is."""

import json
from uuid import uuid4

import pytest

CLIENT_ID, OLD_CLIENT_ID = str(uuid4()), str(uuid4())
SECRET, OLD_SECRET = "0123456789abcdef" * 4, "fedcba9876543210" * 4
MINE = "# mine\nuda.size.type=string # keep\n"

# A keyring in a file; the real ones need a desktop session.
KEYRING = """
import json, os
from pathlib import Path
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

FILE = Path(os.environ["HOME"], "keyring.json")

class FileKeyring(KeyringBackend):
    priority = 1

    def _entries(self):
        return json.loads(FILE.read_text()) if FILE.exists() else {}

    def get_password(self, service, username):
        if os.environ.get("KEYRING_LOCKED"):
            raise KeyringLocked("locked")
        return self._entries().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps({**self._entries(), f"{service}/{username}": password}))

    def delete_password(self, service, username):
        entries = self._entries()
        if os.environ.get("KEYRING_READ_ONLY"):
            raise PasswordDeleteError("refused")
        del entries[f"{service}/{username}"]
        FILE.write_text(json.dumps(entries))
"""


def settings(client_id, secret):
    return (
        f"sync.server.url=https://sync.example.com\nsync.server.client_id={client_id}\n"
        f"sync.encryption_secret={secret}\n"
    )


def give_keyring(computer):
    (computer.home / "file_keyring.py").write_text(KEYRING, encoding="utf-8")
    paths = filter(None, (computer.environment.get("PYTHONPATH"), str(computer.home)))
    computer.environment |= {"PYTHONPATH": ":".join(paths), "PYTHON_KEYRING_BACKEND": "file_keyring.FileKeyring"}


@pytest.fixture
def leaving(new_computer):
    """A computer with one of each thing that a setup may leave. Nothing here needs a server or Taskwarrior."""
    computer = new_computer(has_task=False)
    give_keyring(computer)
    entries = {f"tcsync/{client_id}": "a pairing code" for client_id in (CLIENT_ID, OLD_CLIENT_ID)}
    (computer.home / "keyring.json").write_text(json.dumps({**entries, "mail/ada": "mine"}), encoding="utf-8")
    computer.write_taskrc(MINE + settings(CLIENT_ID, SECRET))
    backup(computer).write_text(MINE + settings(OLD_CLIENT_ID, OLD_SECRET), encoding="utf-8")
    kept_data(computer).mkdir(parents=True)
    (kept_data(computer) / "export.json").write_text("[]", encoding="utf-8")
    return computer


def backup(computer):
    return computer.home / ".taskrc.backup-20261124T093000Z"


def kept_data(computer):
    return computer.home / ".task" / "before-tcsync-20261124-093000"


def present(computer):
    """The kinds of things that are still there."""
    keyring = (computer.home / "keyring.json").read_text(encoding="utf-8")
    assert "mail/ada" in keyring, "another program's password is gone"
    there = {
        "keyring": "tcsync/" in keyring,
        "settings": "sync." in computer.taskrc.read_text(encoding="utf-8"),
        "backups": backup(computer).exists(),
        "kept-data": kept_data(computer).exists(),
    }
    return {kind for kind, is_there in there.items() if is_there}


ALL = {"keyring", "settings", "backups", "kept-data"}
CHOICES = {
    ("--settings",): ALL - {"settings"},
    ("--keyring",): ALL - {"keyring"},
    ("--backups",): ALL - {"backups"},
    ("--kept-data",): ALL - {"kept-data"},
    ("--backups", "--keyring"): {"settings", "kept-data"},
    ("--all",): set(),
    ("--yes",): {"kept-data"},
    ("--all", "--dry-run"): ALL,
}


@pytest.mark.parametrize("flags", CHOICES, ids=" ".join)
def test_flags_remove_what_they_name(leaving, flags):
    """If this fails, a script leaves a secret behind, or removes data that it was not told to."""
    outcome = leaving.json("off", *flags)
    assert present(leaving) == CHOICES[flags]
    assert outcome["exit_code"] == 0
    rest = "found" if "--dry-run" in flags else "kept"
    results = {item["kind"]: item["result"] for item in outcome["items"]}
    assert results == {kind: rest if kind in CHOICES[flags] else "removed" for kind in ALL}
    if "settings" not in CHOICES[flags]:
        assert leaving.taskrc.read_text(encoding="utf-8") == MINE
        assert [name for name, (content, _) in leaving.files().items() if SECRET.encode() in content] == []


def test_each_thing_is_named_and_asked_for(leaving):
    """If this fails, a person agrees to something without knowing to what, or Enter removes data."""
    terminal = leaving.terminal("off", columns=1000)
    home = leaving.home
    terminal.wait_for(f"- 3 lines of {home}/.taskrc: sync.server.url, sync.server.client_id, sync.encryption_secret")
    copy = leaving.real_home / backup(leaving).name
    terminal.wait_for(f"- the backup {copy} ({copy.stat().st_size} bytes)")
    terminal.wait_for(f"- the earlier data {kept_data(leaving)} (2 bytes)")
    terminal.answer(f"credentials of {min(CLIENT_ID, OLD_CLIENT_ID)}? [Y/n]: ", "")
    terminal.answer(f"credentials of {max(CLIENT_ID, OLD_CLIENT_ID)}? [Y/n]: ", "n")
    terminal.answer("sync.encryption_secret? [Y/n]: ", "")
    terminal.answer(f"Remove the backup {copy}? [Y/n]: ", "")
    terminal.answer(f"Remove the earlier data {kept_data(leaving)}? [y/N]: ", "")
    assert terminal.end() == 0
    assert present(leaving) == {"keyring", "kept-data"}
    assert f"the encrypted history of the client ID {CLIENT_ID}" in terminal.screen


def test_without_an_answer_nothing_is_removed(leaving):
    """If this fails, `tcsync off` in a script removes what nobody agreed to."""
    before = leaving.files()
    done = leaving.tcsync("off")
    assert (done.returncode, leaving.files()) == (2, before)
    assert "[answer-needed]" in done.stderr


FAILURES = {
    "a locked keyring": ({"KEYRING_LOCKED": "1"}, "keyring"),
    "a keyring that refuses": ({"KEYRING_READ_ONLY": "1"}, "keyring"),
    "a setting that a later line makes ineffective": ({}, "settings"),
}


@pytest.mark.parametrize("fault", FAILURES)
def test_a_failure_is_reported_and_does_not_stop_the_others(leaving, fault):
    """If this fails, one locked keyring keeps every secret on the computer, or a secret stays unmentioned."""
    variables, kind = FAILURES[fault]
    if kind == "settings":
        leaving.write_taskrc(MINE + settings(CLIENT_ID, SECRET) + "sync.encryption_secret=\n")
    outcome = leaving.json("off", "--all", **variables)
    assert {message["id"] for message in outcome["messages"]} == {"not-removed"}
    assert outcome["exit_code"] == 1
    assert present(leaving) == {kind}
    assert {item["kind"] for item in outcome["items"] if item["result"] == "failed"} == {kind}


def test_an_interrupt_in_the_middle_is_told(leaving):
    """If this fails, a person does not know what is gone."""
    backup(leaving).unlink()
    (leaving.home / "keyring.json").write_text(f'{{"mail/ada": "", "tcsync/{CLIENT_ID}": ""}}', encoding="utf-8")
    before = leaving.files()
    terminal = leaving.terminal("off")
    terminal.wait_for("[Y/n]: ")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "Nothing was changed" in terminal.screen and leaving.files() == before
    terminal = leaving.terminal("off", columns=1000)
    terminal.answer("[Y/n]: ", "y")
    terminal.wait_for("sync.encryption_secret? [Y/n]: ")
    terminal.interrupt()
    assert terminal.end() == 130
    assert f"Already removed: the keyring's copy of the credentials of {CLIENT_ID}." in terminal.screen
    assert "[interrupted-while-removing]" in terminal.screen
    assert present(leaving) == {"settings", "kept-data"}


def test_included_files_are_cleaned_too(leaving):
    """If this fails, the secret stays in a file beside the taskrc, and Taskwarrior goes on to sync."""
    inner, outer = leaving.home / "inner.rc", leaving.home / "outer.rc"
    inner.write_text("color=off\n" + settings(OLD_CLIENT_ID, OLD_SECRET), encoding="utf-8")
    outer.write_text(f"include {inner}\nsync.server.url=https://old.example.com\n", encoding="utf-8")
    leaving.write_taskrc(f"include {outer}\n{MINE}{settings(CLIENT_ID, SECRET)}")
    outcome = leaving.json("off", "--settings")
    assert [item["path"] for item in outcome["items"] if item["kind"] == "settings"] == [
        str(inner), str(outer), str(leaving.taskrc)
    ]  # fmt: skip
    assert inner.read_text(encoding="utf-8") == "color=off\n"
    assert outer.read_text(encoding="utf-8") == f"include {inner}\n"
    assert leaving.taskrc.read_text(encoding="utf-8") == f"include {outer}\n{MINE}"
    assert leaving.json("show")["exit_code"] == 9


def test_other_files_are_left_alone(leaving):
    """If this fails, `tcsync off --all` removes a file of the user's."""
    names = (".taskrc.backup", ".taskrc.backup-2026", "taskrc.backup-20261124T093000Z", ".taskrc.old",
             ".taskrc.backup-20261124T093000Z.txt")  # fmt: skip
    mine = [leaving.home / name for name in names]
    for path in mine:
        path.write_text(settings(OLD_CLIENT_ID, OLD_SECRET), encoding="utf-8")
    without_secret = leaving.home / ".taskrc.backup-20261124T093001Z"
    without_secret.write_text(f"{MINE}sync.server.url=https://sync.example.com\n", encoding="utf-8")
    link = leaving.home / ".task" / "before-tcsync-20261124-093001"
    link.symlink_to(leaving.home / "mine")
    (leaving.home / "mine").mkdir()
    directory = leaving.home / ".task" / "before-tcsync-mine"
    directory.mkdir()
    assert leaving.json("off", "--all")["exit_code"] == 0
    assert present(leaving) == set()
    assert [path for path in (*mine, without_secret, link, directory) if not path.exists()] == []


def test_a_stopped_edits_file_is_a_backup(leaving):
    """If this fails, the secret of an edit that a power cut has stopped stays for ever."""
    stopped = leaving.home / "..taskrc.abcd1234.new"
    stopped.write_text(settings(CLIENT_ID, SECRET), encoding="utf-8")
    leaving.json("off", "--backups")
    assert not stopped.exists()


def test_after_a_real_setup_no_secret_is_left_and_every_task(server, first):
    """If this fails, a file that a setup makes is not known to `tcsync off`, or the tasks go with the settings."""
    give_keyring(first)
    first.add("Buy milk")
    first.write_taskrc(MINE + settings(OLD_CLIENT_ID, OLD_SECRET))
    flags = ("--replace", "--keyring", "--first-computer", "--server-url", server.url)
    assert first.json("setup", *flags)["result"] == "done"
    secret = first.secret()
    first.task("add", "Call Ada")
    done = first.tcsync("off", "--all")
    assert done.returncode == 0, done.stderr
    assert "changes of 1 task were never sent" in done.stdout
    contents = b"".join(content for content, _ in first.files().values())
    assert secret.encode() not in contents and OLD_SECRET.encode() not in contents
    assert first.tasks().keys() == {"Buy milk", "Call Ada"}
    assert "tcsync has left nothing on this computer." in first.tcsync("off").stdout
