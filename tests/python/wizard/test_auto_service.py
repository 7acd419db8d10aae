"""The files by which the system starts the agent: what systemd, launchd and a desktop read out of them is what was
put in.

The two readers below follow systemd.syntax(7), systemd.service(5) and systemd.exec(5), and the Desktop Entry
Specification 1.5, "Value types" and "The Exec key", by the letter.
"""

import os
import plistlib
import re
import shutil

import pytest
from support import run_bounded

from tcsync.wizard.auto.service import VARIABLES, Service, desktop_entry, launchd_agent, systemd_unit

TIMEOUT_S = 60
UNIT = "tcsync-auto-test.service"

ODD_WORDS = {
    "plain": "plain",
    "empty": "",
    "spaces": " two  words ",
    "double quotes": 'say "hello"',
    "single quotes": "Ada's 'tasks'",
    "percent": "100% of %h and %%u",
    "dollar": "$HOME costs ${PRICE} or $$",
    "backslash": "C:\\tasks\\new\\x41",
    "backslash at the end": "ends with \\",
    "backslash before a quote": 'a \\" b',
    "backquote": "`id`",
    "newline": "two\nlines",
    "carriage return": "two\rlines",
    "tab": "a\ttab",
    "non-ASCII": "Größe ✓ 任务",
    "semicolon": ";",
    "comment": "# no comment",
    "brackets": "[Service]",
    "equals": "a=b",
    "shell": "a && b | c > d; (e) *? ~ !",
    "code of a desktop": "%f",
}

# Those that the values of systemd's Environment= can have: "non-printable characters are currently rejected".
PRINTABLE_WORDS = {name: word for name, word in ODD_WORDS.items() if word.isprintable()}
# systemd.service(5): "The command to execute may contain spaces, but control characters are not allowed."
PROGRAMS = {name: f"/opt/{word}/python" for name, word in PRINTABLE_WORDS.items()}

SYSTEMD_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"', "'": "'", "s": " ",
}  # fmt: skip
SYSTEMD_NUMBERS = re.compile(r"x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})")


def systemd_sections(text):
    """Every section with its assignments, in their order."""
    assert "\0" not in text
    sections, current = {}, None
    for line in re.split(r"\r\n|\n\r|\n|\r", text):
        if not line.strip() or line.lstrip()[0] in "#;":
            continue
        assert not line.endswith("\\"), "it would go on in the next line"
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), [])
        else:
            name, equals, value = line.partition("=")
            assert equals, f"no assignment: {line!r}"
            current.append((name.strip(), value.strip()))
    return sections


def systemd_words(value):
    """Those of a value for which quoting is allowed."""
    words, position = [], 0
    while position < len(value):
        if value[position] in " \t":
            position += 1
            continue
        quote = value[position] if value[position] in "\"'" else ""
        position += len(quote)
        word = ""
        while position < len(value) and (value[position] != quote if quote else value[position] not in " \t"):
            if value[position] != "\\":
                word, position = word + value[position], position + 1
                continue
            position += 1
            if number := SYSTEMD_NUMBERS.match(value, position):
                digits = number[0].lstrip("xuU")
                word, position = word + chr(int(digits, 8 if number[2] else 16)), number.end()
            else:
                word, position = word + SYSTEMD_ESCAPES[value[position]], position + 1
        if quote:
            assert position < len(value), "no closing quote"
            position += 1
            assert position == len(value) or value[position] in " \t", "no space after a closing quote"
        words.append(word)
    return words


def without_specifiers(word):
    """systemd.unit(5): %% is a single percent sign; every other one would be replaced."""
    assert not re.search("%", word.replace("%%", "")), f"a specifier in {word!r}"
    return word.replace("%%", "%")


def without_variables(word):
    """systemd.service(5): $$ is a dollar sign; every other one would be replaced."""
    assert not re.search(r"\$", word.replace("$$", "")), f"a variable in {word!r}"
    return word.replace("$$", "$")


def read_unit(text):
    """The command that the unit runs, and the variables that it sets."""
    service = systemd_sections(text)["Service"]
    (started,) = (value for name, value in service if name == "ExecStart")
    env, end_of_options, *command = map(without_specifiers, systemd_words(started))
    assert (env, end_of_options) == ("/usr/bin/env", "--")
    variables = [
        without_specifiers(word).partition("=")
        for name, value in service
        if name == "Environment"
        for word in systemd_words(value)
    ]
    # In Environment= "the $ character has no special meaning".
    return [*map(without_variables, command)], {name: value for name, _, value in variables}


class TestSystemd:
    @pytest.mark.parametrize("word", ODD_WORDS.values(), ids=ODD_WORDS)
    def test_an_argument_arrives_as_it_is(self, word):
        """If this fails, the agent is started with other arguments than `tcsync auto on` had, or not at all."""
        command = ["/usr/bin/python3", "-m", word, "--last"]
        assert read_unit(systemd_unit(command, {}))[0] == command

    @pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
    def test_the_program_arrives_as_it_is(self, program):
        """If this fails, a Python in a directory with an odd name is not found at the next login."""
        assert read_unit(systemd_unit([program], {}))[0] == [program]

    @pytest.mark.parametrize("word", PRINTABLE_WORDS.values(), ids=PRINTABLE_WORDS)
    def test_a_variable_arrives_as_it_is(self, word):
        """If this fails, the agent syncs other tasks than those of this person, or none."""
        variables = {"TASKDATA": word, "TASKRC": "/home/ada/.taskrc"}
        assert read_unit(systemd_unit(["/usr/bin/python3"], variables))[1] == variables

    @pytest.mark.parametrize("word", ODD_WORDS.values(), ids=ODD_WORDS)
    def test_systemd_has_nothing_to_say(self, tmp_path, word):
        """If this fails, systemd ignores a line of the unit, or all of it."""
        variables = {"TASKDATA": word} if word.isprintable() else {}
        done = verify(tmp_path, systemd_unit(["/bin/true", word, "--last"], variables))
        assert (done.returncode, done.stdout + done.stderr) == (0, "")

    def test_systemd_reports_a_broken_unit(self, tmp_path):
        """If this fails, the tests above show nothing."""
        done = verify(tmp_path, systemd_unit(["/bin/true"], {}).replace("Nice=", "Nize="))
        assert "Nize" in done.stderr

    def test_it_starts_at_a_login_and_after_a_failure(self):
        """If this fails, the agent is there until the next login only, or until its first fault."""
        sections = {name: dict(values) for name, values in systemd_sections(systemd_unit(["/bin/true"], {})).items()}
        assert sections["Install"]["WantedBy"] == "default.target"
        assert sections["Service"]["Restart"] == "on-failure"
        assert int(sections["Service"]["RestartSec"]) >= 10


def verify(directory, text):
    """What systemd says of the unit, as it would of one of a person."""
    program = shutil.which("systemd-analyze")
    if not program:
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-analyze is not installed", pytrace=False)
        pytest.skip("systemd-analyze is not installed")
    runtime = directory / "runtime"
    runtime.mkdir(mode=0o700)
    (directory / UNIT).write_text(text, encoding="utf-8")
    return run_bounded(
        [program, "verify", "--user", "--man=no", "--recursive-errors=no", str(directory / UNIT)],
        env={
            "HOME": str(directory),
            "XDG_RUNTIME_DIR": str(runtime),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "SYSTEMD_LOG_LEVEL": "warning",
        },
        timeout_s=TIMEOUT_S,
    )


class TestLaunchd:
    @pytest.mark.parametrize("word", [word for word in ODD_WORDS.values() if "\r" not in word])
    def test_it_is_read_as_it_was_written(self, word):
        """If this fails, a Mac's agent is started with other arguments than `tcsync auto on` had, or not at all."""
        command, variables = ["/usr/bin/python3", word, "--last"], {"TASKDATA": word}
        read = plistlib.loads(launchd_agent("dev.tcsync", command, variables).encode())
        assert read["ProgramArguments"] == command
        assert read["EnvironmentVariables"] == variables

    def test_it_starts_at_a_login_and_after_a_failure(self):
        """If this fails, the agent is there until the next login only, or comes back after `tcsync auto off`."""
        read = plistlib.loads(launchd_agent("dev.tcsync", ["/usr/bin/true"], {}).encode())
        assert read["RunAtLoad"] is True
        assert read["KeepAlive"] == {"SuccessfulExit": False}
        assert read["Label"] == "dev.tcsync"


DESKTOP_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
DESKTOP_RESERVED = " \t\n\"'\\><~|&;$*?#()`"


def desktop_values(text):
    """The group [Desktop Entry], each value with the escapes of the type string undone."""
    header, *lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    assert header == "[Desktop Entry]"
    pairs = [line.partition("=")[::2] for line in lines]
    assert len(dict(pairs)) == len(pairs), "a key twice"
    return {
        key.strip(): re.sub(r"\\(.)", lambda found: DESKTOP_ESCAPES[found[1]], value.strip()) for key, value in pairs
    }


def desktop_command(value):
    """The words of an Exec key, after the escapes of the type string."""
    words, position = [], 0
    while position < len(value):
        if value[position] == " ":
            position += 1
            continue
        word = ""
        if value[position] == '"':
            position += 1
            while value[position] != '"':
                if value[position] == "\\":
                    position += 1
                    assert value[position] in '"`$\\', "a backslash before a character that it does not quote"
                else:
                    assert value[position] not in "`$", "a reserved character without a backslash"
                word, position = word + value[position], position + 1
            position += 1
            assert position == len(value) or value[position] == " ", "arguments are separated by a space"
        else:
            while position < len(value) and value[position] != " ":
                assert value[position] not in DESKTOP_RESERVED, "a reserved character outside of quotes"
                word, position = word + value[position], position + 1
        assert "%" not in word.replace("%%", ""), f"a field code in {word!r}"
        words.append(word.replace("%%", "%"))
    return words


class TestDesktopEntry:
    @pytest.mark.parametrize("word", ODD_WORDS.values(), ids=ODD_WORDS)
    def test_the_command_is_read_as_it_was_written(self, word):
        """If this fails, the desktop starts the agent with other arguments than `tcsync auto on` had, or not at all."""
        values = desktop_values(desktop_entry([f"/opt/{word}/python", word, "--last"], {"TASKDATA": word}))
        assert desktop_command(values["Exec"]) == ["env", f"TASKDATA={word}", f"/opt/{word}/python", word, "--last"]

    def test_the_specifications_own_example_is_read(self):
        """If this fails, the test above shows nothing."""
        assert desktop_command(desktop_values('[Desktop Entry]\nExec=env "a\\\\$b" "c\\\\\\\\d" 50%%\n')["Exec"]) == [
            "env",
            "a$b",
            "c\\d",
            "50%",
        ]

    def test_it_is_an_application_without_a_window(self):
        """If this fails, a desktop ignores the file, or opens a terminal at each login."""
        values = desktop_values(desktop_entry(["/usr/bin/true"], {}))
        assert (values["Type"], values["Terminal"], values["Name"]) == ("Application", "false", "tcsync")


class TestPlaces:
    def test_they_are_the_users(self, tmp_path, monkeypatch):
        """If this fails, the file lies where nothing reads it."""
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        service = Service(tmp_path)
        assert service.unit_path == tmp_path / f".config/systemd/user/{service.name}.service"
        assert service.desktop_entry_path == tmp_path / f".config/autostart/{service.name}.desktop"
        assert service.plist_path == tmp_path / f"Library/LaunchAgents/dev.{service.name}.plist"
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
        assert service.unit_path == tmp_path / f"settings/systemd/user/{service.name}.service"
        assert service.desktop_entry_path == tmp_path / f"settings/autostart/{service.name}.desktop"

    def test_each_data_directory_has_its_own(self, tmp_path):
        """If this fails, the agents of two profiles of one person replace each other, and one `off` ends both."""
        names = {Service(tmp_path / name).name for name in ("work", "home")}
        assert len(names) == 2

    def test_the_variables_are_those_that_taskwarrior_needs(self):
        """If this fails, `task sync` works in a terminal, and fails when the agent runs it."""
        assert {"PATH", "TASKRC", "TASKDATA", "XDG_CONFIG_HOME", "XDG_STATE_HOME"} <= set(VARIABLES)
        # The findings tell a person to set it where the certificate is by a private authority.
        assert "SSL_CERT_FILE" in VARIABLES
