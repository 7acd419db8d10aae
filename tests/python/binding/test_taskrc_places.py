"""The files in which settings are changed: included ones, none that a git repository would publish, none that is
read-only."""

import os
import stat
import subprocess
import tempfile
import traceback
from pathlib import Path

import pytest

from tcsync import (
    Secret,
    TaskrcChangedError,
    TaskrcError,
    TaskrcIncludeError,
    TaskrcPublishedError,
    TaskrcReadOnlyError,
    edit_taskrc,
    read_taskrc,
    undo_edit,
)
from tcsync.sync_file import publishing_repository

URL, CLIENT_ID, SECRET = "sync.server.url", "sync.server.client_id", "sync.encryption_secret"
SETTINGS = {URL: "http://x", CLIENT_ID: "615cbc21-49ee-4d30-a5ed-6e24bd602be5", SECRET: Secret("horse")}
LINES = f"{URL}=http://x\n{CLIENT_ID}={SETTINGS[CLIENT_ID]}\n{SECRET}=horse\n"
GIT_TIMEOUT_S = 30
ORDINARY_USER = 65534


def as_ordinary_user(action):
    """Runs a function in a child that is an ordinary user, to whom permissions apply."""
    if os.geteuid() != 0:
        action()
        return
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)
            os.setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)
            action()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "see the child's output"


class Home:
    """A home directory with files in it. `name` is its path to programs."""

    def __init__(self, path, name=None):
        self.path = path
        self._name = name or path
        self.environment = {"HOME": str(self._name), "PATH": os.environ["PATH"]}

    def write(self, name, text, mode=0o600):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def text(self, name):
        return (self.path / name).read_text(encoding="utf-8")

    def mode(self, name):
        return stat.S_IMODE((self.path / name).stat().st_mode)

    def read(self, name=".taskrc"):
        return read_taskrc(self._name / name, self.environment)

    def files(self):
        """Every file outside of .git, with its content and mode."""
        return {
            str(path.relative_to(self.path)): (path.read_bytes(), path.stat().st_mode)
            for path in self.path.rglob("*")
            if path.is_file() and ".git" not in path.parts
        }

    def repository(self, name, *ignored):
        """Makes a git work tree, with patterns that it ignores."""
        self.git(name, "init", "--quiet", create=True)
        if ignored:
            self.write(f"{name}/.gitignore", "".join(f"{pattern}\n" for pattern in ignored))

    def git(self, name, *arguments, create=False):
        directory = self.path / name
        if create:
            directory.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            ["git", "-C", directory, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", *arguments],
            env=self.environment, check=True, capture_output=True, text=True, timeout=GIT_TIMEOUT_S,
        ).stdout  # fmt: skip


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


@pytest.fixture(params=["directory", "link"])
def dotfiles(tmp_path, request):
    """A home whose taskrc is a link into a repository; also one that HOME names by a symbolic link."""
    path, link = tmp_path / "home", tmp_path / "link"
    path.mkdir()
    link.symlink_to(path)
    home = Home(path, link if request.param == "link" else path)
    home.repository("dotfiles")
    home.write("dotfiles/taskrc", "a=1\n")
    (home.path / ".taskrc").symlink_to("dotfiles/taskrc")
    return home


SYNC_FILE = ".config/task/tcsync-sync.rc"
INCLUDE = f"include ~/{SYNC_FILE}\n"


class TestIncludedFiles:
    def test_a_setting_is_changed_where_it_is(self, home):
        """If this fails, the taskrc overrules an included file, in which the old secret stays for ever."""
        home.write("inc", f"# mine\n{URL}=http://included # here\n", mode=0o644)
        main = f"{URL}=http://y\ninclude {home.path}/inc\na=1\n"
        home.write(".taskrc", main)
        edit = edit_taskrc(home.read(), {URL: "http://x", SECRET: Secret("horse")})
        assert home.text("inc") == f"# mine\n{URL}=http://x # here\n"
        assert home.text(".taskrc") == f"include {home.path}/inc\na=1\n{SECRET}=horse\n"
        assert home.mode("inc") == 0o600
        assert [file.path.name for file in edit.files] == ["inc", ".taskrc"]
        assert [(file.backup.parent, home.mode(file.backup)) for file in edit.files] == [(home.path, 0o600)] * 2
        undo_edit(edit)
        assert (home.text("inc"), home.text(".taskrc")) == (f"# mine\n{URL}=http://included # here\n", main)
        assert sorted(home.files()) == [".taskrc", "inc"]

    def test_a_setting_is_removed_from_each_file(self, home):
        """If this fails, a removed setting is still in force."""
        home.write("inner", f"{URL}=http://inner\nb=1\n")
        home.write("inc", f"\n{URL}=http://included\ninclude {home.path}/inner\n")
        home.write(".taskrc", f"include {home.path}/inc\n{URL}=http://y\n")
        edit_taskrc(home.read(), {URL: None})
        assert home.read().get(URL) is None
        assert home.text("inner") == "b=1\n"

    def test_one_file_that_is_included_twice_is_changed_once(self, home):
        """If this fails, an edit of such a file ends with an error, or with half of it."""
        home.write("inc", f"{URL}=http://included\n")
        (home.path / "link").symlink_to("inc")
        home.write(".taskrc", f"include {home.path}/inc\ninclude {home.path}/link\n")
        edit = edit_taskrc(home.read(), {URL: "http://x"})
        assert len(edit.files) == 1 and home.text("inc") == f"{URL}=http://x\n"

    def test_the_taskrc_overrules_a_file_that_cannot_be_changed(self, home):
        """If this fails, the setup seems to work and Taskwarrior still syncs with the old server."""
        home.write("inc", f"{URL}=http://included\n", mode=0o444)
        home.write(".taskrc", f"include {home.path}/inc\na=1\n")
        edit_taskrc(home.read(), {URL: "http://x"})
        assert home.text(".taskrc") == f"include {home.path}/inc\na=1\n{URL}=http://x\n"

    def test_a_setting_of_a_read_only_file_cannot_be_removed(self, home):
        """If this fails, a removed setting is still in force."""
        home.write("inc", f"\n{URL}=http://included\n", mode=0o444)
        home.write(".taskrc", f"include {home.path}/inc\n{URL}=http://y\n")
        before = home.files()
        with pytest.raises(TaskrcIncludeError, match=r"inc:2, which .* because it is read-only") as raised:
            edit_taskrc(home.read(), {URL: None})
        assert (raised.value.path, raised.value.line) == (home.path / "inc", 2)
        assert home.files() == before

    def test_the_permissions_of_each_file_with_the_secret_are_restricted(self, home):
        """If this fails, other users read the secret in an included file, and nobody mends it."""
        home.write("inc", LINES, mode=0o644)
        home.write(".taskrc", f"include {home.path}/inc\n", mode=0o640)
        edit = edit_taskrc(home.read(), SETTINGS)
        assert (edit.changed, edit.restricted) == (False, True)
        assert (home.mode("inc"), home.mode(".taskrc")) == (0o600, 0o600)

    @pytest.mark.parametrize("changed", ["inc", ".taskrc"])
    def test_a_change_by_another_program_leaves_all_files_alone(self, home, changed):
        """If this fails, one of two files is changed, and the settings in them do not fit each other."""
        home.write("inc", f"{URL}=http://included\n")
        home.write(".taskrc", f"include {home.path}/inc\n")
        taskrc = home.read()
        home.write(changed, f"# {changed}\n")
        before = home.files()
        with pytest.raises(TaskrcChangedError, match=changed):
            edit_taskrc(taskrc, SETTINGS)
        assert home.files() == before

    def test_a_failure_at_the_second_file_restores_the_first(self, home, monkeypatch):
        """If this fails, a full disk leaves settings of two servers in two files."""
        home.write("inc", f"{URL}=http://included\n")
        home.write(".taskrc", f"include {home.path}/inc\n")
        before = home.files()
        replace = type(home.path).replace

        def refuse(path, target):
            if target.name == ".taskrc":
                raise OSError(28, "No space left on device")
            return replace(path, target)

        monkeypatch.setattr(type(home.path), "replace", refuse)
        with pytest.raises(TaskrcError, match="No space left"):
            edit_taskrc(home.read(), SETTINGS)
        assert home.files() == before


class TestRepositories:
    def test_the_settings_go_into_a_file_of_their_own(self, dotfiles):
        """If this fails, the next commit of somebody's dotfiles publishes the secret."""
        edit = edit_taskrc(dotfiles.read(), {**SETTINGS, "color": "off"})
        assert dotfiles.text("dotfiles/taskrc") == f"a=1\ncolor=off\n{INCLUDE}"
        assert dotfiles.text(SYNC_FILE).endswith(LINES)
        assert (dotfiles.mode(SYNC_FILE), dotfiles.mode(".config/task")) == (0o600, 0o700)
        assert dotfiles.read().sync.is_complete and (dotfiles.path / ".taskrc").is_symlink()
        assert dotfiles.git("dotfiles", "status", "--porcelain").split() == ["??", "taskrc"], "a backup is in it"
        undo_edit(edit)
        assert sorted(dotfiles.files()) == [".taskrc", "dotfiles/taskrc"]
        assert dotfiles.text("dotfiles/taskrc") == "a=1\n"

    def test_repeating_an_edit_changes_nothing(self, dotfiles):
        """If this fails, each setup adds an include, or moves the settings about."""
        edit_taskrc(dotfiles.read(), SETTINGS)
        before = dotfiles.files()
        assert not edit_taskrc(dotfiles.read(), SETTINGS).changed
        assert dotfiles.files() == before
        edit_taskrc(dotfiles.read(), {**SETTINGS, URL: "http://z"})
        assert dotfiles.text("dotfiles/taskrc") == f"a=1\n{INCLUDE}"
        assert dotfiles.read().get(URL) == "http://z"

    def test_settings_that_are_in_the_repository_move_out(self, dotfiles):
        """If this fails, the secret stays where it is published, although the settings were written again."""
        dotfiles.write("dotfiles/taskrc", f"{SECRET}=old\na=1\n{LINES}")
        edit = edit_taskrc(dotfiles.read(), SETTINGS)
        assert dotfiles.text("dotfiles/taskrc") == f"a=1\n{INCLUDE}"
        assert "horse" in edit.backup.read_text(encoding="utf-8")
        assert edit.backup.parent == dotfiles.path / ".config" / "task"
        assert dotfiles.read().sync.secret == Secret("horse")

    def test_an_ignored_taskrc_keeps_its_settings(self, home):
        """If this fails, a taskrc that no commit contains is taken apart."""
        home.repository("dotfiles", "taskrc")
        home.write("dotfiles/taskrc", "a=1\n")
        edit_taskrc(home.read("dotfiles/taskrc"), SETTINGS)
        assert home.text("dotfiles/taskrc") == f"a=1\n{LINES}"

    def test_a_committed_taskrc_is_not_ignored(self, home):
        """If this fails, a late line in .gitignore hides that the file is in the repository."""
        home.repository("dotfiles")
        home.write("dotfiles/taskrc", "a=1\n")
        home.git("dotfiles", "add", "taskrc")
        home.git("dotfiles", "commit", "--quiet", "-m", "Mine")
        home.write("dotfiles/.gitignore", "taskrc\n")
        assert publishing_repository(home.path / "dotfiles/taskrc", home.environment) == home.path / "dotfiles"

    def test_git_need_not_be_installed(self, home, tmp_path):
        """If this fails, the secret is published from a computer without git, by a program that copies the files."""
        home.repository("dotfiles", "taskrc")
        home.write("dotfiles/taskrc", "a=1\n")
        home.environment["PATH"] = str(tmp_path)
        edit_taskrc(home.read("dotfiles/taskrc"), SETTINGS)
        assert home.text("dotfiles/taskrc") == f"a=1\n{INCLUDE}"

    def test_a_further_work_tree_is_recognised(self, home):
        """If this fails, a secret is published from a work tree whose .git is a file."""
        home.repository("dotfiles")
        home.git("dotfiles", "commit", "--quiet", "--allow-empty", "-m", "Mine")
        home.git("dotfiles", "worktree", "add", "--quiet", "../tree")
        assert publishing_repository(home.path / "tree/deep/taskrc", home.environment) == home.path / "tree"

    def test_variables_of_another_repository_do_not_mislead(self, home):
        """If this fails, a setup that a git hook starts asks the wrong repository."""
        home.repository("dotfiles")
        home.repository("other", "*")
        home.environment |= {"GIT_DIR": f"{home.path}/other/.git", "GIT_WORK_TREE": f"{home.path}/other"}
        assert publishing_repository(home.path / "dotfiles/taskrc", home.environment) == home.path / "dotfiles"

    def test_a_repository_above_the_home_directory_does_not_count(self, tmp_path):
        """If this fails, each test directory within a source tree is taken for somebody's dotfiles."""
        above = Home(tmp_path)
        above.repository(".")
        below = Home(tmp_path / "ada")
        below.write(".taskrc", "")
        assert publishing_repository(below.path / ".taskrc", below.environment) is None
        assert publishing_repository(above.path / "taskrc", above.environment) == tmp_path

    def test_the_next_place_is_taken_when_one_is_in_the_repository_too(self, home):
        """If this fails, the file of its own is published instead of the taskrc."""
        home.repository(".config")
        home.write(".config/task/taskrc", "a=1\n")
        edit_taskrc(home.read(".config/task/taskrc"), SETTINGS)
        assert home.text(".config/task/taskrc") == "a=1\ninclude ~/.local/share/task/tcsync-sync.rc\n"

    def test_a_home_directory_that_is_a_repository_has_no_place(self, home):
        """If this fails, the secret is published where nothing is safe."""
        home.repository(".")
        home.write(".taskrc", "a=1\n")
        before = home.files()
        with pytest.raises(TaskrcPublishedError) as raised:
            edit_taskrc(home.read(), SETTINGS)
        assert raised.value.repository == home.path and "horse" not in str(raised.value)
        assert home.files() == before
        home.write(".gitignore", f"{SYNC_FILE}\n")
        edit_taskrc(home.read(), SETTINGS)
        assert home.text(".taskrc") == f"a=1\n{INCLUDE}"

    def test_an_include_in_a_repository_gives_its_settings_to_the_taskrc(self, home):
        """If this fails, a shared file of the dotfiles publishes the secret."""
        home.repository("dotfiles")
        home.write("dotfiles/shared", f"b=1\n{LINES}")
        home.write(".taskrc", f"include {home.path}/dotfiles/shared\n")
        edit_taskrc(home.read(), SETTINGS)
        assert home.text("dotfiles/shared") == "b=1\n"
        assert home.text(".taskrc") == f"include {home.path}/dotfiles/shared\n{LINES}"

    def test_a_second_computer_creates_the_missing_file(self, dotfiles):
        """If this fails, a pulled taskrc with the include in it cannot be set up on the next computer."""
        dotfiles.write("dotfiles/taskrc", f"a=1\n{INCLUDE}")
        taskrc = dotfiles.read()
        assert taskrc.sync_file.name == "tcsync-sync.rc" and not taskrc.sync.is_complete
        edit_taskrc(taskrc, SETTINGS)
        assert dotfiles.text("dotfiles/taskrc") == f"a=1\n{INCLUDE}"
        assert dotfiles.read().sync.is_complete

    def test_an_existing_file_that_was_not_included_keeps_its_other_lines(self, dotfiles):
        """If this fails, a line that the person put there is lost."""
        dotfiles.write(SYNC_FILE, f"# mine\n{URL}=http://old\nb=1\n")
        edit_taskrc(dotfiles.read(), SETTINGS)
        assert dotfiles.text(SYNC_FILE).startswith(f"# mine\n{URL}=http://x\nb=1\n")
        assert dotfiles.read().sync.is_complete


class TestReadOnly:
    def test_a_file_marked_as_read_only_is_not_replaced(self, home):
        """If this fails, a file that a person or a program has protected is replaced without a word."""
        home.write(".taskrc", "a=1\n", mode=0o444)
        before = home.files()
        with pytest.raises(TaskrcReadOnlyError) as raised:
            edit_taskrc(home.read(), SETTINGS)
        assert (raised.value.reason, raised.value.include) == ("it is read-only", INCLUDE.strip())
        assert home.files() == before

    def test_a_read_only_directory_is_noticed_before_anything_is_written(self):
        """If this fails, a taskrc that lies in a store such as Nix's ends the setup half-way, or with a traceback."""
        with tempfile.TemporaryDirectory() as directory:
            home = Home(Path(directory) / "home")
            home.write("store/taskrc", "a=1\n")
            (home.path / ".taskrc").symlink_to("store/taskrc")
            if os.geteuid() == 0:
                for path in (directory, home.path, home.path / "store", home.path / "store" / "taskrc"):
                    os.chown(path, ORDINARY_USER, ORDINARY_USER)
            (home.path / "store").chmod(0o555)
            before = home.files()

            def attempt():
                with pytest.raises(TaskrcReadOnlyError) as raised:
                    edit_taskrc(home.read(), SETTINGS)
                assert raised.value.reason == f"its directory {home.path}/store is read-only"
                assert raised.value.include == INCLUDE.strip()

            as_ordinary_user(attempt)
            assert home.files() == before

    def test_a_file_of_another_user_is_left_alone(self, home):
        """If this fails, a setting in a file of the whole system is changed for everybody, or for nobody."""
        if os.geteuid() != 0:
            pytest.skip("only root can give files away")
        home.write("inc", f"{URL}=http://included\n")
        os.chown(home.path / "inc", ORDINARY_USER, ORDINARY_USER)
        home.write(".taskrc", f"include {home.path}/inc\n")
        edit_taskrc(home.read(), SETTINGS)
        assert home.text("inc") == f"{URL}=http://included\n"
        assert home.read().get(URL) == "http://x"

    def test_its_own_line_for_the_include_gives_a_place(self, home):
        """If this fails, the remedy of the message does not work."""
        home.write(".taskrc", f"a=1\n{INCLUDE}", mode=0o444)
        edit = edit_taskrc(home.read(), SETTINGS)
        assert [file.path for file in edit.files] == [home.path / SYNC_FILE]
        assert home.read().sync.is_complete

    def test_a_setting_of_a_read_only_taskrc_cannot_be_removed(self, home):
        """If this fails, the message names an included file where there is none."""
        home.write(".taskrc", f"{URL}=http://x\n", mode=0o444)
        with pytest.raises(TaskrcReadOnlyError):
            edit_taskrc(home.read(), {URL: None})
