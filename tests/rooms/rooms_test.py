#!/usr/bin/env python3
"""Checks the house rules of docs/architecture.md that a compiler does not: which room may include
which, where the types of other people's libraries may be seen, that every name is defined once, how
long files are, and which files lie at the top level.

    rooms_test.py SOURCE_DIRECTORY
"""

import collections
import pathlib
import re
import subprocess
import sys
import unittest

from declarations import definitions

SOURCE = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else ".").resolve()

# Our headers that each room may include, by the beginning of the path as it is written. A room may
# always include itself. The longest name that fits a file is its room.
ROOMS = {
    "capi/include": [],
    "capi/src": ["tcsync.h", "tcsync/", "base/", "crypto/", "remote/", "replica/", "engine/"],
    "include/tcsync": ["tcsync/"],
    "src/access": [
        "tcsync/access_records.h",
        "tcsync/log.h",
        "tcsync/options.h",
        "tcsync/peer_address.h",
        "tcsync/storage.h",
        "tcsync/storage_figures.h",
        "tcsync/uuid.h",
        "base/",
    ],
    "src/admin": [
        "tcsync/handler.h",
        "tcsync/http_message.h",
        "tcsync/log.h",
        "tcsync/options.h",
        "tcsync/peer_address.h",
        "tcsync/storage.h",
        "tcsync/storage_administration.h",
        "tcsync/uuid.h",
        "access/",
        "base/",
        "http/",
        "sync/",
    ],
    "src/base": ["tcsync/log.h", "tcsync/options.h", "tcsync/peer_address.h", "tcsync/uuid.h"],
    "src/remote": ["tcsync/", "base/", "crypto/"],
    "src/replica": ["tcsync/remote_server.h", "tcsync/replica.h", "tcsync/uuid.h", "base/"],
    "src/crypto": ["tcsync/envelope.h", "tcsync/uuid.h", "base/"],
    "src/engine": ["tcsync/", "access/", "admin/", "base/", "storage/", "sync/", "http/", "listener/", "metrics/"],
    "src/http": [
        "tcsync/device_records.h",
        "tcsync/handler.h",
        "tcsync/http_message.h",
        "tcsync/log.h",
        "tcsync/storage.h",
        "tcsync/peer_address.h",
        "tcsync/uuid.h",
        "access/",
        "base/",
        "sync/",
        "metrics/",
    ],
    "src/listener": [
        "tcsync/engine.h",
        "tcsync/handler.h",
        "tcsync/http_message.h",
        "tcsync/listener.h",
        "tcsync/log.h",
        "tcsync/options.h",
        "tcsync/peer_address.h",
        "access/",
        "base/",
        "http/",
        "metrics/",
    ],
    "src/metrics": ["tcsync/log.h", "tcsync/storage.h", "tcsync/storage_figures.h", "base/"],
    "src/server": ["tcsync.h"],
    # Shared by both backends.
    "src/storage": ["tcsync/client_histories.h", "tcsync/device_records.h", "tcsync/uuid.h", "base/", "metrics/"],
    "src/storage/memory": [
        "tcsync/storage.h",
        "tcsync/storage_administration.h",
        "tcsync/uuid.h",
        "base/",
        "storage/chain_notes.h",
        "storage/client_limits.h",
        "storage/replicas_ahead.h",
        "storage/rewind_refusals.h",
        "storage/version_numbers.h",
    ],
    "src/storage/rocksdb": [
        "tcsync/access_records.h",
        "tcsync/client_histories.h",
        "tcsync/log.h",
        "tcsync/storage.h",
        "tcsync/storage_administration.h",
        "tcsync/storage_upkeep.h",
        "tcsync/uuid.h",
        "base/",
        "metrics/",
        "storage/chain_notes.h",
        "storage/client_limits.h",
        "storage/commit_instruments.h",
        "storage/device_codec.h",
        "storage/reader_pool.h",
        "storage/replicas_ahead.h",
        "storage/rewind_refusals.h",
        "storage/version_numbers.h",
    ],
    "src/storage/postgres": [
        "tcsync/access_records.h",
        "tcsync/client_histories.h",
        "tcsync/other_servers.h",
        "tcsync/storage.h",
        "tcsync/storage_administration.h",
        "tcsync/storage_figures.h",
        "tcsync/storage_upkeep.h",
        "tcsync/uuid.h",
        "base/",
        "metrics/",
        "storage/chain_notes.h",
        "storage/client_limits.h",
        "storage/commit_instruments.h",
        "storage/device_codec.h",
        "storage/reader_pool.h",
        "storage/replicas_ahead.h",
        "storage/rewind_refusals.h",
        "storage/version_numbers.h",
    ],
    "src/sync": ["tcsync/storage.h", "tcsync/client_histories.h", "tcsync/uuid.h", "base/"],
}

# The namespace of a room's own names, where that is not tcsync::ROOM. Declarations of public headers are in
# tcsync, wherever they are defined.
NAMESPACES = {
    "capi/src": "tcsync::capi",
    "include/tcsync": "tcsync",
    "src/storage": "tcsync::storage",
    "src/storage/memory": "tcsync::memory_storage",
    "src/storage/postgres": "tcsync::postgres_storage",
    "src/storage/rocksdb": "tcsync::rocksdb_storage",  # in one called rocksdb, RocksDB's own would be hidden
}
# Names that others have chosen: the program's beginning, and functions of Abseil that are replaced.
OTHER_NAMES = {"src/server/main.cc": "::main(", "capi/src/abseil_in_shared_library.cc": "absl::"}

# Where other people's libraries may be included, and their types be named.
LIBRARIES = {
    "boost": ["src/remote", "src/listener"],
    "httplib": ["include/tcsync/httplib_adapter.h", "src/server"],
    "libpq-fe": ["src/storage/postgres"],
    "nlohmann": ["src/admin", "src/replica", "src/server"],
    "openssl": ["src/remote", "src/listener"],
    "rocksdb": ["src/storage/rocksdb"],
    "sodium": ["src/access", "src/crypto"],
    "spdlog": ["src/server"],
    "sqlite3": ["src/replica", "src/server"],
    "CLI": ["src/server"],
    "zlib": ["src/http", "src/replica"],
}

# The names of libraries in C, which have no namespace.
C_NAMES = {
    r"\b(PG[a-z]\w+|PQ[a-z]\w+)\b": ["src/storage/postgres"],
    r"\bsqlite3(_\w+)?\b(?!\.h)": ["src/replica", "src/server"],
}

# Rooms that are blind: they must not even link code that can unseal.
BLIND_ROOMS = [
    "src/access",
    "src/admin",
    "src/engine",
    "src/http",
    "src/listener",
    "src/metrics",
    "src/server",
    "src/storage",
    "src/sync",
]
# Of these, the one that hashes tokens and makes random ones with libsodium itself.
HASHING_ROOMS = {"src/access"}

LINES_MAX = 600
# Instead of other files of its room, in another build: names may be defined in both.
ALTERNATIVES = {"capi/src/without_server.cc"}
# One file on purpose: an embedder includes, and reads, the whole contract.
LONG_FILES = {"capi/include/tcsync.h"}

TOP_LEVEL = {
    "CMakeLists.txt",
    "CMakePresets.json",
    "LICENSE",
    "README.md",
    "bench",
    "capi",
    "docs",
    "examples",
    "include",
    "src",
    "tests",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def source_files():
    """Every C and C++ file of the rooms, by its path from the top."""
    for top in ("src", "capi", "include"):
        for path in sorted((SOURCE / top).rglob("*")):
            if path.name.endswith((".c", ".cc", ".h", ".h.in", ".cc.in")) and path.is_file():
                yield path.relative_to(SOURCE).as_posix()


def read(name):
    return (SOURCE / name).read_text(encoding="utf-8")


def room_of(name):
    rooms = [room for room in ROOMS if name.startswith(room + "/")]
    return max(rooms, key=len) if rooms else None


def is_in(name, places):
    return any(name == place or name.startswith(place + "/") for place in places)


def owner_of(include):
    """The room, or the public header, that an include names; None when it is not ours."""
    if include == "tcsync.h":
        return "capi/include"
    if include.startswith("tcsync/"):
        return "include/tcsync"
    if include.startswith("capi/"):
        return room_of(include)
    if (SOURCE / "src" / include.split("/")[0]).is_dir() and "/" in include:
        return room_of("src/" + include)
    return None


def exists(include):
    places = [SOURCE, SOURCE / "src", SOURCE / "include", SOURCE / "capi/include"]
    return any((place / (include + suffix)).is_file() for place in places for suffix in ("", ".in"))


class RoomsTest(unittest.TestCase):
    def test_finds_files_to_check(self):
        """If this fails, the other tests here find no files and pass."""
        rooms = {room_of(name) for name in source_files()}
        for room in ("src/base", "src/remote", "src/sync", "src/storage/rocksdb", "src/server", "capi/src"):
            self.assertIn(room, rooms)

    def test_every_file_is_in_a_room(self):
        """If this fails, a new room has no rules yet: add it to ROOMS, with the headers that it may include."""
        for name in source_files():
            self.assertIsNotNone(room_of(name), name)

    def test_includes_point_one_way(self):
        """If this fails, two rooms grow together, and neither can be understood or tested without the other."""
        for name in source_files():
            room = room_of(name)
            for _, include in INCLUDE.findall(read(name)):
                owner = owner_of(include)
                if owner is None or owner == room or room is None:
                    continue
                allowed = any(include == may or (may.endswith("/") and include.startswith(may)) for may in ROOMS[room])
                with self.subTest(name):
                    self.assertTrue(allowed, f"{name} must not include {include}")

    def test_own_headers_are_included_by_their_full_path(self):
        """If this fails, an include depends on where the compiler happens to look first."""
        for name in source_files():
            for quote, include in INCLUDE.findall(read(name)):
                if owner_of(include) is not None:
                    self.assertTrue(exists(include), f"{name} includes {include}, which is not there")
                elif quote == '"':
                    self.assertIn("/", include, f"{name} includes {include} without its room")

    def test_libraries_stay_in_their_rooms(self):
        """If this fails, another library cannot take this one's place without changes elsewhere."""
        for name in source_files():
            text = read(name)
            for _, include in INCLUDE.findall(text):
                library = re.split(r"[/.]", include)[0]
                places = LIBRARIES.get(library)
                with self.subTest(name):
                    self.assertTrue(places is None or is_in(name, places), f"{name} must not include {include}")
            code = COMMENT_OR_STRING.sub("", text)
            for library, places in LIBRARIES.items():
                with self.subTest(name):
                    self.assertTrue(is_in(name, places) or f"{library}::" not in code, f"{name} names {library}::")
            for names, places in C_NAMES.items():
                with self.subTest(name):
                    self.assertTrue(is_in(name, places) or not re.search(names, code), f"{name} names {names}")

    def test_the_server_does_not_link_crypto(self):
        """If this fails, a room that holds users' data can be linked with code that opens it."""
        for room in BLIND_ROOMS:
            for path in (SOURCE / room).rglob("CMakeLists.txt"):
                code = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
                unsealing = "crypto|tcsync_re(mote|plica)" + ("" if room in HASHING_ROOMS else "|sodium")
                self.assertNotRegex(code, rf"(?i){unsealing}", str(path))

    def test_the_c_header_needs_nothing(self):
        """If this fails, the C ABI needs more than a C compiler."""
        includes = {include for _, include in INCLUDE.findall(read("capi/include/tcsync.h"))}
        self.assertEqual(includes, {"stddef.h", "stdint.h"})

    def test_string_views_are_abseils(self):
        """If this fails, two types that do not convert into each other meet at a room's door."""
        for name in source_files():
            if name.startswith(("src/server/", "capi/")):
                continue  # beyond the C ABI, or at it, where there is no Abseil to meet
            code = COMMENT_OR_STRING.sub("", read(name))
            self.assertNotIn("std::string_view", code, name)

    def test_ranges_are_not_deleted(self):
        """If this fails, a data directory that RocksDB 9 has had open cannot go back to RocksDB 7.8, on Debian 12:
        docs/storage-format.md has the reason."""
        for name in source_files():
            self.assertNotIn("DeleteRange(", COMMENT_OR_STRING.sub("", read(name)), name)

    def test_files_are_short(self):
        """If this fails, a reader has to take in two subjects at once: split the file."""
        for name in source_files():
            if name in LONG_FILES:
                continue
            lines = read(name).count("\n")
            self.assertLessEqual(lines, LINES_MAX, f"{name} has {lines} lines")


class NamesTest(unittest.TestCase):
    """If these fail, two classes or functions of one name can be linked into one library. The linker keeps the members
    of one of them, a destructor for example, and the other one's users crash in it.
    """

    def test_every_name_is_defined_once(self):
        files_of = collections.defaultdict(set)
        for name in source_files():
            if name not in ALTERNATIVES:
                for definition in definitions(read(name)):
                    files_of[definition].add(name)
        self.assertIn("tcsync::Uuid", {definition.name for definition in files_of})
        doubled = {definition.name: sorted(files) for definition, files in files_of.items() if len(files) > 1}
        self.assertEqual(doubled, {}, "put one of the two into its room's namespace")

    def test_a_room_is_a_namespace(self):
        """If this fails, two rooms can define one name, and a reader does not see to which room it belongs."""
        declared = set()
        namespaces = set()
        for name in source_files():
            if name.startswith("include/tcsync/"):
                text = COMMENT_OR_STRING.sub("", read(name))
                declared |= set(re.findall(r"\w+", text))
                namespaces |= set(re.findall(r"\bnamespace\s+(?:tcsync::)?(\w+)", text))
        declared -= namespaces
        for name in source_files():
            room = room_of(name)
            if room is None or room == "capi/include":
                continue
            namespace = NAMESPACES.get(room, "tcsync::" + room.split("/")[-1])
            for definition in definitions(read(name)):
                of_tcsync = re.match(r"tcsync::(\w+)", definition.name)
                # A header may define the class that a public one declares within itself.
                is_within = of_tcsync and definition.is_type and definition.name != of_tcsync[0]
                is_public = of_tcsync and of_tcsync[1] in declared and (name.endswith(".cc") or is_within)
                is_of_c = room == "capi/src" and definition.name.startswith("::tcsync_")
                is_other = name in OTHER_NAMES and definition.name.startswith(OTHER_NAMES[name])
                is_own = definition.name.startswith(namespace + "::")
                with self.subTest(name):
                    self.assertTrue(
                        is_own or is_public or is_of_c or is_other, f"{definition.name} is not in {namespace}"
                    )

    def test_definitions_are_found(self):
        """If this fails, the test above misses a name that is defined twice."""
        here = {definition.name for definition in definitions("""
            #define UNSEEN struct Unseen { \\
              int unseen; };
            namespace tcsync { class Declared; struct One { int a{1'000}; struct Within {}; }; }
            namespace tcsync::room {
            enum class Two : int { kOne }; enum Three { kThree };
            template <typename T, class U = int> class Four final : public std::vector<T> { void Method() {} };
            /* struct Commented {} */ const char* text = "struct Quoted {"; // struct Commented {}
            namespace { struct Internal {}; void InternalFunction() {} }
            static int Static() { return '{'; }
            template <typename T> inline T Function(const T& argument, int number = 1) { struct Local {}; return {}; }
            One::One(One&& other) : other_(other) {}
            One::~One() {}
            bool Two::operator()(int) const { return true; }
            struct Five Made() { return {}; }
            void Tried(int number) try { } catch (const Two& two) { }
            inline constexpr int kShared = 1; inline constexpr int kTable[] = {1, 2}; constexpr int kInternal = 2;
            R"(struct Raw {)"; extern "C" void Plain(void) { for (int i = 0; i < 1; ++i) {} }
            }  // namespace
            struct [[nodiscard]] Six::Seven {};
            """)}  # fmt: skip
        self.assertEqual(here, {
            "tcsync::One", "tcsync::room::Two", "tcsync::room::Three", "tcsync::room::Four",
            "tcsync::room::Function(const T &,int)", "tcsync::room::One::One(One & &)", "tcsync::room::One::~One()",
            "tcsync::room::Two::operator()(int)", "tcsync::room::Made()", "tcsync::room::Tried(int)",
            "tcsync::room::kShared", "tcsync::room::kTable", "tcsync::room::Plain(void)", "::Six::Seven",
        })  # fmt: skip


class TopLevelTest(unittest.TestCase):
    def test_the_top_level_has_only_known_entries(self):
        """If this fails, a file was committed outside the rooms, where nobody looks for it."""
        command = ["git", "-c", "safe.directory=*", "-C", str(SOURCE), "ls-files", "-z"]
        try:
            listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError):
            self.skipTest("not a git checkout")
        entries = {name.split("/")[0] for name in listed.split("\0") if name}
        unexpected = {entry for entry in entries - TOP_LEVEL if not entry.startswith(".")}
        self.assertEqual(unexpected, set())


if __name__ == "__main__":
    unittest.main(verbosity=1)
