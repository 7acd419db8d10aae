"""Data that an operator gets out of a damaged data directory: every kind of file removed, cut, emptied and flipped.

`clients export --all --skip-damaged` is for a server that starts; `salvage` for one that does not. Neither may pass off
a part of a history as the whole of it, and salvage may not change a byte of its input.
"""

import hashlib
import json
import os
import shutil
import uuid

import admin
import pytest
import wire

SMALL, INLINE_MAX, LARGE = 500, 10_000, 90_000
CLIENTS = 12


def digest_of(directory):
    """Every file with its content; links and directories by their names."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(directory.rglob("*"))
    }


def histories_in(text):
    """The content of an export: client ID -> the segments in their order, and the snapshot."""
    found = {}
    client_id = None
    for line in map(json.loads, text.splitlines()):
        if line["type"] == "client":
            client_id = line["client_id"]
            found.setdefault(client_id, [])
        elif line["type"] in ("version", "snapshot"):
            found[client_id].append((line["version_id"], line.get("segment") or line.get("snapshot")))
    return found


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A data directory whose clients are in table files, in blob files and in the log; and their histories."""
    directory = tmp_path_factory.mktemp("original")
    data_dir, clients = directory / "data", [str(uuid.uuid4()) for _ in range(CLIENTS)]
    lines = []
    for number, client_id in enumerate(clients):
        lines.append({"type": "client", "client_id": client_id})
        parent = wire.NIL_VERSION
        for size in (SMALL, INLINE_MAX, LARGE if number % 3 == 0 else SMALL, SMALL):
            version_id = str(uuid.uuid4())
            segment = admin.base64.b64encode(os.urandom(size)).decode()
            lines.append({"type": "version", "version_id": version_id, "parent_version_id": parent,
                          "segment": segment})  # fmt: skip
            parent = version_id
        if number % 4 == 0:
            snapshot = admin.base64.b64encode(os.urandom(LARGE)).decode()
            lines.append({"type": "snapshot", "version_id": parent, "snapshot": snapshot})

    def add(some):
        text = "".join(json.dumps(line) + "\n" for line in some)
        done = admin.run_with_input(data_dir, text, "clients", "import", "--yes")
        assert done.returncode == 0, done.stderr

    # A start writes the log of the last one to a table file, so that the last part is in the log.
    half = next(i for i, line in enumerate(lines) if line.get("client_id") == clients[CLIENTS // 2])
    last = next(i for i, line in enumerate(lines) if line.get("client_id") == clients[CLIENTS - 2])
    for part in (lines[:half], lines[half:last], lines[last:]):
        add(part)
    names = [path.name for path in (data_dir / "rocksdb").iterdir()]
    for end in (".sst", ".blob", ".log"):
        assert any(name.endswith(end) for name in names), names
    return data_dir, histories_in("".join(json.dumps(line) + "\n" for line in lines))


def flip(path):
    damaged = bytearray(path.read_bytes())
    # In the middle of the written part: a log has zeros at its end.
    end = len(damaged.rstrip(b"\0")) or len(damaged)
    damaged[end // 2] ^= 0xFF
    path.write_bytes(damaged)


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content.rstrip(b"\0")) // 2])


KINDS = {"CURRENT": "CURRENT", "manifest": "MANIFEST-*", "identity": "IDENTITY", "options": "OPTIONS-*",
         "table": "*.sst", "blob": "*.blob", "log": "*.log"}  # fmt: skip
DAMAGES = {
    "removed": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": cut,
    "flipped": flip,
}
# Nothing of the data is in them.
NEEDLESS = ("identity", "options")


def damage(data_dir, kind, how, which):
    """Does that to the first or to every file of the kind."""
    paths = sorted((data_dir / "rocksdb").glob(KINDS[kind]))
    for path in paths[:1] if which == "one" else paths:
        DAMAGES[how](path)


class TestSalvage:
    @pytest.mark.parametrize("how", DAMAGES)
    @pytest.mark.parametrize("kind", KINDS)
    def test_salvages_the_rest_after_losing_any_file(self, original, tmp_path, kind, how):
        """If this fails, one lost file loses all users' histories, or part of a history passes for the whole."""
        intact, histories = original
        for which in ("one", "all") if kind in ("table", "blob") else ("all",):
            data_dir, output = tmp_path / f"{which}-data", tmp_path / f"{which}.jsonl"
            shutil.copytree(intact, data_dir)
            damage(data_dir, kind, how, which)
            before = digest_of(data_dir)
            done = admin.run(tmp_path / "none", "salvage", data_dir, "--output", output, "--json")
            assert digest_of(data_dir) == before, "salvage changed the directory"
            assert not list(tmp_path.glob("*.part"))
            if done.returncode == 1 and not done.stdout:
                # With nothing to read there is nothing to save, which must not look like an empty success.
                assert which == "all" and kind == "table" and not output.exists(), done.stderr
                continue
            report = json.loads(done.stdout)
            found = histories_in(output.read_text(encoding="utf-8"))
            skipped = {entry["client_id"] for entry in report["skipped"]}
            assert len(found) == report["clients"] and not skipped & set(found)
            for client_id, history in found.items():
                # Whole, or as it was at some earlier time: with no gap, and not a byte that is another.
                assert history == histories[client_id][: len(history)] or set(history) <= set(histories[client_id])
                ids = [version_id for version_id, _segment in history]
                original_ids = [version_id for version_id, _segment in histories[client_id]]
                assert ids[: len(set(ids))] == original_ids[: len(set(ids))], "a gap"
            if kind in NEEDLESS:
                assert done.returncode == 0 and found == histories
            else:
                assert done.returncode == 1 and (report["damage"] or report["skipped"]), report
            if kind == "log" and how != "flipped":
                # Only the server's marks tell that something was in a log that is gone or shorter.
                assert len(found) >= CLIENTS - 2 and "the log is damaged" in str(report["damage"])
            if kind in ("CURRENT", "manifest"):
                assert found == histories, "without bookkeeping everything can still be read"
            elif which == "one" or kind == "log":
                assert found, "one file is not everything"
            # The cure: the saved part can be imported, and is whole there.
            if found:
                fresh = tmp_path / f"{which}-fresh"
                admin.succeed(fresh, "clients", "import", output)
                verified = admin.as_json(fresh, "verify")
                assert verified["clients"] == len(found) and verified["problems"] == []

    def test_an_intact_directory_is_salvaged_completely(self, original, tmp_path):
        """If this fails, salvage finds damage where there is none."""
        intact, histories = original
        before = digest_of(intact)
        output = tmp_path / "out.jsonl"
        text = admin.succeed(tmp_path / "none", "salvage", intact, "--output", output)
        assert f"{CLIENTS} clients" in text and "damage" not in text
        assert histories_in(output.read_text(encoding="utf-8")) == histories and digest_of(intact) == before

    def test_a_backup_completes_the_salvaged_data(self, original, tmp_path):
        """If this fails, the way back that the documentation describes does not lead back."""
        intact, histories = original
        data_dir, backups, fresh = tmp_path / "data", tmp_path / "backups", tmp_path / "fresh"
        shutil.copytree(intact, data_dir)
        admin.succeed(data_dir, "backup", backups)
        damage(data_dir, "blob", "removed", "all")
        done = admin.run(tmp_path / "none", "salvage", data_dir, "--output", tmp_path / "out", "--json")
        skipped = [entry["client_id"] for entry in json.loads(done.stdout)["skipped"]]
        assert 0 < len(skipped) < CLIENTS
        admin.succeed(fresh, "clients", "import", tmp_path / "out")
        for client_id in skipped:
            admin.succeed(fresh, "clients", "restore", client_id, "--from", backups, "--yes")
        assert histories_in(admin.succeed(fresh, "clients", "export", "--all")) == histories
        assert admin.as_json(fresh, "verify")["problems"] == []

    def test_impossible_salvages_are_refused(self, server, original, tmp_path):
        """If this fails, salvage reads files that a server is writing, or its message does not help."""
        output = tmp_path / "out.jsonl"
        nowhere = tmp_path / "none"
        assert "--output" in admin.refusal(nowhere, "salvage", server.data_dir, status=2)
        assert "stop the server" in admin.refusal(nowhere, "salvage", server.data_dir, "--output", output)
        assert "restore" in admin.refusal(nowhere, "salvage", tmp_path, "--output", output)
        output.write_text("mine", encoding="utf-8")
        assert "exists already" in admin.refusal(nowhere, "salvage", original[0], "--output", output)
        assert output.read_text(encoding="utf-8") == "mine"

    def test_a_lost_format_file_is_salvaged_without_leftovers(self, original, tmp_path):
        """If this fails, a lost FORMAT loses everything, or each salvage leaves a copy behind."""
        data_dir, temporary = tmp_path / "data", tmp_path / "temporary"
        shutil.copytree(original[0], data_dir)
        temporary.mkdir()
        (data_dir / "FORMAT").unlink()
        done = admin.run(
            tmp_path / "none", "salvage", data_dir, "--output", tmp_path / "out", "--json", TMPDIR=str(temporary)
        )
        assert done.returncode == 1 and "FORMAT" in done.stdout and not any(temporary.iterdir())
        assert histories_in((tmp_path / "out").read_text(encoding="utf-8")) == original[1]
        (data_dir / "FORMAT").write_text("tcsync storage format 99\n", encoding="utf-8")
        assert "99" in admin.refusal(tmp_path / "none", "salvage", data_dir, "--output", tmp_path / "other")


class TestSkipDamaged:
    @pytest.fixture
    def damaged(self, original, tmp_path):
        """A directory that a server starts with, in which a blob file lost a bit."""
        data_dir = tmp_path / "data"
        shutil.copytree(original[0], data_dir)
        damage(data_dir, "blob", "flipped", "all")
        return data_dir

    def test_one_damaged_record_does_not_block_the_others(self, damaged, original, tmp_path):
        """If this fails, a server with one bad sector cannot be left, or is left with parts that pass for wholes."""
        output = tmp_path / "all.jsonl"
        line = admin.refusal(damaged, "clients", "export", "--all", "--output", output)
        named = {client_id for client_id in original[1] if client_id in line}
        assert len(named) == 1 and "--skip-damaged" in line and not output.exists(), line

        done = admin.run(damaged, "clients", "export", "--all", "--skip-damaged", "--output", output)
        assert done.returncode == 1
        *skips, summary = done.stderr.splitlines()
        skipped = {skip.split()[1].rstrip(":") for skip in skips}
        assert skips and all(skip.startswith("skipped ") for skip in skips) and named <= skipped
        found = histories_in(output.read_text(encoding="utf-8"))
        assert found == {client_id: history for client_id, history in original[1].items() if client_id not in skipped}
        assert f"{len(skipped)} client" in summary and f"{len(found)} clients exported" in summary

        to_standard_output = admin.run(damaged, "clients", "export", "--all", "--skip-damaged")
        assert to_standard_output.returncode == 1
        assert histories_in(to_standard_output.stdout) == found
        fresh = tmp_path / "fresh"
        admin.succeed(fresh, "clients", "import", output)
        assert admin.as_json(fresh, "verify")["problems"] == []

    def test_skips_damaged_records_of_a_running_server(self, damaged, start_server, tmp_path):
        """If this fails, the way out of a damaged server needs it stopped."""
        server = start_server(data_dir=damaged)
        done = admin.run(server.data_dir, "clients", "export", "--all", "--skip-damaged", "--output", tmp_path / "out")
        assert done.returncode == 1 and histories_in((tmp_path / "out").read_text(encoding="utf-8"))

    def test_an_undamaged_export_succeeds(self, original, tmp_path):
        """If this fails, scripts take a good export for a bad one."""
        data_dir = tmp_path / "data"
        shutil.copytree(original[0], data_dir)
        text = admin.succeed(data_dir, "clients", "export", "--all", "--skip-damaged")
        assert histories_in(text) == original[1]
        line = admin.refusal(data_dir, "clients", "export", next(iter(original[1])), "--skip-damaged", status=2)
        assert "--all" in line
