"""The words of the setup: its own, or those of a program that has it as one of its steps."""

import pytest
from computers import Terminal, python_command

from tcsync import UrlError, normalise_url
from tcsync.wizard import DEFAULT_CLOUD_URL, Branding


def test_the_plain_program_has_no_branding(first):
    """If this fails, the menu names a step of some other program, or is not the one of the documentation."""
    terminal = first.terminal("setup")
    terminal.answer("Choose option [1]: ", "3")
    assert terminal.end() == 0
    assert terminal.screen.startswith(
        "tcsync: Taskwarrior on several computers\n"
        "  TaskChampion Server Options:\n"
        "    1. Cloud server (recommended for testing)\n"
        "    2. Self-hosted (you run the server)\n"
        "    3. Skip for now\n"
        "  Choose option [1]: 3\n"
    )
    assert first.files() == {}, "skipping changed something"


def test_a_foreign_program_mounts_the_setup(server, first, tmp_path):
    """If this fails, another program cannot have the setup as one of its steps, with its own cloud server and words."""
    program = tmp_path / "host.py"
    program.write_text(
        f"URL = {server.url!r}\n"
        "import click\n"
        "from tcsync.wizard import Branding, setup_command\n"
        "@click.group()\n"
        "def host(): pass\n"
        "step = setup_command(Branding('Step 7: Tasks', 'Host Cloud', URL, 'run by us'), name='sync')\n"
        "host.add_command(step)\n"
        "@host.command()\n"
        "@click.pass_context\n"
        "def everything(context):\n"
        "    outcome = context.invoke(step, server_url=URL, computer='first', auto=False)\n"
        "    print('host goes on:', outcome.result, outcome.tasks)\n"
        "host()\n",
        encoding="utf-8",
    )
    python = python_command()
    terminal = Terminal([*python, str(program), "sync", "--dry-run"], first.environment)
    terminal.answer("Choose option [1]: ", "1")
    terminal.answer("computer? [y/N]: ", "n")
    assert terminal.end() == 0
    assert terminal.screen.startswith("Step 7: Tasks\n  TaskChampion Server Options:\n    1. Host Cloud (run by us)\n")
    assert "recommended" not in terminal.screen and "tcsync:" not in terminal.screen
    assert f"Checking {server.url} ..." in terminal.screen
    terminal = Terminal([*python, str(program), "everything"], first.environment)
    assert terminal.end() == 0, terminal.screen
    assert "host goes on: done {'all': 0}" in terminal.screen


def test_without_a_remark():
    """If this fails, a host program's menu has empty parentheses in it."""
    assert Branding(cloud_name="Host Cloud", cloud_remark="").cloud_option == "Host Cloud"


@pytest.mark.parametrize(
    ("variable", "expected"),
    [(None, "https://host.example"), ("", "https://host.example"), ("localhost:8/", "http://localhost:8")],
)
def test_the_cloud_server_can_be_overridden(monkeypatch, variable, expected):
    """If this fails, staging servers and tests cannot take the cloud server's place."""
    monkeypatch.delenv("TCSYNC_CLOUD_URL", raising=False)
    if variable is not None:
        monkeypatch.setenv("TCSYNC_CLOUD_URL", variable)
    assert Branding(cloud_url="https://host.example/").effective_cloud_url() == expected


def test_the_default_cloud_server_is_normalised_and_checked(monkeypatch):
    """If this fails, two computers that chose the cloud get different URLs, or a malformed variable is used."""
    monkeypatch.delenv("TCSYNC_CLOUD_URL", raising=False)
    assert Branding().effective_cloud_url() == DEFAULT_CLOUD_URL == normalise_url(DEFAULT_CLOUD_URL)
    monkeypatch.setenv("TCSYNC_CLOUD_URL", "ftp://x")
    with pytest.raises(UrlError):
        Branding().effective_cloud_url()
