"""docs/administration.md: that it has every command and request, and that a server answers as its transcripts say."""

import json
import re

import admin
import pytest
import server as server_module
import wire
from support import REPOSITORY, run_bounded

PAGE = (REPOSITORY / "docs" / "administration.md").read_text(encoding="utf-8")
CLIENT_ID = "b2f16405-dff1-413e-9117-cde1c959bd25"


def transcripts():
    """Each command of the page's section "By hand", with the line that it prints."""
    block = PAGE.split("## By hand")[1].split("```")[1]
    lines = block.strip().splitlines()
    return [(lines[i].removeprefix("$ "), lines[i + 1]) for i in range(0, len(lines), 2)]


def shape(value):
    """The structure of a document: its names and the types of their values."""
    if isinstance(value, dict):
        return {name: "any" if name == "backend" else shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return type(value).__name__


def test_every_command_is_documented():
    """If this fails, an operator does not find a command that there is, or looks for one that there is not."""
    help_text = run_bounded([str(server_module.BINARY), "--help"], env=server_module.environment(), timeout_s=30).stdout
    commands = re.findall(
        r"^  ((?:clients|invites|storage) [a-z-]+|top|options-in-force|log-level|stats|verify|prune|compact"
        r"|import-reference|backups?|restore|repair-log|salvage)\b",
        help_text,
        re.M,
    )
    assert len(commands) >= 20
    documented = set(re.findall(r"^\| `([a-z][a-z -]*[a-z])(?: [\[A-Z-][^`]*)?`", PAGE, re.M))
    for command in commands:
        assert command in documented, command


def test_every_request_is_documented():
    """If this fails, a program's author does not find a request."""
    rows = (REPOSITORY / "src" / "admin" / "route.cc").read_text(encoding="utf-8")
    routes = re.findall(r'^ +\{"([A-Z]+)", "([^"]+)",', rows, re.M)
    assert len(routes) >= 25
    for method, path in routes:
        named = path.replace("jobs/ID", "jobs/N").replace("invites/ID", "invites/INVITE")
        alternative = f"`.../{named.split('/')[-1]}`"
        assert f"`{method} {named}`" in PAGE or alternative in PAGE, (method, path)


def test_transcripts_match_the_server(start_server, tmp_path):
    """If this fails, a program that follows the page does not work."""
    server = start_server(data_dir=tmp_path / "data")
    admin.add_chain(server.url, CLIENT_ID, 2)
    # A replica ends its sync here.
    latest = wire.history(server.url, CLIENT_ID)[-1].version_id
    assert wire.get_child_version(server.url, CLIENT_ID, latest).status == 404
    assert len(transcripts()) >= 8
    for command, line in transcripts():
        done = run_bounded(["sh", "-c", command], cwd=tmp_path, timeout_s=60)
        if done.returncode == 127:
            pytest.skip("curl is not installed")
        answer = json.loads(done.stdout)
        assert shape(answer) == shape(json.loads(line)), f"{command}\n{done.stdout}"
        if "error" in answer:
            assert answer == json.loads(line)
