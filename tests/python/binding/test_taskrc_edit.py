"""Changes to the taskrc: all of an edit or nothing, and no loss of the user's own lines."""

import errno
import os
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcsync import Secret, TaskrcChangedError, TaskrcError, edit_taskrc, read_taskrc, undo_edit
from tcsync.taskrc import encode_value, name_on_line

URL, SECRET = "sync.server.url", "sync.encryption_secret"


@pytest.fixture
def write(tmp_path):
    """Writes the taskrc and reads it with the package."""

    def make(content, mode=0o600):
        path = tmp_path / "taskrc"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        path.chmod(mode)
        return read_taskrc(path, {"HOME": str(tmp_path)})

    return make


def after(taskrc):
    return taskrc.path.read_bytes().decode("utf-8", "surrogateescape")


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("before", "changes", "expected"),
    [
        ("", {URL: "http://x"}, f"{URL}=http://x\n"),
        ("a=1\n", {URL: "http://x"}, f"a=1\n{URL}=http://x\n"),
        ("a=1", {URL: "http://x"}, f"a=1\n{URL}=http://x\n"),
        (f"{URL}=http://y\na=1\n", {URL: "http://x"}, f"{URL}=http://x\na=1\n"),
        (f"  {URL} = http://y # mine\na=1\n", {URL: "http://x"}, f"{URL}=http://x # mine\na=1\n"),
        (f"{URL}=1\n{URL}=2\na=1\n", {URL: "http://x"}, f"{URL}=http://x\na=1\n"),
        (f"# {URL}=old\na=1\n", {URL: "http://x"}, f"# {URL}=old\na=1\n{URL}=http://x\n"),
        (f"a=1\n{URL}=http://y\nb=2", {URL: None}, "a=1\nb=2"),
        (f"{URL}=1\nb=2\n{URL}=3\n", {URL: None}, "b=2\n"),
        ("a=1\r\nb=2\r\n", {URL: "http://x"}, f"a=1\r\nb=2\r\n{URL}=http://x\r\n"),
        (f"a=1\r\n{URL}=y\r\nb=2", {URL: "http://x"}, f"a=1\r\n{URL}=http://x\r\nb=2"),
        ("a=1\n", {SECRET: Secret("a#b$c\\d ~")}, f"a=1\n{SECRET}=a\\u0023b\\u0024c\\\\d ~\n"),
        (f"{URL}=http://y", {URL: "http://x", SECRET: Secret("s")}, f"{URL}=http://x\n{SECRET}=s\n"),
        (b"x=\xff\xfe\n".decode("utf-8", "surrogateescape"), {URL: "u"}, f"x=\udcff\udcfe\n{URL}=u\n"),
        ("\n\n# end\n\n", {URL: "u"}, f"\n\n# end\n\n{URL}=u\n"),
        (f"\ufeff{URL}=a\nb=1\n", {URL: "u"}, f"\ufeff{URL}=u\nb=1\n"),
    ],
)
def test_an_edit_changes_only_its_lines(write, before, changes, expected):
    """If this fails, a line of the user's is lost, changed or put elsewhere."""
    taskrc = write(before.encode("utf-8", "surrogateescape"))
    edit = edit_taskrc(taskrc, changes)
    assert after(taskrc) == expected
    assert edit.changed and not edit.created
    assert edit.backup.read_bytes() == taskrc.content


lines = st.lists(
    st.sampled_from(
        ["# a comment", "", f"{URL}=http://old", f" {URL} = x # c", "color=off", f"{SECRET}=old", "a.b=c=d"]
    )
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from([None, "http://new", "with # and $x"]))
def test_an_edit_works_in_any_file(write, before, ending, ends_open, value):
    """If this fails, there is a file in which an edit loses a line, or does not have its effect."""
    content = ending.join(before) + ("" if ends_open else ending)
    taskrc = write(content)
    edit_taskrc(taskrc, {URL: value})
    again = read_taskrc(taskrc.path, taskrc.environment)
    assert again.get(URL) == value
    assert again.get(SECRET) == taskrc.get(SECRET)

    def others(text):
        return [line for line in text.split("\n") if name_on_line(line) != URL and line.strip()]

    assert [line.rstrip("\r") for line in others(after(taskrc))] == [line.rstrip("\r") for line in others(content)]


def test_repeating_an_edit_changes_nothing(write):
    """If this fails, running the setup again fills the directory with backups."""
    taskrc = write(f"{URL}=http://x\n{SECRET}=a\\u0023b\n")
    before = taskrc.path.stat()
    edit = edit_taskrc(taskrc, {URL: "http://x", SECRET: Secret("a#b"), "sync.local.server_dir": None})
    assert not edit.changed and edit.backup is None
    assert taskrc.path.stat() == before
    assert len(list(taskrc.path.parent.iterdir())) == 1


def test_the_file_and_its_backup_are_readable_by_the_owner_only(write):
    """If this fails, other users of the computer can read the secret, in the file or in its backup."""
    taskrc = write("a=1\n", mode=0o644)
    edit = edit_taskrc(taskrc, {SECRET: Secret("s")})
    assert (mode_of(edit.path), mode_of(edit.backup), edit.restricted) == (0o600, 0o600, True)
    edit.path.chmod(0o640)
    edit = edit_taskrc(read_taskrc(edit.path), {SECRET: Secret("s")})
    assert (edit.changed, edit.restricted, mode_of(edit.path)) == (False, True, 0o600)


def test_a_new_file_is_created(tmp_path):
    """If this fails, a computer on which Taskwarrior was never started cannot be set up."""
    path = tmp_path / "config" / "task" / "taskrc"
    edit = edit_taskrc(read_taskrc(path, {"HOME": str(tmp_path)}), {URL: "http://x"})
    assert edit.created and edit.backup is None
    assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)
    assert path.read_text(encoding="utf-8") == f"{URL}=http://x\n"
    undo_edit(edit)
    assert not path.exists()


@pytest.mark.parametrize("is_dangling", [False, True])
def test_a_symbolic_link_stays_one(tmp_path, is_dangling):
    """If this fails, people who keep their taskrc in a repository find it cut off from there."""
    target, link = tmp_path / "dotfiles" / "taskrc", tmp_path / ".taskrc"
    target.parent.mkdir()
    link.symlink_to("dotfiles/taskrc")
    if not is_dangling:
        target.write_text("a=1\n", encoding="utf-8")
    edit = edit_taskrc(read_taskrc(link, {"HOME": str(tmp_path)}), {URL: "http://x"})
    assert link.is_symlink() and edit.path == target
    assert target.read_text(encoding="utf-8").endswith(f"{URL}=http://x\n")
    assert is_dangling or edit.backup.parent == target.parent


class TestFailures:
    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
    @pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace", "tempfile.mkstemp", "os.fchmod"])
    def test_a_system_error_leaves_the_file_unchanged(self, write, monkeypatch, call, number):
        """If this fails, a full disk costs the user the taskrc, or leaves copies of the secret about."""
        taskrc = write("a=1\n")

        def refuse(*_, **__):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(call, refuse)
        with pytest.raises(TaskrcError, match=os.strerror(number)):
            edit_taskrc(taskrc, {SECRET: Secret("horse")})
        monkeypatch.undo()
        assert after(taskrc) == "a=1\n"
        assert [path.name for path in taskrc.path.parent.iterdir()] == ["taskrc"]

    @pytest.mark.parametrize("fatal", [KeyboardInterrupt, OSError(errno.EIO, "I/O error")])
    def test_a_failure_after_the_rename_restores_the_file(self, write, monkeypatch, fatal):
        """If this fails, Ctrl-C at the worst moment says that nothing was changed when something was."""
        taskrc = write("a=1\n")
        from tcsync import taskrc_edit

        calls = []

        def sync_directory(directory):
            calls.append(directory)
            if len(calls) == 1:
                raise fatal

        monkeypatch.setattr(taskrc_edit, "_sync_directory", sync_directory)
        with pytest.raises((KeyboardInterrupt, TaskrcError)):
            edit_taskrc(taskrc, {URL: "http://x"})
        assert after(taskrc) == "a=1\n"
        assert [path.name for path in taskrc.path.parent.iterdir()] == ["taskrc"]

    def test_a_file_changed_by_another_program_is_not_overwritten(self, write):
        """If this fails, changes that another program or an editor made meanwhile are overwritten."""
        taskrc = write("a=1\n")
        taskrc.path.write_text("a=2\n", encoding="utf-8")
        with pytest.raises(TaskrcChangedError):
            edit_taskrc(taskrc, {URL: "http://x"})
        assert after(taskrc) == "a=2\n"

    def test_a_change_just_before_the_rename_is_not_overwritten(self, write, monkeypatch):
        """If this fails, the check is made too early."""
        taskrc = write("a=1\n")
        fsync = os.fsync

        def change(descriptor):
            taskrc.path.write_text("a=2\n", encoding="utf-8")
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", change)
        with pytest.raises(TaskrcChangedError):
            edit_taskrc(taskrc, {URL: "http://x"})
        assert after(taskrc) == "a=2\n"
        assert [path.name for path in taskrc.path.parent.iterdir()] == ["taskrc"]

    def test_a_file_created_by_another_program_is_not_overwritten(self, tmp_path):
        """If this fails, the setup overwrites a taskrc that another program has just made."""
        path = tmp_path / "taskrc"
        taskrc = read_taskrc(path, {"HOME": str(tmp_path)})
        path.write_text("a=1\n", encoding="utf-8")
        with pytest.raises(TaskrcChangedError):
            edit_taskrc(taskrc, {URL: "http://x"})

    def test_no_secret_in_errors(self, write):
        """If this fails, a failed edit shows the user's secret in a log."""
        taskrc = write("a=1\n")
        taskrc.path.unlink()
        with pytest.raises(TaskrcChangedError) as raised:
            edit_taskrc(taskrc, {SECRET: Secret("horse")})
        assert "horse" not in str(raised.value)


class TestUndo:
    def test_restores_the_old_file(self, write):
        """If this fails, Ctrl-C after the file was changed does not leave things as they were."""
        taskrc = write("a=1\r\n# mine")
        edit = edit_taskrc(taskrc, {URL: "http://x"})
        undo_edit(edit)
        assert taskrc.path.read_bytes() == taskrc.content
        assert [path.name for path in taskrc.path.parent.iterdir()] == ["taskrc"]

    def test_keeps_changes_of_another_program(self, write):
        """If this fails, undoing an edit also undoes a change that the user made since."""
        taskrc = write("a=1\n")
        edit = edit_taskrc(taskrc, {URL: "http://x"})
        taskrc.path.write_text("b=1\n", encoding="utf-8")
        with pytest.raises(TaskrcChangedError, match=edit.backup.name):
            undo_edit(edit)
        assert after(taskrc) == "b=1\n" and edit.backup.read_text(encoding="utf-8") == "a=1\n"


def test_two_backups_in_one_second_have_different_names(write):
    """If this fails, the second edit overwrites the first one's backup."""
    taskrc = write("a=1\n")
    first = edit_taskrc(taskrc, {URL: "http://1"})
    second = edit_taskrc(read_taskrc(taskrc.path), {URL: "http://2"})
    assert first.backup != second.backup
    assert first.backup.read_text(encoding="utf-8") == "a=1\n"


@pytest.mark.parametrize("name", ["", "a=b", "a#b", "a\nb", " a"])
def test_invalid_setting_names_are_refused(write, name):
    """If this fails, an edit writes a line that Taskwarrior reads as another setting, or refuses."""
    with pytest.raises(TaskrcError, match="cannot be the name"):
        edit_taskrc(write(""), {name: "1"})


def test_readable_values_are_not_encoded():
    """If this fails, URLs and generated secrets look strange in the taskrc."""
    for value in ("https://sync.example.com:8443/base", "615cbc21-49ee-4d30-a5ed-6e24bd602be5", "0f1e2d3c", 'say "hi"'):
        assert encode_value(value) == value
