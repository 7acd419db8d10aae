"""Moving clients between servers, with histories that Taskwarrior sealed, whose version IDs must stay."""

import json
import signal
import subprocess

import pytest

import admin
import server as server_module
import wire
from support import wait_until


@pytest.fixture(params=["served", "alone"])
def settle(request):
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


def check_is_here(server, client):
    """A replica that comes here reads the same bytes, under the same IDs."""
    assert wire.history(server.url, client.client_id) == client.versions
    snapshot = wire.get_snapshot(server.url, client.client_id)
    assert snapshot.status == 200 and snapshot.body == client.snapshot
    assert snapshot.headers["X-Version-Id"] == client.snapshot_version_id


def ensure_running(server):
    if server.pid_or_none() is None:
        server.start()


class TestImport:
    def test_ids_and_bytes_stay(self, server, recorded, export_file, settle):
        """If this fails, replicas notice a move: they diverge, or cannot read what they get."""
        settle(server)
        totals = admin.as_json(server.data_dir, "clients", "import", export_file)
        assert totals == {"clients": 2, "versions_added": 4, "versions_present": 0, "snapshots_stored": 2}
        ensure_running(server)
        for client in recorded:
            check_is_here(server, client)
            # And they carry on.
            latest = client.versions[-1].version_id
            assert wire.add_version(server.url, client.client_id, latest).status == 200

    def test_again_is_harmless_but_asked_for(self, server, export_file, settle):
        """If this fails, an import that was cut short cannot be repeated."""
        settle(server)
        admin.succeed(server.data_dir, "clients", "import", export_file)
        assert "--yes" in admin.refusal(server.data_dir, "clients", "import", export_file, status=2)
        totals = admin.as_json(server.data_dir, "clients", "import", export_file, "--yes")
        assert totals == {"clients": 2, "versions_added": 0, "versions_present": 4, "snapshots_stored": 0}

    def test_from_standard_input_into_a_new_directory(self, tmp_path, recorded):
        """If this fails, moving to a new machine needs a server started and stopped first."""
        done = admin.run_with_input(tmp_path / "new", recorded[0].ndjson(), "clients", "import")
        assert done.returncode == 0, done.stderr
        listed = admin.as_lines(tmp_path / "new", "clients", "list")
        assert [client["client_id"] for client in listed] == [recorded[0].client_id]

    def test_bad_lines(self, server, recorded, tmp_path):
        """If this fails, a damaged file is imported in part, or nobody is told which line is damaged."""
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

    def test_a_history_that_differs(self, server, recorded):
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
    def test_an_import_says_what_is_left(self, server, recorded):
        """If this fails, Ctrl-C leaves a mess, or nobody knows what is here and what to do."""
        client = recorded[0]
        lines = [json.dumps(line) for line in client.lines()]
        # A line of another client that is a page by itself, so that the first client is sent and this one waits.
        filler = {**json.loads(lines[1]), "segment": "AAAA" * 300_000}
        other = {"type": "client", "client_id": "88888888-0000-4000-8000-000000000008"}
        with subprocess.Popen(
            admin.command_line(server.data_dir, "clients", "import"),
            env=server_module.environment(),
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
        check_is_here(server, client)
        assert admin.api(server, "GET", f"clients/{other['client_id']}")[0] == 404


class TestExport:
    def test_one_and_all_move_to_another_server(self, start_server, recorded, export_file, settle, tmp_path):
        """If this fails, an operator who moves loses clients."""
        source, target = start_server(), start_server()
        admin.succeed(source.data_dir, "clients", "import", export_file)
        settle(source), settle(target)
        one = tmp_path / "one.ndjson"
        admin.succeed(source.data_dir, "clients", "export", recorded[1].client_id[:8], "--output", one)
        admin.succeed(target.data_dir, "clients", "import", one)
        everything = admin.succeed(source.data_dir, "clients", "export", "--all")
        done = admin.run_with_input(target.data_dir, everything, "clients", "import", "--yes")
        assert done.returncode == 0, done.stderr
        ensure_running(target)
        for client in recorded:
            check_is_here(target, client)
        # Nothing is lost or changed on the way, not even the times.
        assert admin.succeed(target.data_dir, "clients", "export", "--all") == everything

    def test_large_clients_come_in_pages(self, start_server, settle, tmp_path):
        """If this fails, a large client does not fit through, or with a gap."""
        source, target = start_server(), start_server()
        client_id = "77777777-0000-4000-8000-000000000007"
        segment = bytes(range(256)) * 1600  # 400 KiB: three fill a page
        versions = admin.add_chain(source.url, client_id, 8, segment)
        assert wire.add_snapshot(source.url, client_id, versions[-1], segment * 4).status == 200
        status, _ = admin.api(source, "GET", "stats")
        assert status == 200
        page = wire.request(
            f"unix:{source.data_dir}/admin.sock", "GET", f"/v1/admin/clients/{client_id}/export"
        )
        assert page.headers["X-Next-Page"] and len(page.body) < 3 << 20
        wanted = wire.history(source.url, client_id)
        settle(source), settle(target)
        path = tmp_path / "large.ndjson"
        admin.succeed(source.data_dir, "clients", "export", client_id, "--output", path)
        assert path.stat().st_mode & 0o777 == 0o600
        admin.succeed(target.data_dir, "clients", "import", path)
        ensure_running(target)
        assert wire.history(target.url, client_id) == wanted
        assert wire.get_snapshot(target.url, client_id).body == segment * 4

    def test_what_is_refused(self, server, export_file, tmp_path):
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
