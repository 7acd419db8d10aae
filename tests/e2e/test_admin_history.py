"""One client's history in an operator's hands: shown, rewound, restored, and replaced by a diverged replica's."""

import json
import uuid

import admin
import pytest
import wire

SEALED = b"sealed segment"


def show(target, client_id):
    return admin.as_json(target.data_dir, "clients", "show", client_id)


def versions(target, client_id, *flags):
    return admin.as_lines(target.data_dir, "clients", "versions", client_id, *flags)


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(params=["served", "alone"])
def target(request, start_server, tmp_path):
    """A server with one client of six versions, a snapshot of the fourth, and a neighbour on either side; stopped when
    the commands are to work alone."""
    server = start_server()
    server.client_id = "77777777-7777-4777-8777-777777777777"
    server.neighbours = ["77777777-7777-4777-8777-777777777776", "77777777-7777-4777-8777-777777777778"]
    for neighbour in server.neighbours:
        admin.add_chain(server.url, neighbour, 3)
    server.ids = admin.add_chain(server.url, server.client_id, 6)
    assert wire.add_snapshot(server.url, server.client_id, server.ids[3], b"snapshot" * 40_000).status == 200
    assert wire.get_child_version(server.url, server.client_id, server.ids[-1]).status == 404
    if request.param == "alone":
        server.stop()
    server.serve = lambda: server if request.param == "served" else start_server(data_dir=server.data_dir)
    return server


@pytest.mark.usefixtures("each_storage")
class TestVersions:
    def test_lists_versions_with_their_figures(self, target):
        """If this fails, an operator cannot see where a history went wrong."""
        listed = versions(target, target.client_id)
        assert [version["version_id"] for version in listed] == target.ids
        assert [version["number"] for version in listed] == [1, 2, 3, 4, 5, 6]
        assert [version["parent_version_id"] for version in listed] == [wire.NIL_VERSION, *target.ids[:-1]]
        assert [version["bytes"] for version in listed] == [len(SEALED) + 1] * 6
        assert [version["number"] for version in listed if version["snapshot"]] == [4]
        assert versions(target, target.client_id, "--last", "2") == listed[-2:]
        assert versions(target, target.client_id, "--last", "1000") == listed
        table = admin.succeed(target.data_dir, "clients", "versions", target.client_id, "--last", "3")
        assert target.ids[3] in table and "snapshot" in table and target.ids[2] in table.splitlines()[1]

    def test_a_long_history_is_listed_in_pages(self, start_server):
        """If this fails, a long history is listed in part."""
        server, client_id = start_server(), str(uuid.uuid4())
        lines = [{"type": "client", "client_id": client_id}]
        parent = wire.NIL_VERSION
        for _number in range(2500):
            lines.append({"type": "version", "version_id": str(uuid.uuid4()), "parent_version_id": parent,
                          "segment": "c2VhbGVk"})  # fmt: skip
            parent = lines[-1]["version_id"]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        assert admin.run_with_input(server.data_dir, text, "clients", "import").returncode == 0
        listed = versions(server, client_id)
        assert [version["version_id"] for version in listed] == [line["version_id"] for line in lines[1:]]
        assert {version["bytes"] for version in listed} == {6}


@pytest.mark.usefixtures("each_storage")
class TestRewind:
    def test_removes_only_the_end_of_the_history(self, target, tmp_path):
        """If this fails, a poisoned history cannot be cut off, or more than its end is gone."""
        file = tmp_path / "removed.jsonl"
        answer = admin.as_json(
            target.data_dir, "clients", "rewind", target.client_id, "--to", "3", "--output", file, "--yes"
        )
        assert (answer["versions_removed"], answer["snapshot_removed"]) == (3, True)
        assert answer["latest_version_id"] == target.ids[2] and answer["exported_to"] == str(file)
        assert not answer["new_replica_cannot_start"]
        assert file.stat().st_mode & 0o777 == 0o600
        removed = lines_of(file)
        assert [line["version_id"] for line in removed if line["type"] == "version"] == target.ids[3:]
        assert [line["version_id"] for line in removed if line["type"] == "snapshot"] == [target.ids[3]]

        shown = show(target, target.client_id)
        assert (shown["versions"], shown["latest_version_id"], shown["snapshot"]) == (3, target.ids[2], None)
        assert shown["history_bytes"] == 3 * (len(SEALED) + 1) and shown["last_seen"]
        verified = admin.as_json(target.data_dir, "verify")
        assert verified["problems"] == [] and verified["notes"] == [] and verified["versions"] == 9

        server = target.serve()
        assert [version.version_id for version in wire.history(server.url, target.client_id)] == target.ids[:3]
        assert wire.get_snapshot(server.url, target.client_id).status == 404
        # A replica at a version that is gone is ahead, and gets 410.
        for version_id in target.ids[3:]:
            assert wire.get_child_version(server.url, target.client_id, version_id).status == 410
            conflict = wire.add_version(server.url, target.client_id, version_id)
            assert (conflict.status, conflict.headers["X-Parent-Version-Id"]) == (409, target.ids[2])
            assert wire.add_snapshot(server.url, target.client_id, version_id).status == 200
        assert "reason=replica-ahead" in server.log
        assert len(show(server, target.client_id)["replicas_ahead"]) == 3
        # The others continue.
        added = wire.add_version(server.url, target.client_id, target.ids[2])
        assert added.status == 200 and added.headers["X-Snapshot-Request"] == "urgency=high"
        assert wire.get_child_version(server.url, target.client_id, target.ids[3]).status == 410
        for neighbour in target.neighbours:
            assert len(wire.history(server.url, neighbour)) == 3

    def test_the_file_of_removed_versions_undoes_a_rewind(self, target, tmp_path):
        """If this fails, a rewind that was a mistake is for ever."""
        before = show(target, target.client_id)
        file = tmp_path / "removed.jsonl"
        admin.succeed(
            target.data_dir, "clients", "rewind", target.client_id, "--to", target.ids[1], "--output", file, "--yes"
        )
        admin.succeed(target.data_dir, "clients", "import", file, "--yes")
        after = show(target, target.client_id)
        for name in ("versions", "latest_version_id", "history_bytes", "snapshot"):
            assert name == "snapshot" or after[name] == before[name], name
        assert after["snapshot"]["version_id"] == target.ids[3]
        assert admin.as_json(target.data_dir, "verify")["problems"] == []

    def test_an_older_snapshot_is_removed_only_on_request(self, target, tmp_path):
        """If this fails, a poisoned snapshot cannot be removed, or a good one is lost."""
        rewind = ("clients", "rewind", target.client_id, "--yes", "--json", "--output")
        kept = json.loads(admin.succeed(target.data_dir, *rewind, tmp_path / "1", "--to", "5"))
        assert not kept["snapshot_removed"] and show(target, target.client_id)["snapshot"]["number"] == 4
        rewound = json.loads(admin.succeed(target.data_dir, *rewind, tmp_path / "2", "--to", "5", "--remove-snapshot"))
        assert rewound["snapshot_removed"] and rewound["versions_removed"] == 0
        assert show(target, target.client_id)["snapshot"] is None
        assert [line["type"] for line in lines_of(tmp_path / "2")] == ["client", "snapshot", "replicas"]
        assert "nothing is to be removed" in admin.refusal(target.data_dir, *rewind, tmp_path / "3", "--to", "5")

    def test_invalid_requests_change_nothing(self, target, tmp_path):
        """If this fails, a slip of the hand removes a history."""
        before = show(target, target.client_id)
        rewind = ("clients", "rewind", target.client_id)
        file = tmp_path / "file"
        assert "--to" in admin.refusal(target.data_dir, *rewind, "--yes", status=2)
        assert "--yes" in admin.refusal(target.data_dir, *rewind, "--to", "2", "--output", file, status=2)
        for version in ("0", "7", "x", str(uuid.uuid4()), wire.NIL_VERSION, ""):
            line = admin.refusal(
                target.data_dir, *rewind, "--to", version, "--yes", "--output", file, status=1 if version else 2
            )
            assert not version or ("numbers 1 to 6" in line and "clients delete" in line), line
        file.write_text("mine", encoding="utf-8")
        assert "exists already" in admin.refusal(target.data_dir, *rewind, "--to", "2", "--yes", "--output", file)
        nowhere = tmp_path / "nowhere" / "file"
        assert "nowhere" in admin.refusal(target.data_dir, *rewind, "--to", "2", "--yes", "--output", nowhere)
        assert file.read_text(encoding="utf-8") == "mine" and show(target, target.client_id) == before

    def test_names_the_default_file_of_removed_versions(self, target, tmp_path):
        """If this fails, an operator does not find the file with the removed versions."""
        done = admin.run(target.data_dir, "clients", "rewind", target.client_id, "--to", "4", "--yes", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (file,) = tmp_path.glob(f"{target.client_id}-before-rewind-*.jsonl")
        assert "2 versions removed" in done.stdout and file.name in done.stdout

    def test_versions_added_during_a_rewind_are_not_removed(self, target):
        """If this fails, a version that came during a rewind is removed without being in its file."""
        server = target.serve()
        later = wire.add_version(server.url, target.client_id, target.ids[-1]).headers["X-Version-Id"]
        body = {"version_id": target.ids[1], "latest_version_id": target.ids[-1], "snapshot_version_id": target.ids[3]}
        path = f"clients/{target.client_id}/rewind"
        status, answer = admin.api(server, "POST", path, body)
        assert status == 409 and "nothing was removed" in answer["error"]
        status, answer = admin.api(
            server, "POST", path, {**body, "latest_version_id": later, "snapshot_version_id": None}
        )
        assert status in (400, 409), answer
        assert show(server, target.client_id)["latest_version_id"] == later
        status, answer = admin.api(server, "POST", path, {**body, "latest_version_id": later})
        assert (status, answer["versions_removed"]) == (200, 5)

    def test_a_rewind_ends_the_acceptance_of_a_diverged_replica(self, target, tmp_path):
        """If this fails, the replica that poisoned a history puts the poison back."""
        admin.succeed(target.data_dir, "clients", "accept-diverged", target.client_id)
        admin.succeed(
            target.data_dir, "clients", "rewind", target.client_id, "--to", "4", "--yes", "--output", tmp_path / "file"
        )
        assert not show(target, target.client_id)["accepts_diverged"]


class TestRestoreOneClient:
    def test_restores_one_client_from_a_backup(self, target, tmp_path):
        """If this fails, one client's mistake can only be undone for all clients at once."""
        backups, file = tmp_path / "backups", tmp_path / "present.jsonl"
        admin.succeed(target.data_dir, "backup", backups)
        server = target.serve()
        latest = target.ids[-1]
        for _number in range(4):
            latest = wire.add_version(server.url, target.client_id, latest, b"poison").headers["X-Version-Id"]
        assert wire.add_snapshot(server.url, target.client_id, latest, b"poison").status == 200
        neighbour_latest = wire.history(server.url, target.neighbours[0])[-1].version_id
        kept = wire.add_version(server.url, target.neighbours[0], neighbour_latest).headers["X-Version-Id"]

        restore = ("clients", "restore", target.client_id, "--from", backups, "--output", file)
        assert "--yes" in admin.refusal(server.data_dir, *restore, status=2)
        answer = admin.as_json(server.data_dir, *restore, "--yes")
        assert answer["latest_version_id"] == target.ids[-1] and answer["exported_to"] == str(file)
        assert sum(line["type"] == "version" for line in lines_of(file)) == 10
        assert [version.version_id for version in wire.history(server.url, target.client_id)] == target.ids
        snapshot = wire.get_snapshot(server.url, target.client_id)
        assert (snapshot.headers["X-Version-Id"], snapshot.body) == (target.ids[3], b"snapshot" * 40_000)
        assert wire.history(server.url, target.neighbours[0])[-1].version_id == kept, "others were restored as well"
        assert admin.as_json(server.data_dir, "verify")["problems"] == []
        # Again, it has nothing left to do, and does no harm.
        admin.succeed(server.data_dir, *restore[:-1], tmp_path / "again.jsonl", "--yes")
        assert [version.version_id for version in wire.history(server.url, target.client_id)] == target.ids

    def test_restores_a_deleted_client(self, target, tmp_path):
        """If this fails, a deletion by mistake cannot be undone for one client."""
        backups = tmp_path / "backups"
        admin.succeed(target.data_dir, "backup", backups)
        admin.succeed(target.data_dir, "clients", "delete", target.client_id, "--yes")
        text = admin.succeed(target.data_dir, "clients", "restore", target.client_id, "--from", backups, "--yes")
        assert "nothing of it here" in text
        shown = show(target, target.client_id)
        assert (shown["versions"], shown["snapshot"]["version_id"], shown["ban"]) == (6, target.ids[3], None)

    def test_replaces_another_history(self, target, tmp_path):
        """If this fails, a client that started again by mistake stays so."""
        backups, file = tmp_path / "backups", tmp_path / "present.jsonl"
        admin.succeed(target.data_dir, "backup", backups)
        admin.succeed(target.data_dir, "clients", "delete", target.client_id, "--yes")
        server = target.serve()
        other = admin.add_chain(server.url, target.client_id, 2, b"another history")
        admin.succeed(
            server.data_dir, "clients", "restore", target.client_id, "--from", backups, "--output", file, "--yes"
        )
        assert [line["version_id"] for line in lines_of(file) if line["type"] == "version"] == other
        assert [version.version_id for version in wire.history(server.url, target.client_id)] == target.ids
        assert show(server, target.client_id)["ban"] is None

    def test_an_impossible_restore_removes_nothing(self, target, tmp_path):
        """If this fails, a restore that cannot be done removes something."""
        before = show(target, target.client_id)
        backups, restore = tmp_path / "backups", ("clients", "restore", target.client_id, "--yes")
        assert "--from" in admin.refusal(target.data_dir, *restore, status=2)
        assert str(backups) in admin.refusal(target.data_dir, *restore, "--from", backups)
        admin.succeed(target.data_dir, "backup", backups)
        assert "no backup 7" in admin.refusal(target.data_dir, *restore, "--from", backups, "--backup", "7")
        stranger = "88888888-8888-4888-8888-888888888888"
        line = admin.refusal(target.data_dir, "clients", "restore", stranger, "--from", backups, "--yes")
        assert "no client 88888888" in line
        line = admin.refusal(target.data_dir, "clients", "restore", stranger[:8], "--from", backups, "--yes")
        assert "begins with 88888888" in line
        for path in backups.rglob("*.sst"):
            damaged = bytearray(path.read_bytes())
            damaged[: len(damaged) // 2] = bytes(byte ^ 1 for byte in damaged[: len(damaged) // 2])
            path.chmod(0o600)
            path.write_bytes(damaged)
        admin.refusal(target.data_dir, *restore, "--from", backups)
        assert show(target, target.client_id) == before
        assert not list(tmp_path.glob("*.jsonl")) and not list(tmp_path.glob("*.part"))


@pytest.mark.usefixtures("each_storage")
class TestAcceptDivergedInBulk:
    def ahead(self, number):
        return f"{number:012x}"[:8] + "-" + f"{number:012x}"[8:] + "-8000-8000-" + uuid.uuid4().hex[:12]

    def test_accepts_only_replicas_that_are_clearly_ahead(self, start_server):
        """If this fails, a thousand people wait after a restore, or a computer that was left behind takes over."""
        server = start_server("--new-clients-per-address-day", "0")
        url = server.url
        clear, two, behind, foreign, grown, allowed, none = (str(uuid.uuid4()) for _ in range(7))
        latest = {
            client: admin.add_chain(url, client, 3)[-1] for client in (two, behind, foreign, grown, allowed, none)
        }
        admin.add_chain(url, clear, 3)

        def ask(client, version):
            assert wire.get_child_version(url, client, version).status == 410

        ask(clear, self.ahead(9))
        ask(two, self.ahead(8))
        ask(two, self.ahead(9))
        ask(behind, self.ahead(2))
        ask(foreign, str(uuid.uuid4()))
        ask(grown, self.ahead(5))
        ask(allowed, self.ahead(9))
        admin.succeed(server.data_dir, "clients", "accept-diverged", allowed)
        # An import is the way to a version with a later time.
        line = {"type": "version", "version_id": self.ahead(4), "parent_version_id": latest[grown],
                "segment": "c2VhbGVk", "appended": 4_000_000_000}  # fmt: skip
        text = json.dumps({"type": "client", "client_id": grown}) + "\n" + json.dumps(line) + "\n"
        assert admin.run_with_input(server.data_dir, text, "clients", "import", "--yes").returncode == 0

        command = ("clients", "accept-diverged", "--all-with-one-replica-ahead")
        dry = admin.as_json(server.data_dir, *command, "--dry-run")
        assert dry["accepted"] == [clear] and not show(server, clear)["accepts_diverged"]
        assert "--yes" in admin.refusal(server.data_dir, *command, status=2)
        text = admin.succeed(server.data_dir, *command, "--dry-run")
        assert (
            f"{clear}: its replica would be accepted" in text
            and f"{two} is left out: its replicas are at 2 versions" in text
        )
        done = admin.as_json(server.data_dir, *command, "--yes")
        assert done["accepted"] == [clear] and show(server, clear)["accepts_diverged"]
        why = {entry["client_id"]: entry["why"] for entry in done["left_out"]}
        assert set(why) == {two, behind, foreign, grown, allowed}
        assert "older" in why[behind] and "another server" in why[foreign] and "grown" in why[grown]
        for client in (two, behind, foreign, grown):
            assert not show(server, client)["accepts_diverged"], why
        # The one that may does, once.
        assert wire.add_version(url, clear, self.ahead(9), b"all that it has").status == 200
        assert admin.as_json(server.data_dir, *command, "--yes")["accepted"] == []
        # Then a computer that knows less comes, though more than the backup that was restored.
        ask(clear, self.ahead(5))
        after_the_import = admin.as_json(server.data_dir, *command, "--yes")
        assert after_the_import["accepted"] == []
        assert "older" in {entry["client_id"]: entry["why"] for entry in after_the_import["left_out"]}[clear]

    def test_requires_a_client_or_all(self, server):
        """If this fails, a slip of the hand accepts every client."""
        assert "--all-with-one" in admin.refusal(server.data_dir, "clients", "accept-diverged", status=2)
        line = admin.refusal(
            server.data_dir, "clients", "accept-diverged", str(uuid.uuid4()), "--all-with-one-replica-ahead", status=2
        )
        assert "either" in line
