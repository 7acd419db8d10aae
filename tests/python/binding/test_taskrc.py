"""The taskrc is read as the real Taskwarrior reads it: the same files go to both."""

import os
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import run_bounded

from tcsync import SyncBackend, TaskrcError, TaskrcSyntaxError, find_taskrc, read_taskrc
from tcsync.taskrc import encode_value

TASK_TIMEOUT_S = 30


class Home:
    """A home directory that both this process and Taskwarrior can read. For a Taskwarrior in a chroot it has another
    path, `inside`."""

    def __init__(self, client, directory):
        self.client = client
        self.path = Path(directory)
        self.inside = client.path_inside(directory)

    def write(self, name, content):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def task(self, *arguments, cwd="", **variables):
        """Runs task in a directory of this home, with HOME here and only these variables."""
        assignments = [f"{name}={value.replace('{HOME}', self.inside)}" for name, value in variables.items()]
        script = f'cd "$1" && shift && exec {self.client.command[-1]} "$@"'
        enter = self.client.command[:-1]
        return run_bounded(
            [*enter, "/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", f"HOME={self.inside}", *assignments,
             "/bin/sh", "-c", script, "sh", f"{self.inside}/{cwd}", *arguments],
            timeout_s=TASK_TIMEOUT_S,
        )  # fmt: skip

    def task_value(self, name, **options):
        """The value that Taskwarrior gives a setting; None when it refuses the file."""
        done = self.task("_get", f"rc.{name}", **options)
        refused = ("Malformed", "Could not", "nested to")
        if any(word in done.stdout + done.stderr for word in refused):
            return None
        return done.stdout.removesuffix("\n")

    def environment(self, **variables):
        return {
            "HOME": str(self.path),
            **{name: value.replace("{HOME}", str(self.path)) for name, value in variables.items()},
        }

    def our_value(self, name, **variables):
        """The same by this package, with this home's paths as Taskwarrior sees them; None when it refuses."""
        try:
            setting = read_taskrc(environment=self.environment(**variables)).setting(name)
        except TaskrcSyntaxError:
            return None
        return setting.value.replace(str(self.path), self.inside) if setting else ""


@pytest.fixture
def home(task_client):
    with tempfile.TemporaryDirectory(prefix="taskrc-", dir=task_client.root / "tmp") as directory:
        yield Home(task_client, directory)


LINES = [
    "x=plain", "  x =  spaces around  ", "x=a=b=c", "x=first\nx=last", "x=before # comment", "x=#", "# x=comment", "x=",
    "x=tab\\tbed", r"x=\"quoted\" \/ \\ \b", r"x=\u0023\u00e9\u20ac", r"x=\q\z", "x=ends with \\",
    "x=not\\\ncontinued=1",
    "x=déjà vu", "x=~", "x=~/foo", "x=a~/foo", "x=~root/x", "x=~nosuchuser/x", "x=~ x", "x=$HOME/x", "x=a$HOME$HOME",
    "x=$FOO.$FOO-$NOPE", "x=${FOO}", "x=cost $5", "x=$", "x=pa$$word", r"x=\$FOO", "x=$FOO_", r"x=\u0024FOO \u007e/x",
    r"x=\\u0041", "x=$TILDE/x", "x=$NESTED", "nonsense", "[section]", "INCLUDE b", "\tx=\ttabs\t",
    "x=a\x0cb\x0c", "x=a\x0bb\x0b",
    "\ufeffx=bom", "x=crlf\r", "x y=1\nx=2", "=novalue\nx=1",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_lines_are_read_as_taskwarrior_reads_them(home, line):
    """If this fails, the wizard believes that a setting is another than Taskwarrior does, and changes or keeps the
    wrong one."""
    variables = {"FOO": "bar", "TILDE": "~", "NESTED": "$FOO"}
    start = "" if line.startswith("\ufeff") else "data.location=/tmp/nowhere\n"
    home.write(".taskrc", f"{start}{line}\n")
    theirs = home.task_value("x", **variables)
    assert home.our_value("x", **variables) == theirs


INCLUDES = [
    "include sub/b", "include ~/sub/b", "include $HOME/sub/b",
    "include sub/../sub/b", "include ./sub/b", "include sub", "include /nope", "includesub/b", "  include sub/b",
    "include\tsub/b", "please include sub/b", "include sub/b # comment", "x=include sub/b", "include sub/chain",
    "include .taskrc", "include sub/deep1", "include", "include sub/link", "x=before\ninclude sub/b",
    "include sub/b\nx=after", "include dark-256.theme\nx=1",
]  # fmt: skip


@pytest.mark.parametrize("line", INCLUDES)
def test_included_files_are_read(home, line, monkeypatch):
    """If this fails, a setting in an included file is overlooked, or one is seen that Taskwarrior does not see."""
    home.write("sub/b", "x=from sub/b\n")
    home.write("other/beside", "x=beside the target\n")
    home.write("other/target", "include beside\n")
    home.write("sub/chain", "include b\n")
    for level in range(1, 12):
        home.write(f"sub/deep{level}", f"include sub/deep{level + 1}\n")
    home.write("sub/deep12", "x=deep\n")
    (home.path / "sub" / "link").symlink_to("../other/target")
    home.write(".taskrc", f"data.location=/tmp/nowhere\n{line}\n")
    monkeypatch.chdir(home.path)
    assert home.our_value("x") == home.task_value("x")


@pytest.mark.parametrize("path", ["${HOME}/sub/b", '"sub/b"', "missing"])
def test_unresolved_includes_are_listed(home, path):
    """If this fails, nothing says that Taskwarrior refuses the file; only it knows all places where it looks."""
    home.write("sub/b", "x=from sub/b\n")
    home.write(".taskrc", f"data.location=/tmp/nowhere\ninclude {path}\nx=after\n")
    assert home.task_value("x") is None
    taskrc = read_taskrc(environment=home.environment())
    assert taskrc.unresolved_includes == (path,)
    assert taskrc.get("x") == "after"


def test_includes_are_looked_for_in_the_working_directory_first(home, monkeypatch):
    """If this fails, the wizard reads another included file than `task` does."""
    home.write("config/inc", "x=beside the file\n")
    home.write("elsewhere/inc", "x=in the working directory\n")
    home.write("config/rc", "data.location=/tmp/nowhere\ninclude inc\n")
    for directory in ("config", "elsewhere", ""):
        monkeypatch.chdir(home.path / directory)
        variables = {"TASKRC": "{HOME}/config/rc"}
        assert home.our_value("x", **variables) == home.task_value("x", cwd=directory, **variables)


@pytest.mark.parametrize("level", [10, 11])
def test_the_depth_of_includes_is_limited(home, level):
    """If this fails, the wizard and Taskwarrior disagree which depth of includes is too much."""
    names = [".taskrc", *(f"level{number}" for number in range(2, level + 1))]
    for name, following in pairwise(names):
        home.write(name, f"data.location=/tmp/nowhere\ninclude ~/{following}\n")
    home.write(names[-1], "x=deep\n")
    assert home.our_value("x") == home.task_value("x")


PLACES = [
    ({}, [".taskrc"]), ({}, [".config/task/taskrc"]), ({}, [".taskrc", ".config/task/taskrc"]),
    ({"XDG_CONFIG_HOME": "{HOME}/xdg"}, ["xdg/task/taskrc"]),
    ({"XDG_CONFIG_HOME": "{HOME}/xdg"}, ["xdg/task/taskrc", ".config/task/taskrc"]),
    ({"XDG_CONFIG_HOME": "{HOME}/xdg"}, ["xdg/task/taskrc", ".taskrc"]),
    ({"TASKRC": "{HOME}/named"}, ["named", ".taskrc"]), ({"TASKRC": "~/named"}, ["named", ".taskrc"]),
    ({"XDG_CONFIG_HOME": "{HOME}/missing"}, [".config/task/taskrc", ".taskrc"]),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "files"), PLACES)
def test_the_file_is_found_as_taskwarrior_finds_it(home, variables, files):
    """If this fails, the wizard configures a file that Taskwarrior does not read."""
    for name in files:
        home.write(name, f"data.location=/tmp/nowhere\nx={name}\n")
    theirs = home.task_value("x", **variables)
    assert theirs in files
    assert home.our_value("x", **variables) == theirs
    assert find_taskrc(home.environment(**variables)) == home.path / theirs


def test_a_new_file_is_placed_where_taskwarrior_looks(home):
    """If this fails, a new taskrc is made where Taskwarrior does not look."""
    taskrc = read_taskrc(environment=home.environment())
    assert (taskrc.path, taskrc.exists, taskrc.settings) == (home.path / ".taskrc", False, {})
    with pytest.raises(TaskrcError, match="TASKRC is set but empty"):
        find_taskrc({"HOME": "/", "TASKRC": ""})


@pytest.mark.parametrize(
    ("variables", "line"),
    [({}, ""), ({}, "data.location=~/elsewhere"), ({"TASKDATA": "{HOME}/data"}, "data.location=~/elsewhere"),
     ({"TASKDATA": "{HOME}/data"}, "")],
)  # fmt: skip
def test_the_data_location_is_taskwarriors(home, variables, line):
    """If this fails, the wizard checks another replica than the one that syncs."""
    home.write(".taskrc", f"{line}\n")
    home.task("rc.confirmation=off", "add", "a task", **variables)
    (database,) = home.path.glob("**/taskchampion.sqlite3")
    assert read_taskrc(environment=home.environment(**variables)).data_location == database.parent


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.sampled_from("#$~\\ /\"'{}%"),
                        min_size=1, max_size=40), min_size=1, max_size=30))  # fmt: skip
def test_written_values_are_read_back_by_taskwarrior(home, values):
    """If this fails, a secret with special characters is another one to Taskwarrior, and nothing opens."""
    written = "".join(f"x.{number}={encode_value(value)}\n" for number, value in enumerate(values))
    home.write(".taskrc", f"data.location=/tmp/nowhere\n{written}")
    shown = dict(line.split("=", 1) for line in home.task("_show").stdout.split("\n") if line.startswith("x."))
    assert shown == {f"x.{number}": value for number, value in enumerate(values)}
    read = read_taskrc(environment=home.environment()).settings
    assert [read[f"x.{number}"].value for number in range(len(values))] == values


class TestSyncSettings:
    def read(self, tmp_path, text):
        (tmp_path / "rc").write_text(text, encoding="utf-8")
        return read_taskrc(tmp_path / "rc", {"HOME": str(tmp_path)})

    def test_complete_settings_are_recognised(self, tmp_path):
        """If this fails, the wizard sets up a computer that is set up already, or shows its secret."""
        taskrc = self.read(
            tmp_path, "sync.server.url=http://x\nsync.server.client_id=abc\nsync.encryption_secret=horse\n"
        )
        assert taskrc.sync.is_complete and taskrc.sync.secret.reveal() == "horse"
        assert taskrc.backends == (SyncBackend.SERVER,)
        assert "horse" not in repr(taskrc) + repr(taskrc.sync) + repr(taskrc.setting("sync.encryption_secret"))

    def test_empty_settings_are_not_a_server(self, tmp_path):
        """If this fails, the wizard takes an emptied setting for a server."""
        taskrc = self.read(tmp_path, "sync.server.url=\ncolor=off\n")
        assert not taskrc.sync.is_complete and taskrc.sync.url is None and taskrc.backends == ()

    @pytest.mark.parametrize(
        ("line", "backend"),
        [("sync.local.server_dir=/x", SyncBackend.LOCAL), ("sync.gcp.bucket=b", SyncBackend.GCP),
         ("sync.aws.bucket=b", SyncBackend.AWS), ("sync.git.remote=r", SyncBackend.GIT),
         ("sync.server.origin=http://x", SyncBackend.SERVER), ("taskd.server=x:1", SyncBackend.TASKD)],
    )  # fmt: skip
    def test_other_backends_are_recognised(self, tmp_path, line, backend):
        """If this fails, the wizard overrides another way of syncing without a word."""
        taskrc = self.read(tmp_path, f"{line}\n")
        assert taskrc.backends == (backend,)
        (setting,) = taskrc.settings_of(backend)
        assert (setting.file, setting.line) == (tmp_path / "rc", 1)

    def test_a_setting_names_its_file_and_line(self, tmp_path):
        """If this fails, a message sends a person to the wrong file or line."""
        (tmp_path / "inc").write_text("\n\nsync.server.url=http://y\n", encoding="utf-8")
        setting = self.read(tmp_path, f"sync.server.url=http://x\ninclude {tmp_path}/inc\n").setting("sync.server.url")
        assert (setting.value, setting.file, setting.line) == ("http://y", tmp_path / "inc", 3)


def test_unreadable_files_are_reported(tmp_path):
    """If this fails, a mistake in the file's place ends in a traceback."""
    with pytest.raises(TaskrcError, match="cannot be read: Is a directory"):
        read_taskrc(tmp_path, {"HOME": "/"})
    (tmp_path / "large").write_bytes(b"#" * (5 * 1024 * 1024))
    with pytest.raises(TaskrcError, match="larger than"):
        read_taskrc(tmp_path / "large", {"HOME": "/"})
    if os.geteuid() != 0:
        (tmp_path / "locked").touch(mode=0)
        with pytest.raises(TaskrcError, match="Permission denied"):
            read_taskrc(tmp_path / "locked", {"HOME": "/"})
