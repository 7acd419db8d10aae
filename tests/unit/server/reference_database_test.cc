// The reference server's database. If these fail, an import leaves a part of someone's history
// behind without a word, or moves what no replica can use.
#include "server/administration/reference_database.h"

#include <sqlite3.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/administration/temporary_directory.h"
#include "tests/unit/server/fake_server.h"
#include "tests/unit/server/outcome.h"

namespace tcsync::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kNil[] = "00000000-0000-0000-0000-000000000000";
constexpr char kTables[] =
    "CREATE TABLE clients (client_id STRING PRIMARY KEY, latest_version_id STRING, "
    "snapshot_version_id STRING, versions_since_snapshot INTEGER, snapshot_timestamp INTEGER, "
    "snapshot BLOB);"
    "CREATE TABLE versions (version_id STRING PRIMARY KEY, client_id STRING, "
    "parent_version_id STRING, history_segment BLOB);";

// Statements, in the database of that path.
std::string Made(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, (kTables + sql).c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
  return path;
}

std::string Client(const std::string& id, const std::string& latest,
                   const std::string& snapshot = "") {
  return "INSERT INTO clients VALUES ('" + id + "','" + latest + "'," +
         (snapshot.empty() ? "NULL,NULL,NULL,NULL);" : "'" + snapshot + "',0,1234,x'5a');");
}

std::string Version(const std::string& client, const std::string& id, const std::string& parent) {
  return "INSERT INTO versions VALUES ('" + id + "','" + client + "','" + parent + "',x'00" +
         "ff');";
}

// "a: v1 v2; snapshot v2; ..."
std::string Described(const ReferenceClient& client) {
  std::ostringstream text;
  text << client.client_id << ":";
  for (const ReferenceVersion& version : client.chain) text << " " << version.version_id;
  if (client.snapshot) text << "; snapshot " << client.snapshot->version_id;
  if (client.unreachable_versions > 0) text << "; unreachable " << client.unreachable_versions;
  if (client.snapshot_is_unreachable) text << "; snapshot unreachable";
  if (client.has_only_a_snapshot) text << "; only a snapshot";
  if (!client.has_history) text << "; no history";
  text << (client.new_replica_can_start() ? "; can start" : "");
  return text.str();
}

TEST(ReferenceDatabaseTest, AClientIsItsChainAndTheRestIsCounted) {
  const struct {
    const char* why;
    std::string sql;
    const char* client;
  } cases[] = {
      {"an ordinary one", Client("a", "v2") + Version("a", "v2", "v1") + Version("a", "v1", kNil),
       "a: v1 v2; can start"},
      {"an empty parent counts as nil", Client("a", "v1") + Version("a", "v1", ""),
       "a: v1; can start"},
      {"never synced", Client("a", kNil), "a:; no history"},
      {"never synced either", Client("a", ""), "a:; no history"},
      {"its latest version is missing", Client("a", "v9") + Version("a", "v1", kNil),
       "a:; unreachable 1"},
      {"a version in the middle is missing",
       Client("a", "v3") + Version("a", "v3", "v2") + Version("a", "v1", kNil),
       "a: v3; unreachable 1"},
      {"versions in a circle",
       Client("a", "v2") + Version("a", "v1", "v2") + Version("a", "v2", "v1"), "a: v1 v2"},
      {"its own parent", Client("a", "v1") + Version("a", "v1", "v1"), "a: v1"},
      {"another client's version", Client("a", "v1") + Version("b", "v1", kNil), "a:"},
      {"a snapshot of the latest", Client("a", "v2", "v2") + Version("a", "v2", "v1"),
       "a: v2; snapshot v2; can start"},
      {"a snapshot just before the chain", Client("a", "v2", "v1") + Version("a", "v2", "v1"),
       "a: v2; snapshot v1; can start"},
      {"a snapshot of something else", Client("a", "v2", "v7") + Version("a", "v2", "v1"),
       "a: v2; snapshot unreachable"},
      {"a snapshot alone", Client("a", "v2", "v2"), "a:; snapshot unreachable; only a snapshot"},
  };
  for (const auto& each : cases) {
    const TemporaryDirectory directory("tcsync-test");
    ReferenceDatabase database(Made(directory.path() + "/x", each.sql));
    EXPECT_EQ(database.client_count(), 1u);
    database.ForEachClient([&](const ReferenceClient& client) {
      EXPECT_EQ(Described(client), each.client) << each.why;
    });
  }
}

TEST(ReferenceDatabaseTest, ClientsComeInOrderAndVersionsWithoutOneAreLeft) {
  const TemporaryDirectory directory("tcsync-test");
  ReferenceDatabase database(Made(directory.path() + "/x",
                                  Client("c", "c1") + Client("a", "a1") + Version("b", "b1", kNil) +
                                      Version("0", "01", kNil) + Version("c", "c1", kNil) +
                                      Version("a", "a1", kNil) + Version("z", "z1", kNil)));
  std::vector<std::string> clients;
  database.ForEachClient([&](const ReferenceClient& one) { clients.push_back(Described(one)); });
  EXPECT_THAT(clients, testing::ElementsAre("a: a1; can start", "c: c1; can start"));
  EXPECT_EQ(database.Segment("c1"), std::string("\0\xff", 2));
  EXPECT_EQ(database.Segment("no such"), "");
  EXPECT_EQ(database.Segment("' OR 1=1 --"), "");
  EXPECT_EQ(database.SnapshotBytes("a"), "");
}

TEST(ReferenceDatabaseTest, AnotherFileIsRefusedByName) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string base = directory.path();
  std::ofstream(base + "/text") << std::string(5000, 'x');
  std::ofstream(base + "/empty");
  Made(base + "/whole", Client("a", "a1"));
  {
    std::ifstream whole(base + "/whole", std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(whole), {});
    std::ofstream(base + "/half", std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  }
  sqlite3* other = nullptr;
  sqlite3_open((base + "/other").c_str(), &other);
  sqlite3_exec(other, "CREATE TABLE clients (name); ", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  const struct {
    std::string path;
    int status;
    const char* message;
  } cases[] = {
      {base + "/absent", kExitFailure, "unable to open"},
      {base + "/text", kExitFailure, "not a database"},
      {base + "/empty", kExitFailure, "no such table: clients"},
      {base + "/other", kExitFailure, "no such table: versions"},
      {base + "/half", kExitFailure, "/half"},
      {base, kExitFailure, "has no taskchampion-sync-server.sqlite3"},
      {"", kExitFailure, "cannot "},
      {"file:///x", kExitUsage, "leave file:// away"},
      {"postgres://me:secret@host/db", kExitUsage, "PostgreSQL"},
      {"postgresql://me:secret@host/db", kExitUsage, "PostgreSQL"},
      {"mysql://me:secret@host/db", kExitUsage, "not a URL"},
  };
  for (const auto& each : cases) {
    const Outcome outcome = OutcomeOf([&] { ReferenceDatabase database(each.path); });
    EXPECT_EQ(outcome.status, each.status) << each.path;
    EXPECT_THAT(outcome.message, AllOf(HasSubstr(each.message), Not(HasSubstr("secret"))));
  }
  Made(base + "/taskchampion-sync-server.sqlite3", "");
  EXPECT_EQ(ReferenceDatabase(base).client_count(), 0u) << "the directory is enough";
}

// If this fails, the last syncs are missing in an import, and nobody looks for them.
TEST(ReferenceDatabaseTest, ACopyWithoutItsWalIsACaution) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string path = Made(directory.path() + "/x", "PRAGMA journal_mode=WAL;");
  EXPECT_THAT(ReferenceDatabase(path).caution(), HasSubstr("there is no " + path + "-wal"));
  EXPECT_EQ(ReferenceDatabase(Made(directory.path() + "/y", "")).caution(), "");
}

// If this fails, one client with odd bytes for an ID stops the import of all others, or steers the
// operator's terminal.
TEST(ImportReferenceTest, AClientThatCannotBeMovedIsNamedAndTheOthersAre) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string path =
      Made(directory.path() + "/x", Client("\x1b[2J\xff", "v1") + Client("good", "v2") +
                                        Client("idle", "") + Client("lost", "v9", "v9") +
                                        Version("\x1b[2J\xff", "v1", kNil) +
                                        Version("good", "v2", "before"));
  const FakeServer server(directory.path(), [](const FakeServer::Request& request) {
    if (request.body.find("good") == std::string::npos) {
      return HttpReply(400, R"({"error":"'client_id' is no UUID."})");
    }
    return HttpReply(
        200,
        R"({"clients":[{"client_id":"good","versions_added":1,"versions_present":0,"snapshot_stored":false}]})");
  });
  const Outcome outcome = RunCommand({"import-reference", path}, directory.path());
  EXPECT_EQ(outcome.status, kExitFailure);
  EXPECT_EQ(outcome.message, "2 clients could not be moved, and 1 client moved in part");
  EXPECT_EQ(outcome.output,
            "1 client: 1 version added, 0 were here already, 0 snapshots stored\n"
            "1 client without history: nothing to move, the first sync here begins it\n");
  EXPECT_THAT(outcome.errors,
              AllOf(HasSubstr("client ?[2J?: not moved: the page from client ?[2J? on: "
                              "'client_id' is no UUID."),
                    HasSubstr("client lost: not moved: the database has its snapshot and none"),
                    HasSubstr("client good: a new computer cannot start until")));
  EXPECT_EQ(server.requests().size(), 2u);
}

}  // namespace
}  // namespace tcsync::server
