"""Moving clients between servers, with histories that Taskwarrior sealed, whose version IDs must stay."""

import json
import signal
import subprocess

import admin
import pytest
import wire
from support import REPOSITORY, wait_until

OLD_EXPORT = REPOSITORY / "tests" / "testdata" / "client-export-with-old-versions.jsonl"
DAY_S = 86_400

pytestmark = pytest.mark.usefixtures("each_storage")


@pytest.fixture(params=["served", "alone"])
def stop_if_offline(request):
    """Stops a server, in the run in which the commands are to find none."""
    return (lambda server: None) if request.param == "served" else lambda server: server.stop()


@pytest.fixture
def recorded():
    return admin.recorded_clients()


@pytest.fixture
def export_file(recorded, tmp_path):
    path = tmp_path / "clients.ndjson"
    path.write_text("".join(client.ndjson() for client in recorded), encoding="utf-8")
    return path


def check_imported(server, client):
    """A replica that comes here reads the same bytes, under the same IDs."""
    assert wire.history(server.url, client.client_id) == client.versions
    snapshot = wire.get_snapshot(server.url, client.client_id)
    assert snapshot.status == 200 and snapshot.body == client.snapshot
    assert snapshot.headers["X-Version-Id"] == client.snapshot_version_id


def ensure_running(server):
    if server.pid_or_none() is None:
        server.start()


class TestImport:
    def test_keeps_ids_and_bytes(self, server, recorded, export_file, stop_if_offline):
        """If this fails, replicas notice a move: they diverge, or cannot read their history."""
        stop_if_offline(server)
        totals = admin.as_json(server.data_dir, "clients", "import", export_file)
        assert totals == {"clients": 2, "versions_added": 4, "versions_present": 0, "snapshots_stored": 2}
        ensure_running(server)
        for client in recorded:
            check_imported(server, client)
            # And they still sync.
            latest = client.versions[-1].version_id
            assert wire.add_version(server.url, client.client_id, latest).status == 200

    def test_repeating_an_import_changes_nothing_and_needs_a_flag(self, server, export_file, stop_if_offline):
        """If this fails, an import that was cut short cannot be repeated."""
        stop_if_offline(server)
        admin.succeed(server.data_dir, "clients", "import", export_file)
        assert "--yes" in admin.refusal(server.data_dir, "clients", "import", export_file, status=2)
        totals = admin.as_json(server.data_dir, "clients", "import", export_file, "--yes")
        assert totals == {"clients": 2, "versions_added": 0, "versions_present": 4, "snapshots_stored": 0}

    def test_imports_standard_input_into_a_new_directory(self, tmp_path, recorded):
        """If this fails, moving to a new machine needs a server started and stopped first."""
        done = admin.run_with_input(tmp_path / "new", recorded[0].ndjson(), "clients", "import")
        assert done.returncode == 0, done.stderr
        listed = admin.as_lines(tmp_path / "new", "clients", "list")
        assert [client["client_id"] for client in listed] == [recorded[0].client_id]

    def test_malformed_lines_are_refused_by_number(self, server, recorded, tmp_path):
        """If this fails, a damaged file is imported in part, or the message does not name the damaged line."""
        lines = [json.dumps(line) for line in recorded[0].lines()]
        version = json.loads(lines[1])
        other_id = "99999999-0000-4000-8000-000000000009"
        for number, bad, text in (
            (1, "{", "JSON object"),
            (1, json.dumps({**json.loads(lines[0]), "client_id": "me"}), "client_id"),
            (1, json.dumps({**json.loads(lines[0]), "client_id": wire.NIL_VERSION}), "nil"),
            (2, json.dumps({**version, "segment": "*"}), "base64"),
            (2, json.dumps({**version, "segment": ""}), "empty"),
            (2, json.dumps({**version, "color": "red"}), "color"),
            (2, json.dumps({**version, "type": "varsion"}), "varsion"),
            (2, json.dumps({key: value for key, value in version.items() if key != "version_id"}), "version_id"),
            (2, json.dumps({**version, "version_id": other_id}), other_id),
        ):
            path = tmp_path / "bad.ndjson"
            path.write_text("\n".join([*lines[: number - 1], bad, *lines[number:]]), encoding="utf-8")
            line = admin.refusal(server.data_dir, "clients", "import", path)
            # The chain of the last one breaks at the line behind it.
            assert f"Line {3 if bad.count(other_id) else number} " in line and text in line, line
            assert admin.as_lines(server.data_dir, "clients", "list") == []
        status, answer = admin.api(server, "POST", "import", "\n".join(lines[1:]))
        assert status == 400 and "client line" in answer["error"]

    def test_a_different_history_is_refused(self, server, recorded):
        """If this fails, an import mixes two histories of one client, and its replicas lose tasks."""
        client = recorded[0]
        assert wire.add_version(server.url, client.client_id, segment=b"another history").status == 200
        before = wire.history(server.url, client.client_id)
        status, answer = admin.api(server, "POST", "import", client.ndjson())
        assert status == 409
        assert answer["latest_version_id"] == before[-1].version_id
        assert answer["first_version_id"] == client.versions[0].version_id
        assert wire.history(server.url, client.client_id) == before
        assert wire.get_snapshot(server.url, client.client_id).status == 404


class TestInterruption:
    def test_an_interrupted_import_names_the_remaining_clients(self, server, recorded):
        """If this fails, an operator does not know which clients an interrupted import stored, or how to continue."""
        client = recorded[0]
        lines = [json.dumps(line) for line in client.lines()]
        # A line of another client that is a page by itself, so that the first client is sent and this one waits.
        filler = {**json.loads(lines[1]), "segment": "AAAA" * 300_000}
        other = {"type": "client", "client_id": "88888888-0000-4000-8000-000000000008"}
        with subprocess.Popen(
            admin.command_line(server.data_dir, "clients", "import"),
            env=admin.environment(server.data_dir),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                process.stdin.write("\n".join([*lines, json.dumps(other), json.dumps(filler)]) + "\n")
                process.stdin.flush()
                wait_until(
                    lambda: admin.api(server, "GET", f"clients/{client.client_id}")[0] == 200, 60, "a page is stored"
                )
                process.send_signal(signal.SIGINT)
                assert process.wait(60) == 130
                error = process.stderr.read()
            finally:
                process.kill()
        assert "interrupted" in error and "1 client" in error and "again" in error
        check_imported(server, client)
        assert admin.api(server, "GET", f"clients/{other['client_id']}")[0] == 404


class TestExport:
    def test_one_and_all_move_to_another_server(self, start_server, recorded, export_file, stop_if_offline, tmp_path):
        """If this fails, an operator who moves loses clients."""
        source, target = start_server(), start_server()
        admin.succeed(source.data_dir, "clients", "import", export_file)
        stop_if_offline(source), stop_if_offline(target)
        one = tmp_path / "one.ndjson"
        admin.succeed(source.data_dir, "clients", "export", recorded[1].client_id[:8], "--output", one)
        admin.succeed(target.data_dir, "clients", "import", one)
        everything = admin.succeed(source.data_dir, "clients", "export", "--all")
        done = admin.run_with_input(target.data_dir, everything, "clients", "import", "--yes")
        assert done.returncode == 0, done.stderr
        ensure_running(target)
        for client in recorded:
            check_imported(target, client)
        # Nothing is lost or changed on the way, not even the times.
        assert admin.succeed(target.data_dir, "clients", "export", "--all") == everything

    def test_a_large_client_is_exported_in_pages(self, start_server, stop_if_offline, tmp_path):
        """If this fails, a large client does not fit through, or with a gap."""
        source, target = start_server(), start_server()
        client_id = "77777777-0000-4000-8000-000000000007"
        segment = bytes(range(256)) * 1600  # 400 KiB: three fill a page
        versions = admin.add_chain(source.url, client_id, 8, segment)
        assert wire.add_snapshot(source.url, client_id, versions[-1], segment * 4).status == 200
        status, _ = admin.api(source, "GET", "stats")
        assert status == 200
        page = wire.request(f"unix:{source.data_dir}/admin.sock", "GET", f"/v1/admin/clients/{client_id}/export")
        assert page.headers["X-Next-Page"] and len(page.body) < 3 << 20
        wanted = wire.history(source.url, client_id)
        stop_if_offline(source), stop_if_offline(target)
        path = tmp_path / "large.ndjson"
        admin.succeed(source.data_dir, "clients", "export", client_id, "--output", path)
        assert path.stat().st_mode & 0o777 == 0o600
        admin.succeed(target.data_dir, "clients", "import", path)
        ensure_running(target)
        assert wire.history(target.url, client_id) == wanted
        assert wire.get_snapshot(target.url, client_id).body == segment * 4

    def test_invalid_exports_are_refused(self, server, export_file, tmp_path):
        """If this fails, a failed export looks like a good one, or takes a file's place."""
        admin.succeed(server.data_dir, "clients", "import", export_file)
        export = ("clients", "export")
        assert "--all" in admin.refusal(server.data_dir, *export, status=2)
        assert "--all" in admin.refusal(server.data_dir, *export, "11111111", "--all", status=2)
        output = tmp_path / "missing" / "out.ndjson"
        assert str(output) in admin.refusal(server.data_dir, *export, "--all", "--output", output)
        kept = tmp_path / "kept.ndjson"
        kept.write_text("an older export", encoding="utf-8")
        unknown = "0f0f0f0f-0000-4000-8000-000000000001"
        assert unknown in admin.refusal(server.data_dir, *export, unknown, "--output", kept)
        assert kept.read_text(encoding="utf-8") == "an older export"
        assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def lines_of(data_dir, *arguments):
    return [json.loads(line) for line in admin.succeed(data_dir, "clients", "export", *arguments).splitlines()]


class TestReplicaPositions:
    def test_an_export_without_positions_strands_no_replica(self, start_server, stop_if_offline):
        """If this fails, a computer that was seen yesterday in the old house cannot sync in the new one.

        The file does not say where replicas are, so they may be at the oldest version.
        """
        server = start_server()
        stop_if_offline(server)
        totals = admin.as_json(server.data_dir, "clients", "import", OLD_EXPORT)
        assert (totals["versions_added"], totals["snapshots_stored"]) == (10, 1)
        admin.succeed(server.data_dir, "prune", "--retention-versions", "1", "--yes")
        ensure_running(server)
        client = json.loads(OLD_EXPORT.read_text(encoding="utf-8").splitlines()[0])["client_id"]
        assert len(wire.history(server.url, client)) == 10

    def test_positions_of_replicas_are_transferred(self, start_server, stop_if_offline):
        """If this fails, the new house's retention strands a computer, or keeps useless versions for ever."""
        source, target = start_server(), start_server()
        old_file = OLD_EXPORT.read_text(encoding="utf-8").splitlines()
        versions = [json.loads(line) for line in old_file if '"version"' in line and "number" in line]
        client = json.loads(old_file[0])["client_id"]
        day = 1_795_737_600  # any day, and not today
        replicas = {
            "type": "replicas",
            "positions": [{"day": day, "version_id": versions[4]["version_id"]}],
            "ahead": [{"version_id": "00000000-000f-8000-8000-000000000001", "last_seen": day + 17}],
            "accepts_diverged": True,
        }
        first_line = json.dumps({**json.loads(old_file[0]), "replicas_follow": True})
        stop_if_offline(source), stop_if_offline(target)
        done = admin.run_with_input(
            source.data_dir, "\n".join([first_line, *old_file[1:], json.dumps(replicas)]), "clients", "import"
        )
        assert done.returncode == 0, done.stderr
        exported = lines_of(source.data_dir, client[:8])
        assert exported[-1] == replicas
        # And on, without a loss.
        text = admin.succeed(source.data_dir, "clients", "export", "--all")
        assert admin.run_with_input(target.data_dir, text, "clients", "import").returncode == 0
        assert admin.succeed(target.data_dir, "clients", "export", "--all") == text
        shown = admin.as_json(target.data_dir, "clients", "show", client)
        assert shown["last_seen"] == day and shown["accepts_diverged"]
        assert shown["replicas_ahead"] == [{**replicas["ahead"][0], "place": "ahead"}]
        assert shown["created"] == json.loads(old_file[0])["created"]
        # Up to where a replica was, within the days that count: older versions go, and nothing else.
        admin.succeed(target.data_dir, "prune", "--retention-versions", "1", "--replica-seen-days", "36500", "--yes")
        left = [line["version_id"] for line in lines_of(target.data_dir, client) if line["type"] == "version"]
        assert left == [version["version_id"] for version in versions[4:]]

    def test_a_recent_replica_continues_on_the_new_server(self, start_server, user, new_replica):
        """If this fails, moving between servers costs a user a computer's unsynced tasks."""
        source, target = start_server("--snapshot-versions", "1"), start_server()
        laptop, desktop = new_replica(source.url, user), new_replica(source.url, user)
        laptop.add("Buy milk")
        laptop.sync()
        desktop.sync()  # and is seen here, at the first version
        for number in range(3):
            laptop.add(f"Task {number}")
            laptop.sync()
        lines = lines_of(source.data_dir, "--all")
        for line in lines:
            if line["type"] == "version":
                line["appended"] -= 400 * DAY_S  # useless, by their age alone
        (snapshot,) = [line["version_id"] for line in lines if line["type"] == "snapshot"]
        assert snapshot == [line["version_id"] for line in lines if line["type"] == "version"][-1]
        moved = "".join(json.dumps(line) + "\n" for line in lines)
        assert admin.run_with_input(target.data_dir, moved, "clients", "import").returncode == 0
        laptop.use_server(target.url, user)
        laptop.add("In the new house")
        laptop.sync()
        admin.succeed(target.data_dir, "prune", "--retention-versions", "0", "--retention-days", "1", "--yes")
        desktop.use_server(target.url, user)
        desktop.add("From the desktop")
        desktop.sync()
        laptop.sync()
        assert laptop.export() == desktop.export() and len(laptop.export()) == 6


class TestAccessRecords:
    def test_a_full_export_carries_all_access_records(self, start_server, stop_if_offline, recorded, export_file):
        """If this fails, banned clients come back on the new server, and tokens protect no client any more."""
        source, target = start_server("--invite-only"), start_server("--invite-only")
        admin.succeed(source.data_dir, "clients", "import", export_file)
        banned, with_token = (client.client_id for client in recorded)
        stranger = "99999999-0000-4000-8000-00000000000a"
        admin.succeed(source.data_dir, "clients", "ban", banned, "--reason", "fills the disk")
        admin.run(source.data_dir, "clients", "ban", stranger)
        token = admin.as_json(source.data_dir, "clients", "reset-token", with_token)["path"]
        invite = admin.as_json(source.data_dir, "invites", "create", "--label", "for Ann", "--uses", "2")["path"]
        stop_if_offline(source)
        text = admin.succeed(source.data_dir, "clients", "export", "--all")
        # As digests: the file opens nothing.
        assert token.split("/")[-1] not in text and invite.split("/")[-1] not in text
        kinds = [json.loads(line)["type"] for line in text.splitlines()]
        assert (kinds.count("ban"), kinds.count("token"), kinds.count("invite")) == (2, 1, 1)
        stop_if_offline(target)
        done = admin.run_with_input(target.data_dir, text, "clients", "import", "--json")
        totals = json.loads(done.stdout)
        assert (totals["bans_added"], totals["tokens_added"], totals["invites_added"]) == (2, 1, 1)
        ensure_running(target)

        def status(client_id, prefix=""):
            path = f"{prefix}/v1/client/get-child-version/{wire.NIL_VERSION}"
            return wire.request(target.url, "GET", path, client_id).status

        assert (status(banned), status(stranger)) == (403, 403)
        assert (status(with_token), status(with_token, token)) == (403, 200)
        new_id = "99999999-0000-4000-8000-00000000000b"
        path = f"/v1/client/add-version/{wire.NIL_VERSION}"
        for prefix, expected in (("", 403), (invite, 200)):
            answer = wire.request(target.url, "POST", prefix + path, new_id, b"segment", wire.SEGMENT_TYPE)
            assert answer.status == expected
        # Again: decisions that were made here since stay.
        admin.succeed(target.data_dir, "clients", "reset-token", with_token)
        done = admin.run_with_input(target.data_dir, text, "clients", "import", "--yes", "--json")
        assert json.loads(done.stdout)["tokens_added"] == 0
        assert status(with_token, token) == 403
        (left,) = admin.as_lines(target.data_dir, "invites", "list")
        assert left["uses"] == 1 and left["label"] == "for Ann"

    def test_an_export_of_one_client_carries_its_access_records(self, start_server, recorded, export_file):
        """If this fails, a client that moves alone loses its token, or takes others' along."""
        source = start_server()
        admin.succeed(source.data_dir, "clients", "import", export_file)
        one, other = (client.client_id for client in recorded)
        for client_id in (one, other):
            admin.succeed(source.data_dir, "clients", "reset-token", client_id)
        admin.succeed(source.data_dir, "invites", "create")
        lines = lines_of(source.data_dir, one)
        assert [line["client_id"] for line in lines if line["type"] == "token"] == [one]
        assert other not in json.dumps(lines) and "invite" not in [line["type"] for line in lines]

    def test_malformed_access_lines_are_refused(self, server, tmp_path):
        """If this fails, a damaged line admits a stranger, or a token in the place of its digest is shown."""
        client_id = "99999999-0000-4000-8000-00000000000c"
        token = "dfc3dd1a8a0115b69b32adda57d7878e"
        for line, text in (
            ({"type": "ban"}, "client_id"),
            ({"type": "ban", "client_id": client_id, "reason": "two\nlines"}, "one line"),
            ({"type": "token", "client_id": client_id}, "digest"),
            ({"type": "token", "client_id": client_id, "digest": token}, "32 characters"),
            ({"type": "invite", "digest": "z" * 64}, "hexadecimal"),
            ({"type": "invite", "digest": "a" * 64, "uses": -1}, "uses"),
            ({"type": "replicas", "positions": []}, "client line"),
            ({"type": token}, "there are client"),
        ):
            path = tmp_path / "bad.ndjson"
            path.write_text(json.dumps(line), encoding="utf-8")
            refusal = admin.refusal(server.data_dir, "clients", "import", path)
            assert "Line 1 " in refusal and text in refusal, refusal
            assert token not in refusal
        assert admin.as_lines(server.data_dir, "invites", "list") == []
        assert admin.as_lines(server.data_dir, "clients", "list", "--banned") == []
