#!/usr/bin/env python3
"""Damage: every kind of file in a data directory removed, emptied, cut, changed, and exchanged for another; and the
reaction of the next starts, /health, reads and `verify`.

After any damage, one of these is right:

- the server refuses to start, names the file or directory, and changes nothing: with the file put back it starts and
  has everything;
- it starts and has everything;
- it starts and reports the loss: a read of missing data is an error and not an empty history, and `verify` or /health
  reports damage.

The worst case is none of these: acknowledged data is missing, readers get the answer that they are up to date, /health
says ok, and `verify` says that all is intact. The report has the table of outcomes.
"""

import re
import shutil
import time
import uuid
from pathlib import Path

from campaign import run

import admin
import wire
from model import Broken, Client, Connection, digest, payload
from process import Process
from support import wait_until

FLAGS = ("--memory-budget", "16M", "--disk-free-bytes-min", "0")
STILLNESS_S = 2.5
STILLNESS_TIMEOUT_S = 60
# RocksDB's own messages, without data; files that exist only while a process has the directory open; and the file that
# keeps room on the disk, which is empty.
UNIMPORTANT = re.compile(r"^(rocksdb/LOG.*|rocksdb/LOCK|admin\.sock|room\.log|reserve)$")
# Files that are damaged together.
GROUPS = (
    ("all table files", "rocksdb/*.sst"),
    ("all blob files", "rocksdb/*.blob"),
    ("all logs", "rocksdb/*.log"),
    ("all of rocksdb", "rocksdb/*"),
    ("CURRENT and all logs", ("rocksdb/CURRENT", "rocksdb/*.log")),
    ("CURRENT and the manifest", ("rocksdb/CURRENT", "rocksdb/MANIFEST-*")),
    (
        "all but FORMAT and table files",
        (
            "rocksdb/CURRENT",
            "rocksdb/MANIFEST-*",
            "rocksdb/*.log",
            "rocksdb/*.blob",
            "rocksdb/OPTIONS-*",
            "rocksdb/IDENTITY",
        ),
    ),
)


class Template:
    """A data directory with something in every kind of file, left by a server that was killed; and its clients."""

    def __init__(self, directory):
        self.directory = directory
        data = directory / "data"
        process = Process(data, directory / "template.log", FLAGS)
        self.clients = []
        try:
            connection = Connection(process.url)
            for part in ("tables", "log"):
                # Two backups, because a backup writes the memtable to a table file.
                for generation in range(2):
                    for number in range(3):
                        self.add_client(connection, f"{part} {generation} {number}")
                    if part == "tables":
                        admin.succeed(data, "backup", directory / "backups")
                    else:  # Older clients continue, so that their histories are in table files and in the log.
                        for client in self.clients[:6]:
                            self.extend(connection, client, f"more {generation}", 2)
            connection.close()
            # The server has noted its writes, as it does now and then: only an end that is not noted yet may be missing
            # from a log without a report.
            wait_until(lambda: is_settled(data), STILLNESS_TIMEOUT_S, "the data directory is still")
        finally:
            process.kill()
        self.files = files_of(data)

    def add_client(self, connection, name):
        client = Client(str(uuid.UUID(bytes=payload(name, 16), version=4)))
        self.clients.append(client)
        self.extend(connection, client, name, 4)

    def extend(self, connection, client, name, count):
        latest = client.pull(connection, wire.NIL_VERSION)
        for number, size in enumerate((100, 3000, 40_000, 500)[:count]):
            latest = client.append(connection, latest, payload(f"{name} {number}", size))
        client.store_snapshot(connection, latest, payload(f"snapshot {name}", 30_000))

    def copy(self, place):
        shutil.copytree(self.directory / "data", place, ignore=shutil.ignore_patterns("admin.sock", "reserve"))
        return place


def files_of(directory):
    """Every file that matters, by its path from the directory."""
    return sorted(
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() and not UNIMPORTANT.match(str(path.relative_to(directory)))
    )


def content_of(directory):
    return {name: (directory / name).read_bytes() for name in files_of(directory)}


def is_settled(directory):
    latest = max((directory / name).stat().st_mtime for name in files_of(directory))
    return time.time() - latest > STILLNESS_S


def kind_of(name):
    return re.sub(r"^.*\.(\w+)$", r"*.\1", re.sub(r"-?\d{6}", "", Path(name).name)) or name


# Kinds of damage: each changes a file, given the campaign and the names of others of its kind.
def remove(campaign, path, others):
    path.unlink()


def empty(campaign, path, others):
    path.write_bytes(b"")


def cut(campaign, path, others):
    data = path.read_bytes()
    path.write_bytes(data[: written_bytes(data) // 2])


def change(campaign, path, others):
    """One bit of the written part."""
    data = bytearray(path.read_bytes())
    if data:
        data[campaign.random.randrange(written_bytes(data))] ^= 1 << campaign.random.randrange(8)
    path.write_bytes(data)


def corrupt_block(campaign, path, others):
    """A block of the disk that went bad."""
    data = bytearray(path.read_bytes())
    if data:
        begin = campaign.random.randrange(written_bytes(data))
        data[begin : begin + 512] = campaign.random.randbytes(min(512, len(data) - begin))
    path.write_bytes(data)


def replace(campaign, path, others):
    """Another file of the same kind in its place, or of another kind where there is only one."""
    shutil.copyfile(campaign.random.choice(others), path)


def written_bytes(data):
    """Up to the last byte that is not zero: logs have their full length from the beginning."""
    return max(1, len(bytes(data).rstrip(b"\0")))


ACTIONS = (remove, empty, cut, change, corrupt_block, replace)


class Case:
    def __init__(self, campaign, template, directory, name, damage):
        self.campaign = campaign
        self.template = template
        self.directory = directory
        self.name = name
        self.data = template.copy(directory / "data")
        self.original = content_of(self.data)
        damage(self.data)
        self.damaged = content_of(self.data)

    def run(self):
        """The outcome: 'refused', 'whole', or the way in which the loss was reported."""
        first = self.start()
        # A second start, because it may wipe data that the first one had left: that has been seen.
        second = self.start()
        return first if first == second else f"{first}, then {second}"

    def start(self):
        before = content_of(self.data)
        process = Process(self.data, self.directory / "server.log", FLAGS)
        if process.url is None:
            return self.refused(process, before)
        try:
            missing, errors = self.missing_versions(process.url)
            reports = self.reports_of(process)
        finally:
            process.kill()
        if missing and not reports:
            raise Broken(
                f"{self.name}: {'; '.join(missing[:3])}: and neither verify nor /health says that anything is wrong"
            )
        if errors and not reports:
            raise Broken(
                f"{self.name}: {'; '.join(errors[:3])}: and neither verify nor /health says that anything is wrong"
            )
        if missing:
            return f"served in part, told by {reports}"
        if errors:
            return f"served with errors, told by {reports}"
        return f"whole, told by {reports}" if reports else "whole"

    def refused(self, process, before):
        lines = [line for line in process.output.splitlines() if line.strip()]
        if not lines or str(self.data) not in process.output:
            raise Broken(f"{self.name}: the refusal does not name the data directory: {process.output!r}")
        if process.status not in (1, 2):
            raise Broken(f"{self.name}: the server ended with status {process.status}: {process.output!r}")
        after = content_of(self.data)
        gone = [name for name in before if name not in after]
        if gone:
            raise Broken(f"{self.name}: a start that was refused removed {gone[:5]}")
        changed = [name for name in before if before[name] != after[name]]
        if changed:
            raise Broken(f"{self.name}: a start that was refused changed {changed[:5]}")
        self.check_restored_files()
        return "refused"

    def check_restored_files(self):
        """With the files put back, everything is there."""
        restored = self.directory / "cured"
        shutil.copytree(self.data, restored, ignore=shutil.ignore_patterns("admin.sock", "reserve"))
        for name, content in self.original.items():
            (restored / name).parent.mkdir(parents=True, exist_ok=True)
            (restored / name).write_bytes(content)
        process = Process(restored, self.directory / "cured.log", FLAGS)
        try:
            if process.url is None:
                raise Broken(f"{self.name}: with the file put back the server still refuses: {process.output}")
            missing, errors = self.missing_versions(process.url)
            if missing or errors:
                raise Broken(f"{self.name}: with the file put back, {(missing + errors)[:3]}")
        finally:
            process.kill()
            shutil.rmtree(restored)

    def missing_versions(self, url):
        """The missing versions of the template's clients, and the reads that are answered with an error."""
        missing, errors = [], []
        connection = Connection(url)
        for client in self.template.clients:
            parent_id = wire.NIL_VERSION
            while parent_id in client.acknowledged:
                version_id, hashed = client.acknowledged[parent_id]
                answer = connection.get_child(client.client_id, parent_id)
                if answer.status >= 500:
                    errors.append(f"{client.client_id}: {answer.status} behind {parent_id}")
                elif answer.status != 200:
                    missing.append(
                        f"{client.client_id}: {answer.status} behind {parent_id}, where {version_id} was acknowledged"
                    )
                    break
                elif (answer.headers["X-Version-Id"], digest(answer.body)) != (version_id, hashed):
                    raise Broken(f"{self.name}: {client.client_id}: wrong bytes behind {parent_id}")
                self.campaign.count("versions read")
                parent_id = version_id
            answer = connection.get_snapshot(client.client_id)
            if answer.status >= 500:
                errors.append(f"{client.client_id}: {answer.status} for the snapshot")
            elif answer.status != 200 or (answer.headers["X-Version-Id"], digest(answer.body)) != client.snapshots[-1]:
                known = (
                    answer.status == 200 and (answer.headers["X-Version-Id"], digest(answer.body)) in client.snapshots
                )
                if answer.status == 200 and not known:
                    raise Broken(f"{self.name}: {client.client_id}: a snapshot that was never sent")
                missing.append(f"{client.client_id}: its latest snapshot ({answer.status})")
        connection.close()
        return missing, errors

    def reports_of(self, process):
        """The commands and pages that report damage; '' when none does."""
        reports = []
        if wire.request(process.url, "GET", "/health").status != 200:
            reports.append("health")
        verified = admin.run(self.data, "verify")
        if verified.returncode == 1:
            reports.append("verify")
        elif verified.returncode != 0:
            raise Broken(f"{self.name}: verify ended with {verified.returncode}: {verified.stderr}")
        return " and ".join(reports)


def cases_of(template):
    """Each case: its name, and its damage to a data directory."""
    for name in template.files:
        for action in ACTIONS:
            yield f"{kind_of(name)}: {action.__name__}", (name, action)
    for group, patterns in GROUPS:
        yield f"{group}: remove", (patterns, None)


def damage_of(campaign, target):
    place, action = target

    def damage(data):
        if action is None:
            for pattern in (place,) if isinstance(place, str) else place:
                for path in data.glob(pattern):
                    path.unlink()
            return
        path = data / place
        others = [data / name for name in files_of(data) if name != place and kind_of(name) == kind_of(place)]
        action(campaign, path, others or [data / name for name in files_of(data) if name != place])

    return damage


def main(campaign):
    table = campaign.figures.setdefault("table", {})
    with campaign.round("the template") as template_directory:
        template = Template(template_directory)
        cases = list(cases_of(template))
        campaign.random.shuffle(cases)
        # Of each kind and action one first, so that a short run has them all.
        seen, others = {}, []
        for case in cases:
            if seen.setdefault(case[0], case) is not case:
                others.append(case)
        cases = [*seen.values(), *others]
        campaign.figures["kinds"] = sorted({kind_of(name) for name in template.files})
        done = 0
        while done < len(seen) or campaign.has_time_left():
            name, target = cases[done % len(cases)]
            done += 1
            with campaign.round(name) as directory:
                outcome = Case(campaign, template, directory, name, damage_of(campaign, target)).run()
                campaign.count(outcome)
                table.setdefault(name, {}).setdefault(outcome, 0)
                table[name][outcome] += 1
            if len(campaign.findings) >= 20:
                break


if __name__ == "__main__":
    run(__doc__, main)
