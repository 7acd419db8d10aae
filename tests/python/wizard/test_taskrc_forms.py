"""Taskrcs as people have them: old names, odd values, included files, repositories, read-only files. If one of these
fails, the doctor and `task sync` say different things, or a secret gets where it does not belong."""

import subprocess

import pytest
from computers import TIMEOUT_S
from support import run_bounded

SYNC_FILE = ".config/task/tcsync-sync.rc"
INCLUDE = f"include ~/{SYNC_FILE}"
OLD_VERSION = 'case "$*" in --version) echo 3.4.2; exit 0;; esac'


def ids(document):
    """The findings of a command by their names."""
    told = document.get("checks", document.get("messages"))
    return [entry["id"] for entry in told if "id" in entry]


def check(computer, name):
    return next(found for found in computer.json("doctor")["checks"] if found["check"] == name)


def settings(computer, name=".taskrc"):
    """The sync settings of a file, by name."""
    lines = (computer.home / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line.startswith("sync."))


def set_value(computer, name, value):
    """Gives a setting another value, as with an editor."""
    lines = computer.taskrc.read_text(encoding="utf-8").splitlines()
    changed = [f"{name}={value}" if line.startswith(f"{name}=") else line for line in lines]
    computer.write_taskrc("\n".join(changed) + "\n")


def syncs(computer):
    """Whether the real `task sync` succeeds."""
    return run_bounded(["task", "sync"], env=computer.environment, timeout_s=TIMEOUT_S).returncode == 0


@pytest.fixture
def git(first):
    """Runs git in the home directory of the first computer."""

    def run(*arguments):
        subprocess.run(["git", "-C", first.home, *arguments], check=True, capture_output=True, timeout=TIMEOUT_S)

    return run


def test_the_old_name_of_the_url_is_understood_and_renamed(server, paired):
    """If this fails, a computer that syncs well is told that it syncs in another way, and loses its setting."""
    set_value(paired, "sync.server.url", "")
    before = paired.taskrc.read_text(encoding="utf-8")
    paired.write_taskrc(f"{before}sync.server.origin={server.url}\n")
    report = paired.json("doctor")
    assert report["exit_code"] == 0
    assert "the old name of sync.server.url" in next(c for c in report["checks"] if c["check"] == "taskrc")["text"]
    assert paired.json("show")["server_url"] == server.url
    outcome = paired.json("setup", "--yes")
    assert (outcome["result"], outcome["exit_code"], outcome["changed"]) == ("mended", 0, True)
    found = settings(paired)
    assert found["sync.server.url"] == server.url and "sync.server.origin" not in found
    assert syncs(paired)
    assert paired.json("setup", "--yes")["result"] == "kept"


# The setting, a value that `task sync` refuses, and the corrected one. {port} and {id} are filled in.
ODD_VALUES = [
    ("sync.server.url", "127.0.0.1:{port}", "http://127.0.0.1:{port}"),
    ("sync.server.url", '"http://127.0.0.1:{port}"', "http://127.0.0.1:{port}"),
    ("sync.server.client_id", '"{id}"', "{id}"),
]


def test_values_that_taskwarrior_refuses_are_found_and_corrected(server, paired):
    """If this fails, the doctor says that all is well where `task sync` fails, or the offered remedy does not help."""
    values = {"port": server.url.rpartition(":")[2], "id": settings(paired)["sync.server.client_id"]}
    for name, odd, right in ODD_VALUES:
        set_value(paired, name, odd.format(**values))
        assert not syncs(paired)
        found = check(paired, "taskrc")
        assert (found["status"], found["id"]) == ("failed", "sync-value-correctable")
        assert f"{name} in {paired.taskrc}:" in found["text"] and right.format(**values) in found["remedy"]
        assert paired.json("setup", "--replace")["result"] == "mended"
        assert settings(paired)[name] == right.format(**values)
        assert syncs(paired)


def test_a_value_without_a_clear_meaning_is_reported(paired):
    """If this fails, a guess takes the place of a value that only the person knows, or the remedy does not help."""
    code = paired.pair()
    set_value(paired, "sync.server.client_id", "mine")
    found = check(paired, "taskrc")
    assert found["id"] == "sync-value-unusable"
    assert "mine" not in found["text"], "it may be the secret"
    before = paired.files()
    assert ids(paired.json("setup")) == ["answer-needed"]
    assert paired.json("setup", "--yes")["result"] == "kept"
    assert paired.files() == before
    assert paired.json("setup", "--replace", "--yes", "--pairing-code-file", "-", given=code)["result"] == "done"
    assert syncs(paired)


def test_a_correction_is_offered_and_may_be_declined(server, paired):
    """If this fails, settings are changed without a question."""
    set_value(paired, "sync.server.url", server.url.removeprefix("http://"))
    before = paired.files()
    terminal = paired.terminal("setup")
    terminal.wait_for("[sync-value-correctable]")
    terminal.answer("Correct them, and go on using these settings? [Y/n]: ", "n")
    terminal.answer("Replace these settings? [y/N]: ", "n")
    assert terminal.end() == 0 and paired.files() == before
    terminal = paired.terminal("setup")
    terminal.answer("Correct them, and go on using these settings? [Y/n]: ", "")
    assert terminal.end() == 0
    assert settings(paired)["sync.server.url"] == server.url


def test_a_path_has_a_slash_at_its_end_everywhere(start_server, first):
    """If this fails, invites and tokens do not work with Taskwarrior before 3.5, or `succeed` and sync nothing."""
    url = f"{start_server('--base-path', '/tasks').url}/tasks"
    assert first.json("setup", "--first-computer", "--server-url", url)["server_url"] == f"{url}/"
    assert settings(first)["sync.server.url"] == f"{url}/" and syncs(first)
    assert first.json("show")["server_url"] == f"{url}/"
    again = ("setup", "--pairing-code-file", "-")
    code = first.pair()
    assert first.json(*again, given=code)["result"] == "kept"

    set_value(first, "sync.server.url", url)
    found = check(first, "taskrc")
    assert (found["status"], found["id"]) == ("ok", "sync-url-without-slash"), "3.5 adds it"
    first.wrap_task(OLD_VERSION)
    assert check(first, "taskrc")["status"] == "failed"
    assert first.json(*again, given=code)["result"] == "mended"
    assert settings(first)["sync.server.url"] == f"{url}/"
    assert check(first, "taskrc")["status"] == "ok"


def test_settings_of_an_included_file_are_changed_there(server, first):
    """If this fails, people who keep the secret in a file of its own are refused, or find it in two files; or the
    taskrc is changed in a way that has no effect."""
    included = first.home / "shared.rc"
    included.write_text("# mine\nsync.local.server_dir=/srv/tasks\nsync.encryption_secret=old\n", encoding="utf-8")
    included.chmod(0o444)
    first.write_taskrc(f"include {included}\n")
    flags = ("setup", "--first-computer", "--server-url", server.url, "--replace")
    before = first.files()
    outcome = first.json(*flags)
    assert (ids(outcome), outcome["exit_code"]) == (["taskrc-include"], 7)
    assert f"{included}:2" in outcome["messages"][0]["text"] and "read-only" in outcome["messages"][0]["text"]
    assert first.files() == before

    included.chmod(0o644)
    outcome = first.json(*flags)
    assert outcome["result"] == "done", outcome
    assert included.read_text(encoding="utf-8").startswith("# mine\nsync.encryption_secret=")
    assert "sync.encryption_secret" not in settings(first) and included.stat().st_mode & 0o777 == 0o600
    included.chmod(0o640)
    found = check(first, "permissions")
    assert found["id"] == "taskrc-exposed" and f"{included} (mode 0640)" in found["text"]
    subprocess.run(found["remedy"].split("`")[1], shell=True, check=True, timeout=TIMEOUT_S)
    assert first.json("doctor")["exit_code"] == 0


def test_the_secret_stays_out_of_a_repository(server, first, second, git):
    """If this fails, the next commit of somebody's dotfiles publishes the secret."""
    git("init", "--quiet", "dotfiles")
    (first.home / "dotfiles" / "taskrc").write_text("# shared\n", encoding="utf-8")
    first.taskrc.symlink_to("dotfiles/taskrc")
    outcome = first.json("setup", "--first-computer", "--server-url", server.url)
    assert outcome["result"] == "done", outcome
    assert first.taskrc.read_text(encoding="utf-8") == f"# shared\n{INCLUDE}\n"
    assert settings(first, SYNC_FILE).keys() == {"sync.server.url", "sync.server.client_id", "sync.encryption_secret"}

    # A second computer with the same taskrc, on which the included file is missing.
    second.write_taskrc(first.taskrc.read_text(encoding="utf-8"))
    assert not syncs(second)
    assert ids(second.json("doctor")) == ["taskrc-sync-file-missing"]
    done = second.json("setup", "--pairing-code-file", "-", given=first.pair())
    assert done["result"] == "done" and settings(second) == {} and syncs(second)


def test_a_secret_in_a_repository_is_found_and_moved_out(paired, git):
    """If this fails, a person never learns that the secret is published, or the remedy leaves it there."""
    git("init", "--quiet", "dotfiles")
    (paired.home / "dotfiles" / "taskrc").write_bytes(paired.taskrc.read_bytes())
    (paired.home / "dotfiles" / "taskrc").chmod(0o600)
    paired.taskrc.unlink()
    paired.taskrc.symlink_to("dotfiles/taskrc")
    assert check(paired, "permissions")["id"] == "secret-in-repository"
    secret = paired.secret()
    assert paired.json("setup", "--yes")["result"] == "mended"
    assert [path.name for path in (paired.home / "dotfiles").iterdir() if path.name != ".git"] == ["taskrc"]
    assert secret not in paired.taskrc.read_text(encoding="utf-8")
    assert settings(paired, SYNC_FILE)["sync.encryption_secret"] == secret
    assert syncs(paired) and paired.json("doctor")["exit_code"] == 0


def test_a_home_directory_that_is_a_repository_is_explained(server, first, git):
    """If this fails, the secret is published, or the remedy does not help."""
    git("init", "--quiet")
    first.write_taskrc("")
    before = first.files()
    flags = ("setup", "--first-computer", "--server-url", server.url)
    outcome = first.json(*flags)
    assert (ids(outcome), outcome["exit_code"]) == (["taskrc-published"], 7)
    assert first.files() == before
    (first.home / ".gitignore").write_text("tcsync-sync.rc\n", encoding="utf-8")
    outcome = first.json(*flags)
    assert outcome["result"] == "done", outcome


def test_a_read_only_taskrc_is_explained_before_any_change(server, first):
    """If this fails, a taskrc that Nix or chezmoi writes ends the setup half-way, or the remedy does not help."""
    first.write_taskrc("color=off\n")
    first.taskrc.chmod(0o444)
    before = first.files()
    flags = ("setup", "--first-computer", "--server-url", server.url)
    outcome = first.json(*flags)
    assert (ids(outcome), outcome["exit_code"]) == (["taskrc-read-only"], 7)
    assert first.files() == before
    assert f"the line `{INCLUDE}`" in outcome["messages"][0]["remedy"]
    first.taskrc.unlink()
    first.write_taskrc(f"color=off\n{INCLUDE}\n")
    first.taskrc.chmod(0o444)
    outcome = first.json(*flags)
    assert outcome["result"] == "done", outcome
    assert settings(first, SYNC_FILE) and syncs(first)


def test_a_failed_setup_restores_both_files(server, first, git):
    """If this fails, a failed setup leaves an include, or a file with a secret that nothing uses."""
    git("init", "--quiet", "dotfiles")
    (first.home / "dotfiles" / "taskrc").write_text("# shared\n", encoding="utf-8")
    (first.home / "dotfiles" / "taskrc").chmod(0o600)
    first.taskrc.symlink_to("dotfiles/taskrc")
    before = first.files()
    first.wrap_task(
        f'case "$*" in *sync*) grep -c sync.server.url "$HOME/{SYNC_FILE}" && echo "On fire" >&2; exit 2;; esac'
    )
    outcome = first.json("setup", "--first-computer", "--server-url", server.url)
    assert ids(outcome) == ["sync-failed"] and "On fire" in outcome["messages"][0]["text"], outcome
    assert first.files() == before
