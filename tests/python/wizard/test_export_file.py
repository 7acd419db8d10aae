"""`tcsync export --from`: tasks from the file that an operator exports, when the server and every computer are gone."""

import base64
import json
from uuid import UUID

import admin
import pytest

NIL = str(UUID(int=0))


@pytest.fixture
def grown(paired):
    """A computer whose history has a snapshot with versions before and after it, and tasks that changed in each."""
    for number in range(4):
        paired.add(f"Task {number}")
        paired.task("1", "modify", f"project:home.{number}")
        paired.task("sync")
    return paired


def client_export(server, *arguments):
    """The operator's file."""
    return admin.succeed(server.data_dir, "clients", "export", *arguments)


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def joined(lines):
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def rescued(computer, text, code, *flags, tmp_path):
    """The tasks that the export has, by their UUIDs."""
    file = tmp_path / "client.ndjson"
    file.write_text(text, encoding="utf-8")
    done = computer.tcsync("export", "--from", file, "--pairing-code-file", "-", *flags, given=code)
    assert done.returncode == 0, done.stderr
    return {task["uuid"]: task for task in json.loads(done.stdout)}


def test_a_clients_export_gives_its_tasks_without_the_server(server, grown, new_computer, tmp_path):
    """If this fails, tasks are lost for ever when all computers are, although the operator has a backup."""
    text = client_export(server, grown.json("show")["client_id"])
    server.stop()
    bare = new_computer(has_task=False)
    assert rescued(bare, text, grown.pair(), tmp_path=tmp_path) == grown.exported()


def test_one_client_is_found_among_all(server, grown, second, tmp_path):
    """If this fails, an operator must pick the client out of a backup of a server, and may pick a wrong one."""
    second.add("Of another user")
    assert second.tcsync("setup", "--first-computer", "--server-url", server.url).returncode == 0
    text = client_export(server, "--all")
    assert rescued(second, text, grown.pair(), tmp_path=tmp_path) == grown.exported()
    assert rescued(second, text, second.pair(), tmp_path=tmp_path) == second.exported()
    # Without its client ID, a secret does not tell which one is meant.
    secret = tmp_path / "secret"
    secret.write_text(grown.secret(), encoding="utf-8")
    done = second.tcsync("export", "--from", "-", "--secret-file", secret, given=text)
    assert (done.returncode, "several clients" in done.stderr) == (1, True), done.stderr


def test_the_secret_alone_opens_the_export_of_one_client(server, grown, second, tmp_path):
    """If this fails, a person who kept only the secret, in a password manager, cannot open the own export."""
    text = client_export(server, grown.json("show")["client_id"])
    secret = tmp_path / "secret"
    secret.write_text(grown.secret(), encoding="utf-8")
    done = second.tcsync("export", "--from", "-", "--secret-file", secret, given=text)
    assert done.returncode == 0, done.stderr
    assert {task["uuid"]: task for task in json.loads(done.stdout)} == grown.exported()


def test_versions_in_pieces_are_joined(server, grown, second, tmp_path):
    """If this fails, one large version makes an export unreadable. Pieces go over the end of a page."""
    lines = lines_of(client_export(server, grown.json("show")["client_id"]))
    client, cut = lines[0], []
    for line in lines:
        name = {"version": "segment", "snapshot": "snapshot"}.get(line["type"])
        if name is None:
            cut.append(line)
            continue
        sealed = base64.b64decode(line.pop(name))
        cut.append({**line, f"{name}_bytes": len(sealed)})
        for number, start in enumerate(range(0, len(sealed), 50)):
            piece = base64.b64encode(sealed[start : start + 50]).decode()
            cut += [client, {"type": "piece", "piece": number, "bytes": piece}]
    assert rescued(second, joined(cut), grown.pair(), tmp_path=tmp_path) == grown.exported()


def test_a_large_version_of_the_real_server_is_read(server, paired, second, tmp_path):
    """If this fails, the pieces that a server writes differ from those that are read here."""
    file = paired.home / "large.json"
    file.write_text(json.dumps([{"description": "Large", "notes": "x" * 1_500_000}]), encoding="utf-8")
    paired.task("import", str(file))
    paired.task("sync")
    text = client_export(server, paired.json("show")["client_id"])
    assert '"type":"piece"' in text
    assert rescued(second, text, paired.pair(), tmp_path=tmp_path) == paired.exported()


# Histories, of which parts are gone or doubled, and whether all tasks can be read from the rest.
def without_snapshot(lines):
    return [line for line in lines if line["type"] != "snapshot"]


def without_first_version(lines):
    return [line for line in lines if line.get("parent_version_id") != NIL]


def twice(lines):
    return lines * 2


def with_a_damaged_snapshot(lines):
    return [damaged(line, "snapshot") if line["type"] == "snapshot" else line for line in lines]


def damaged(line, name):
    sealed = bytearray(base64.b64decode(line[name]))
    sealed[-1] ^= 1
    return {**line, name: base64.b64encode(sealed).decode()}


@pytest.mark.parametrize("change", [without_snapshot, without_first_version, twice, with_a_damaged_snapshot])
def test_what_can_be_read_completely_is_read(server, grown, second, tmp_path, change):
    """If this fails, a rescue is refused although the file has all that it needs."""
    lines = lines_of(client_export(server, grown.json("show")["client_id"]))
    assert {"client", "version", "snapshot"} <= {line["type"] for line in lines}
    assert rescued(second, joined(change(lines)), grown.pair(), tmp_path=tmp_path) == grown.exported()


def a_version_lacks(lines):
    versions = [line for line in without_snapshot(lines) if line["type"] == "version"]
    return [line for line in without_snapshot(lines) if line is not versions[2]]


def the_beginning_lacks(lines):
    return without_snapshot(without_first_version(lines))


def a_version_is_damaged(lines):
    return [
        damaged(line, "segment") if line.get("parent_version_id") == NIL else line for line in without_snapshot(lines)
    ]


@pytest.mark.parametrize(
    ("change", "identifier"),
    [
        (a_version_lacks, "history-unreadable"),
        (the_beginning_lacks, "history-unreadable"),
        (a_version_is_damaged, "unseal-not-authentic"),
    ],
)
def test_an_incomplete_history_is_not_taken_for_all(server, grown, second, tmp_path, change, identifier):
    """If this fails, a person throws a backup away because of an export that lacks the later tasks."""
    file = tmp_path / "client.ndjson"
    file.write_text(joined(change(lines_of(client_export(server, grown.json("show")["client_id"])))), encoding="utf-8")
    done = second.tcsync("export", "--from", file, "--pairing-code-file", "-", given=grown.pair())
    assert (done.returncode, f"[{identifier}]" in done.stderr, done.stdout) == (6, True, ""), done.stderr


def test_a_wrong_secret_is_reported(server, grown, second, tmp_path):
    """If this fails, a mistyped secret looks like a damaged file."""
    file = tmp_path / "client.ndjson"
    file.write_text(client_export(server, grown.json("show")["client_id"]), encoding="utf-8")
    done = second.tcsync("export", "--from", file, "--secret-file", "-", given="0" * 64)
    assert (done.returncode, "[unseal-wrong-key]" in done.stderr) == (6, True), done.stderr


def test_an_unreadable_file_is_reported(paired, second):
    """If this fails, a mistyped name of the file is blamed on the pairing code."""
    for name in ("/no/such/file", "/etc"):
        done = second.tcsync("export", "--from", name, "--pairing-code-file", "-", given=paired.pair())
        assert done.returncode in (1, 2), done.stderr
    assert (
        "[export-unreadable]"
        in second.tcsync("export", "--from", "/no/such/file", "--pairing-code-file", "-", given=paired.pair()).stderr
    )
