#!/usr/bin/env python3
"""Power cuts: a server runs under a recorder of its system calls; then images of the disk are made as a power cut could have
left it at many moments, and on each one the server must start and have every version that was acknowledged before.

An image has the synced bytes of each file, and a part of the later writes: none, all, or some of them, the last one
torn in the middle. Changes of names (files created, renamed, removed) are there when their directory was synced, and
the first few of the later ones, because file systems keep their order. POSIX promises that much. File systems with a
journal, in every other run, promise more: a sync brings along all names that were changed before.
"""

import os
import shutil
import struct

from campaign import Missing, run

import admin
import wire
from model import Broken, Client, Connection, payload
from process import Process
from server import Server

FLAGS = ("--memory-budget", "16M", "--disk-free-bytes-min", "0", "--client-requests-per-second", "0",
         "--address-requests-per-second", "0", "--new-clients-per-address-day", "0")  # fmt: skip
RECORD = struct.Struct("=IIQQQ")
OPEN, WRITE, TRUNCATE, GROW, SYNC, SYNC_DIRECTORY, RENAME, UNLINK, LINK, MAKE_DIRECTORY, REMOVE_DIRECTORY = range(1, 12)
SECTOR = 512
IMAGES_PER_RUN = 25


class File:
    """The bytes of one file as they are on the disk for certain, and the changes since."""

    def __init__(self):
        self.synced = bytearray()
        self.later = []  # (kind, offset, data)

    def sync(self):
        for operation in self.later:
            apply(self.synced, *operation)
        self.later = []

    def after(self, random):
        """As a power cut may leave it."""
        data = bytearray(self.synced)
        chance = random.choice((0, 0, 0.5, 1, 1))
        for operation in self.later:
            kind, offset, written = operation
            if random.random() >= chance:
                continue
            if kind == WRITE and random.random() < 0.3:
                # Torn where the disk's sectors end, perhaps with older bytes behind that.
                end = random.randrange(len(written) + 1)
                end = max(0, (offset + end) // SECTOR * SECTOR - offset)
                written = written[:end]
            apply(data, kind, offset, written)
        return data


def apply(data, kind, offset, written):
    if kind == WRITE:
        if len(data) < offset:
            data.extend(bytes(offset - len(data)))
        data[offset : offset + len(written)] = written
    elif kind == GROW:
        if len(data) < offset:
            data.extend(bytes(offset - len(data)))
    elif offset < len(data):
        del data[offset:]
    else:
        data.extend(bytes(offset - len(data)))


class Disk:
    """Everything below one directory, replayed from a record."""

    def __init__(self, root, has_journal):
        self.root = str(root)
        self.has_journal = has_journal
        self.files = {}  # inode -> File
        self.names = {}  # path -> inode; None for a directory. For certain.
        self.current = {}  # the same as the process sees it
        self.later = []  # changes of names that are not certain: (path, inode, None, "gone" or a renaming)

    def relative(self, path):
        return os.path.relpath(path, self.root)

    def name(self, path, inode):
        self.current[path] = inode
        self.later.append((path, inode))

    def unname(self, path):
        self.current.pop(path, None)
        self.later.append((path, "gone"))

    def replay(self, kind, path, data, inode, offset):
        if kind == OPEN:
            if self.current.get(path) != inode or inode not in self.files:
                # A number of an inode is given again when its file is gone.
                if inode not in self.current.values():
                    self.files[inode] = File()
                self.name(path, inode)
            if offset:
                self.files[inode].later.append((TRUNCATE, 0, b""))
        elif kind in (WRITE, TRUNCATE, GROW):
            self.files.setdefault(inode, File()).later.append((kind, offset, data))
        elif kind == SYNC:
            self.files.setdefault(inode, File()).sync()
            if self.has_journal:
                self.settle_later(lambda name: True)
        elif kind == SYNC_DIRECTORY:
            self.settle_later(lambda name: self.has_journal or os.path.dirname(name) == path)
        elif kind == RENAME:
            inode = self.current.get(path)
            # One step, which is done or not: the same directory's, as all of ours are.
            target = data.decode()
            moved = [name for name in self.current if name == path or name.startswith(path + "/")]
            for name in moved:
                self.current[target + name[len(path) :]] = self.current.pop(name)
            self.later.append((target, ("renamed", path, inode)))
        elif kind == LINK:
            self.name(data.decode(), self.current.get(path))
        elif kind in (UNLINK, REMOVE_DIRECTORY):
            self.unname(path)
        elif kind == MAKE_DIRECTORY:
            self.name(path, None)

    def settle_later(self, is_settled):
        for change in self.later:
            if is_settled(change[0]):
                self.settle(self.names, *change)
        self.later = [change for change in self.later if not is_settled(change[0])]

    @staticmethod
    def settle(names, path, change):
        if change == "gone":
            names.pop(path, None)
        elif isinstance(change, tuple):
            _, old, inode = change
            below = [name for name in names if name.startswith(old + "/")]
            for name in below:
                names[path + name[len(old) :]] = names.pop(name)
            names.pop(old, None)
            names[path] = inode
        else:
            names[path] = change

    def image(self, place, random):
        """Writes a directory as a power cut at this moment may leave it."""
        names = dict(self.names)
        count = random.choice((0, len(self.later), random.randint(0, len(self.later))))
        for change in self.later[:count]:
            self.settle(names, *change)
        place.mkdir(parents=True)
        for path, inode in sorted(names.items()):
            target = place / self.relative(path)
            if not target.parent.is_dir():
                continue  # its directory did not survive
            if inode is None:
                target.mkdir(exist_ok=True)
            elif inode in self.files:
                write_sparse(target, self.files[inode].after(random))


def write_sparse(path, data):
    with open(path, "wb") as file:
        written = len(data.rstrip(b"\0"))
        file.write(data[:written])
        file.truncate(len(data))


class Record:
    def __init__(self, path):
        self._data = path.read_bytes()

    def __len__(self):
        return len(self._data)

    def between(self, begin, end):
        """The records that are whole between two positions; returns them with the position behind each."""
        position = begin
        while position + RECORD.size <= end:
            kind, path_bytes, data_bytes, inode, offset = RECORD.unpack_from(self._data, position)
            path_begin = position + RECORD.size
            data_begin = path_begin + path_bytes
            position = data_begin + data_bytes
            if position > end:
                return
            yield (
                position,
                kind,
                self._data[path_begin:data_begin].decode(),
                self._data[data_begin:position],
                inode,
                offset,
            )


class Acknowledged:
    """A request that was acknowledged, with the position in the record after the answer."""

    def __init__(self, record_path):
        self._record_path = record_path
        self.versions = []  # (client, sent, acknowledged, parent, version, digest)
        self.snapshots = []

    def position(self):
        return self._record_path.stat().st_size if self._record_path.exists() else 0


def use(campaign, server, known, clients, serial):
    """A few writes of each kind; each with its position in the record before and after."""
    connection = Connection(server.url)
    random = campaign.random
    for _ in range(random.randint(5, 25)):
        client = random.choice(clients)
        size = random.choice((10, 200, 3000, 20_000, 100_000))
        serial[0] += 1
        segment = payload(f"{campaign.seed} {serial[0]}", size)
        sent = known.position()
        parent_id = client.pull(connection, client.latest)
        version_id = client.append(connection, parent_id, segment)
        client.latest = version_id
        known.versions.append((client, sent, known.position(), parent_id))
        if random.random() < 0.2:
            sent = known.position()
            client.store_snapshot(connection, version_id, payload(f"snapshot {serial[0]}", size))
            known.snapshots.append((client, sent, known.position(), len(client.snapshots) - 1))
    connection.close()


def client_as_of(client, known, position):
    """The data of a client that must be there, and that may be, after a power cut at that position."""
    then = Client(client.client_id)
    for owner, _, acknowledged, parent_id in known.versions:
        if owner is not client:
            continue
        version = client.acknowledged[parent_id]
        if acknowledged <= position:
            then.acknowledged[parent_id] = version
        else:
            then.unanswered.setdefault(parent_id, set()).add(version[1])
    then.snapshots = client.snapshots
    for owner, _, acknowledged, index in known.snapshots:
        if owner is client and acknowledged <= position:
            then.acknowledged_snapshot = index
    return then


def check_image(campaign, directory, image, known, clients, position):
    process = Process(image, directory / "image.log", FLAGS)
    try:
        anything = any(acknowledged <= position for _, _, acknowledged, _ in known.versions)
        if process.url is None:
            if not anything and not (image / "rocksdb").exists():
                raise Broken(
                    f"nothing was acknowledged, there is no database, and the server refuses: {process.output}"
                )
            raise Broken(f"after a power cut at {position} the server does not start: {process.output}")
        connection = Connection(process.url)
        for client in clients:
            client_as_of(client, known, position).compare(connection, campaign.count)
        connection.close()
        if campaign.random.random() < 0.1:
            verified = admin.run(image, "verify")
            if verified.returncode != 0:
                raise Broken(f"after a power cut at {position} verify says {verified.stdout}{verified.stderr}")
            campaign.count("verified")
    finally:
        process.kill()
    campaign.count("power cuts")


def add_arguments(parser):
    parser.add_argument(
        "--file-system", choices=("posix", "journal"), help="how much a sync promises; else every other run"
    )


def main(campaign):
    recorder = campaign.build_dir / "lib" / "libtcsync_campaign_recorder.so"
    if not recorder.exists():
        raise Missing(f"there is no {recorder}, which is built with the tests, on Linux")
    while campaign.has_time_left():
        with campaign.round() as directory:
            disk_root = directory / "disk"
            disk_root.mkdir()
            record_path = directory / "record"
            known = Acknowledged(record_path)
            clients = [Client() for _ in range(4)]
            for client in clients:
                client.latest = wire.NIL_VERSION
            serial = [0]
            server = Server(directory / "server.log", disk_root / "data", *FLAGS,
                            env={"LD_PRELOAD": str(recorder), "TCSYNC_RECORD_ROOT": str(disk_root),
                                 "TCSYNC_RECORD_LOG": str(record_path)})  # fmt: skip
            try:
                for _ in range(3):
                    use(campaign, server, known, clients, serial)
                    if campaign.random.random() < 0.6:  # writes a table file
                        admin.succeed(server.data_dir, "backup", directory / "backups")
                    use(campaign, server, known, clients, serial)
                    campaign.random.choice((server.kill, server.stop))()
                    server.start()
            finally:
                server.kill()
            record = Record(record_path)
            campaign.count("recorded bytes", len(record))
            moments = sorted(campaign.random.randrange(len(record)) for _ in range(IMAGES_PER_RUN))
            moments.append(len(record))
            has_journal = campaign.random.random() < 0.5 if campaign.arguments.file_system is None else (
                campaign.arguments.file_system == "journal")  # fmt: skip
            disk, position = Disk(disk_root, has_journal), 0
            for number, moment in enumerate(moments):
                for position, kind, path, data, inode, offset in record.between(position, moment):  # noqa: B007, B020 - from there on
                    disk.replay(kind, path, data, inode, offset)
                if number > 3 and campaign.elapsed() > campaign.seconds:
                    break
                image = directory / f"image{number}"
                disk.image(image, campaign.random)
                check_image(campaign, directory, image / "data", known, clients, position)
                shutil.rmtree(image)


if __name__ == "__main__":
    run(__doc__, main, add_arguments)
