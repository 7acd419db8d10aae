// Databases that other releases of TaskChampion, or other programs, have left. If these fail,
// people lose their tasks or their unsent changes with an update, or in a downgrade after it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/replica/child_process.h"
#include "tests/unit/replica/raw_database.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::replica {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The tables of TaskChampion 0.8, and the records of its own upgrade test, shortened.
constexpr char k08[] = R"sql(
  PRAGMA journal_mode = WAL;
  CREATE TABLE operations (id INTEGER PRIMARY KEY AUTOINCREMENT, data STRING);
  CREATE TABLE sync_meta (key STRING PRIMARY KEY, value STRING);
  CREATE TABLE tasks (uuid STRING PRIMARY KEY, data STRING);
  CREATE TABLE working_set (id INTEGER PRIMARY KEY, uuid STRING);
  INSERT INTO operations VALUES(1,'"UndoPoint"');
  INSERT INTO operations VALUES(2,'{"Create":{"uuid":"00000000-0000-4000-8000-000000000001"}}');
  INSERT INTO operations VALUES(3,'{"Update":{"uuid":"00000000-0000-4000-8000-000000000001",
    "property":"status","old_value":null,"value":"pending",
    "timestamp":"2024-08-25T19:06:11.840482523Z"}}');
  INSERT INTO operations VALUES(7,'{"Delete":{"uuid":"00000000-0000-4000-8000-000000000002",
    "old_task":{"status":"deleted"}}}');
  INSERT INTO tasks VALUES('00000000-0000-4000-8000-000000000003','{"status":"completed"}');
  INSERT INTO tasks VALUES('00000000-0000-4000-8000-000000000001','{"status":"pending"}');
  INSERT INTO working_set VALUES(1,'00000000-0000-4000-8000-000000000003');
  INSERT INTO working_set VALUES(3,'00000000-0000-4000-8000-000000000001');
  INSERT INTO sync_meta VALUES('base_version','00000000-0000-4000-8000-000000000009');
)sql";

// What 0.9 added, with its paths in double quotes.
constexpr char k09[] = R"sql(
  ALTER TABLE operations ADD COLUMN uuid GENERATED ALWAYS AS (
    coalesce(json_extract(data, "$.Update.uuid"),
             json_extract(data, "$.Create.uuid"),
             json_extract(data, "$.Delete.uuid"))) VIRTUAL;
  CREATE INDEX operations_by_uuid ON operations (uuid);
  ALTER TABLE operations ADD COLUMN synced bool DEFAULT false;
  CREATE INDEX operations_by_synced ON operations (synced);
)sql";

constexpr char kVersionTable[] = R"sql(
  CREATE TABLE version (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 0), major INTEGER, minor INTEGER);
)sql";

constexpr char k02[] = R"sql(
  DROP INDEX operations_by_uuid;
  ALTER TABLE operations DROP COLUMN uuid;
  ALTER TABLE operations ADD COLUMN uuid GENERATED ALWAYS AS (
    coalesce(json_extract(data, '$.Update.uuid'),
             json_extract(data, '$.Create.uuid'),
             json_extract(data, '$.Delete.uuid'))) VIRTUAL;
  CREATE INDEX operations_by_uuid ON operations (uuid);
)sql";

std::string VersionRow(int major, int minor) {
  return absl::StrCat("INSERT INTO version VALUES (0, ", major, ", ", minor, ");");
}

struct Release {
  std::string name;
  std::string sql;
  std::string version_after;
};

std::vector<Release> CompatibleReleases() {
  const std::string with_versions = absl::StrCat(k08, k09, kVersionTable);
  return {
      {"0.8", k08, "0|2"},
      {"0.9", absl::StrCat(k08, k09), "0|2"},
      {"1.0, stopped in its upgrade", with_versions, "0|2"},
      {"0.8 with the table of versions", absl::StrCat(k08, kVersionTable), "0|2"},
      {"schema 0.1", with_versions + VersionRow(0, 1), "0|2"},
      {"schema 0.2", absl::StrCat(with_versions, k02, VersionRow(0, 2)), "0|2"},
      {"schema 0.3, with more in it",
       absl::StrCat(with_versions, k02, VersionRow(0, 3),
                    "ALTER TABLE tasks ADD COLUMN later DEFAULT 7; CREATE TABLE later (a);"
                    "INSERT INTO later VALUES (8);"),
       "0|3"},
  };
}

std::vector<Operation> Operations() {
  Operation update =
      Operation::Update(TaskId(1), "status", "pending",
                        absl::FromUnixSeconds(1'724'612'771) + absl::Nanoseconds(840'482'523));
  Operation deletion = Operation::Delete(TaskId(2));
  deletion.old_properties = {{"status", "deleted"}};
  return {Operation::UndoPoint(), Operation::Create(TaskId(1)), update, deletion};
}

// If this fails, tasks, unsent changes or the place in the history are lost with an update.
TEST(SchemaTest, DatabasesOfEachReleaseAreReadAfterTheUpgrade) {
  for (const Release& release : CompatibleReleases()) {
    SCOPED_TRACE(release.name);
    const TemporaryDirectory directory;
    RawDatabase(directory.path()).Run(release.sql);
    for (int opening = 1; opening <= 2; ++opening) {
      const auto replica = MustOpen(directory.path(), {.create = false});
      ASSERT_NE(replica, nullptr);
      EXPECT_EQ(replica->PendingOperations().value(), Operations());
      EXPECT_THAT(replica->OperationsOf(TaskId(1)).value(),
                  ElementsAre(Operations()[1], Operations()[2]));
      EXPECT_THAT(replica->OperationsOf(TaskId(2)).value(), ElementsAre(Operations()[3]));
      EXPECT_THAT(replica->GetTasks().value(),
                  ElementsAre(Task{TaskId(3), {{"status", "completed"}}},
                              Task{TaskId(1), {{"status", "pending"}}}));
      EXPECT_EQ(replica->GetWorkingSet().value(),
                (std::map<uint64_t, Uuid>{{1, TaskId(3)}, {3, TaskId(1)}}));
      const ReplicaState state = replica->GetState().value();
      EXPECT_EQ(state.base_version_id, TaskId(9));
      EXPECT_EQ(state.pending_operations, 3u);
      EXPECT_EQ(state.pending_undo_points, 1u);
    }
    // The IDs go on behind the last one, also where it is the highest that there was.
    const auto replica = MustOpen(directory.path());
    ASSERT_TRUE(replica->Commit({{Operation::Create(TaskId(4))}}).ok());
    RawDatabase raw(directory.path());
    EXPECT_THAT(raw.Run("SELECT id, uuid, synced FROM operations WHERE id > 7"),
                ElementsAre(absl::StrCat("8|", TaskId(4).ToString(), "|0")));
    EXPECT_THAT(raw.Run("SELECT major, minor FROM version"), ElementsAre(release.version_after));
    EXPECT_THAT(raw.Run("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
                        " ORDER BY name"),
                ElementsAre("operations_by_synced", "operations_by_uuid"));
    EXPECT_THAT(raw.Run("PRAGMA integrity_check"), ElementsAre("ok"));
    // No release of SQLite takes text in double quotes for a text for ever.
    EXPECT_THAT(raw.Run("SELECT count(*) FROM sqlite_master WHERE sql LIKE '%\"$.%'"),
                ElementsAre("0"));
  }
}

// If this fails, TaskChampion no longer finds its tables in a database that this library has made.
TEST(SchemaTest, ANewDatabaseHasTheTablesOfTaskChampion) {
  const auto columns_of = [](const std::string& directory) {
    return RawDatabase(directory).Run(
        "SELECT m.name, x.name, upper(x.type), x.pk, x.hidden FROM sqlite_master m,"
        " pragma_table_xinfo(m.name) x WHERE m.type = 'table' ORDER BY m.name, x.name");
  };
  const TemporaryDirectory ours;
  MustOpen(ours.path());
  const TemporaryDirectory theirs;
  RawDatabase(theirs.path()).Run(absl::StrCat(k08, k09, kVersionTable, k02, VersionRow(0, 2)));
  EXPECT_EQ(columns_of(ours.path()), columns_of(theirs.path()));
  EXPECT_THAT(RawDatabase(ours.path()).Run("PRAGMA journal_mode"), ElementsAre("wal"));
}

// If this fails, a database of a later minor version loses what that has added.
TEST(SchemaTest, ALaterMinorVersionIsLeftAsItIs) {
  const TemporaryDirectory directory;
  RawDatabase raw(directory.path());
  raw.Run(CompatibleReleases().back().sql);
  const std::string dump = "SELECT type, name, sql FROM sqlite_master ORDER BY name";
  const std::vector<std::string> before = raw.Run(dump);
  const auto replica = MustOpen(directory.path());
  ASSERT_NE(replica, nullptr);
  ASSERT_TRUE(replica->Commit({{Operation::Update(TaskId(1), "project", "x")}}).ok());
  EXPECT_EQ(raw.Run(dump), before);
  EXPECT_THAT(raw.Run("SELECT a FROM later"), ElementsAre("8"));
  EXPECT_THAT(raw.Run("SELECT later FROM tasks"), ElementsAre("7", "7"));
}

// If this fails, an old release of this library damages a database of a later major version, in
// whichever mode that keeps its journal.
TEST(SchemaTest, ALaterMajorVersionIsRefusedAndUnchanged) {
  for (const char* const mode : {"", "PRAGMA journal_mode = DELETE;"}) {
    for (const auto& [major, minor] :
         {std::pair(1, 0), std::pair(1, 2), std::pair(2, 0), std::pair(1'000'000, 0)}) {
      const TemporaryDirectory directory;
      RawDatabase(directory.path())
          .Run(absl::StrCat(k08, kVersionTable, VersionRow(major, minor), mode));
      const std::string before = ReadFile(DatabasePath(directory.path()));
      const absl::Status status = TryOpen(directory.path());
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat(major, ".", minor)));
      EXPECT_THAT(std::string(status.message()), HasSubstr(DatabasePath(directory.path())));
      EXPECT_TRUE(ReadFile(DatabasePath(directory.path())) == before) << mode;
    }
  }
}

// If this fails, a file that is no replica's is overwritten, or ends in a message without a name.
TEST(SchemaTest, OtherFilesAreRefusedAndUnchanged) {
  const TemporaryDirectory made;
  MustOpen(made.path());
  const std::string database = ReadFile(DatabasePath(made.path()));
  ASSERT_GT(database.size(), 16'384u);
  struct Case {
    const char* name;
    std::string bytes;
    absl::StatusCode code;
  };
  for (const Case& refused : {
           Case{"text", std::string(2'000, 'x'), absl::StatusCode::kFailedPrecondition},
           Case{"NULs", std::string(4'096, '\0'), absl::StatusCode::kFailedPrecondition},
           Case{"half of the header", database.substr(0, 50), absl::StatusCode::kDataLoss},
           Case{"half a page", database.substr(0, 2'048), absl::StatusCode::kDataLoss},
           Case{"two pages", database.substr(0, 8'192), absl::StatusCode::kDataLoss},
       }) {
    SCOPED_TRACE(refused.name);
    const TemporaryDirectory directory;
    WriteFile(DatabasePath(directory.path()), refused.bytes);
    for (const bool create : {true, false}) {
      const absl::Status status = TryOpen(directory.path(), {.create = create});
      EXPECT_EQ(status.code(), refused.code) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr(DatabasePath(directory.path())));
      EXPECT_TRUE(ReadFile(DatabasePath(directory.path())) == refused.bytes);
    }
  }
}

// If this fails, a power cut right after the creation of the file makes the replica unusable.
TEST(SchemaTest, AnEmptyFileBecomesADatabase) {
  const TemporaryDirectory directory;
  WriteFile(DatabasePath(directory.path()), "");
  const auto replica = MustOpen(directory.path(), {.create = false});
  ASSERT_NE(replica, nullptr);
  EXPECT_TRUE(replica->Commit({{Operation::Create(TaskId(1))}}).ok());
}

// If this fails, a wrong path creates something, or ends in a wrong or nameless error.
TEST(SchemaTest, EachWrongPlaceHasItsError) {
  const TemporaryDirectory directory;
  const std::string& root = directory.path();
  std::filesystem::create_directories(root + "/taken/taskchampion.sqlite3");
  WriteFile(root + "/file", "x");
  struct Case {
    std::string directory;
    bool create;
    absl::StatusCode code;
  };
  for (const Case& wrong : {
           Case{"", true, absl::StatusCode::kInvalidArgument},
           Case{"", false, absl::StatusCode::kInvalidArgument},
           Case{root, false, absl::StatusCode::kNotFound},
           Case{root + "/missing", false, absl::StatusCode::kNotFound},
           Case{root + "/file", false, absl::StatusCode::kNotFound},
           Case{root + "/file/below", false, absl::StatusCode::kNotFound},
           Case{root + "/file", true, absl::StatusCode::kPermissionDenied},
           Case{root + "/file/below", true, absl::StatusCode::kPermissionDenied},
           Case{root + "/taken", true, absl::StatusCode::kPermissionDenied},
           Case{root + "/taken", false, absl::StatusCode::kPermissionDenied},
           Case{root + "/" + std::string(300, 'x'), true, absl::StatusCode::kPermissionDenied},
           Case{root + std::string("/a\0b", 4), true, absl::StatusCode::kInvalidArgument},
       }) {
    const absl::Status status = TryOpen(wrong.directory, {.create = wrong.create});
    EXPECT_EQ(status.code(), wrong.code) << wrong.directory << ": " << status;
    if (!wrong.directory.empty()) {
      EXPECT_THAT(std::string(status.message()), HasSubstr(root)) << status;
    }
  }
  EXPECT_EQ(TryOpen(root, {.busy_timeout_ms = -1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(DatabasePath(root)));
  EXPECT_FALSE(std::filesystem::exists(root + "/missing"));
  EXPECT_FALSE(std::filesystem::exists(root + "/a"));
}

// If this fails, a new replica lies beside the place that was named, or other users can read it.
TEST(SchemaTest, MissingDirectoriesAreMadeForTheUserAlone) {
  const TemporaryDirectory directory;
  const std::string& root = directory.path();
  std::filesystem::create_directories(root + "/elsewhere/inner");
  std::filesystem::create_directory_symlink(root + "/elsewhere/inner", root + "/link");
  for (const auto& [named, made] : {
           std::pair("/a/b/c", "/a/b/c"),
           std::pair("/d//e///", "/d/e"),
           std::pair("/./f/./g/.", "/f/g"),
           std::pair("/h/../i", "/i"),
           // Not /j: the parent of the directory to which the link leads.
           std::pair("/link/../j", "/elsewhere/j"),
       }) {
    MustOpen(root + named);
    EXPECT_TRUE(std::filesystem::exists(DatabasePath(root + made))) << named;
    struct stat status {};
    ASSERT_EQ(stat((root + made).c_str(), &status), 0) << named;
    EXPECT_EQ(status.st_mode & 0777, 0700u) << named;
  }
  EXPECT_FALSE(std::filesystem::exists(root + "/j"));
}

// If this fails, a person without the right to write reads of damage.
TEST(SchemaTest, AReadOnlyDirectoryIsNamed) {
  const TemporaryDirectory directory;
  MustOpen(directory.path());
  const TemporaryDirectory empty;
  for (const std::string& path : {directory.path(), empty.path(), empty.path() + "/new"}) {
    const std::string parent = path == directory.path() ? path : empty.path();
    chmod(parent.c_str(), 0555);
    ChildProcess child(kTryOpenAsNobody, path);
    const std::string line = child.ReadLine().value_or("it has crashed");
    chmod(parent.c_str(), 0755);
    EXPECT_THAT(line, HasSubstr("PERMISSION_DENIED"));
    EXPECT_THAT(line, HasSubstr(path));
  }
}

// If this fails, two programs that start at once, as at a login, fail or upgrade twice.
TEST(SchemaTest, ManyOpenersMayUpgradeAtOnce) {
  constexpr int kOpeners = 6;
  constexpr int kRounds = 5;
  // In the mode of a new file, so that its change is raced for too.
  const std::string old = absl::StrCat(k08, "PRAGMA journal_mode = DELETE;");
  for (int round = 0; round < kRounds; ++round) {
    for (const std::string& sql : {std::string(), old}) {
      const TemporaryDirectory directory;
      if (!sql.empty()) RawDatabase(directory.path()).Run(sql);
      std::vector<absl::Status> opened(kOpeners);
      std::vector<std::thread> threads;
      for (int i = 0; i < kOpeners; ++i) {
        threads.emplace_back([&, i] {
          auto replica = Replica::Open(directory.path(), {.busy_timeout_ms = 60'000});
          opened[i] = replica.ok() ? (*replica)->Commit({{Operation::Create(TaskId(100 + i))}})
                                   : replica.status();
        });
      }
      for (std::thread& thread : threads) thread.join();
      for (const absl::Status& status : opened) EXPECT_TRUE(status.ok()) << status;
      RawDatabase raw(directory.path());
      EXPECT_THAT(raw.Run("SELECT count(*) FROM tasks"),
                  ElementsAre(std::to_string(kOpeners + (sql.empty() ? 0 : 2))));
      EXPECT_THAT(raw.Run("SELECT major, minor FROM version"), ElementsAre("0|2"));
      EXPECT_THAT(raw.Run("PRAGMA integrity_check"), ElementsAre("ok"));
    }
  }
}

}  // namespace
}  // namespace tcsync::replica
