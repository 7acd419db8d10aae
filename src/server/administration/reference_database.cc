#include "server/administration/reference_database.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "server/concat.h"
#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

std::string Text(sqlite3_stmt* statement, int column) {
  const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
  return text == nullptr
             ? std::string()
             : std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement, column)));
}

// Version ID to parent ID, of one client.
using Parents = std::unordered_map<std::string, std::string>;

// Orders the versions by walking back from the latest one.
void FindChain(std::string version_id, Parents parents, ReferenceClient& client) {
  for (auto it = parents.find(version_id); it != parents.end(); it = parents.find(version_id)) {
    client.chain.push_back({it->first, it->second});
    version_id = it->second;
    parents.erase(it);  // so that a cycle ends
  }
  std::reverse(client.chain.begin(), client.chain.end());
  client.unreachable_versions = parents.size();
}

constexpr char kNilVersion[] = "00000000-0000-0000-0000-000000000000";
constexpr char kFileName[] = "taskchampion-sync-server.sqlite3";
// The maximum of reported problems; SQLite stops there.
constexpr char kIntegrityCheck[] = "PRAGMA integrity_check(20)";

// The file that a person means by `path`. Never repeats a URL: it may have a password in it.
std::string FileAt(const std::string& path) {
  if (path.starts_with("postgres://") || path.starts_with("postgresql://")) {
    throw Failure(
        kExitUsage,
        "import-reference reads the reference server's SQLite file, and cannot read its PostgreSQL "
        "database. Its clients can move without the database: sync every computer with the old "
        "server once more; then put this server's URL into sync.server.url on each computer, and "
        "sync a change from one of them: it carries its history on here and leaves a snapshot, "
        "from which new computers start");
  }
  if (const size_t scheme = path.find("://"); scheme != std::string::npos) {
    throw Failure(kExitUsage,
                  Concat({"import-reference needs the path of a file, not a URL: leave ",
                          path.substr(0, scheme), ":// away"}));
  }
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return path;
  const std::string file = std::filesystem::path(path) / kFileName;
  if (std::filesystem::exists(file, error)) return file;
  throw Failure(kExitFailure,
                Concat({"the directory ", path, " has no ", kFileName,
                        ": give the reference server's data directory, or the file"}));
}

// Whether the file's header says that changes are in a separate file beside it until a checkpoint
// (https://www.sqlite.org/fileformat.html, section 1.3.3).
bool IsInWalMode(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char header[20] = {};
  return file.read(header, sizeof(header)) && header[18] == 2;
}

std::string CautionFor(const std::string& path) {
  std::error_code error;
  const std::string wal = Concat({path, "-wal"});
  if (!IsInWalMode(path) || std::filesystem::exists(wal, error)) return "";
  return Concat({"there is no ", wal,
                 ". That is right when the reference server was stopped before; but if this is a "
                 "copy that was made while it ran, its last syncs are missing in it: then stop "
                 "that server, copy both files, and import again"});
}

// Whether the client's chain leads from the snapshot to the latest version.
bool CanBeFollowedFrom(const ReferenceClient& client, const ReferenceSnapshot& snapshot) {
  const auto follows = [&](const ReferenceVersion& version) {
    return version.version_id == snapshot.version_id ||
           version.parent_version_id == snapshot.version_id;
  };
  return std::any_of(client.chain.begin(), client.chain.end(), follows);
}

bool IsNil(const std::string& version_id) {
  return version_id.empty() || version_id == kNilVersion;
}

}  // namespace

bool ReferenceClient::new_replica_can_start() const {
  return snapshot.has_value() || (!chain.empty() && IsNil(chain.front().parent_version_id));
}

void ReferenceDatabase::CloseDatabase::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

void ReferenceDatabase::FinalizeStatement::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void ReferenceDatabase::Fail(std::string_view doing) const {
  const bool lacks_room =
      (sqlite3_errcode(database_.get()) & 0xff) == SQLITE_CANTOPEN && IsInWalMode(path_);
  throw Failure(kExitFailure,
                Concat({"cannot ", doing, " ", path_, ": ", sqlite3_errmsg(database_.get()),
                        lacks_room ? "; SQLite needs files of its own beside it: copy it, with the "
                                     "-wal file if there is one, into a directory where this user "
                                     "may write, and import the copy"
                                   : ""}));
}

ReferenceDatabase::Statement ReferenceDatabase::Prepare(const char* sql) const {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql, -1, &statement, nullptr) != SQLITE_OK) {
    Fail("read the reference server's tables in");
  }
  return Statement(statement);
}

bool ReferenceDatabase::Step(const Statement& statement) const {
  const int result = sqlite3_step(statement.get());
  if (result != SQLITE_ROW && result != SQLITE_DONE) Fail("read");
  return result == SQLITE_ROW;
}

ReferenceDatabase::ReferenceDatabase(const std::string& path)
    : path_(FileAt(path)), caution_(CautionFor(path_)) {
  sqlite3* database = nullptr;
  const int result = sqlite3_open_v2(path_.c_str(), &database, SQLITE_OPEN_READONLY, nullptr);
  database_.reset(database);
  if (result != SQLITE_OK) Fail("open");
  // One consistent view from here on, even while the reference server runs.
  if (sqlite3_exec(database, "BEGIN", nullptr, nullptr, nullptr) != SQLITE_OK) Fail("read");
  const Statement count = Prepare("SELECT count(*) FROM clients");
  segment_ = Prepare("SELECT history_segment FROM versions WHERE version_id = ?1");
  snapshot_ = Prepare("SELECT snapshot FROM clients WHERE client_id = ?1");
  // A lookup in a damaged index finds nothing, and reports nothing either.
  CheckIntegrity();
  if (Step(count)) client_count_ = static_cast<uint64_t>(sqlite3_column_int64(count.get(), 0));
}

void ReferenceDatabase::CheckIntegrity() const {
  const Statement check = Prepare(kIntegrityCheck);
  std::string first_problem;
  size_t problems = 0;
  int result = SQLITE_ROW;
  while ((result = sqlite3_step(check.get())) == SQLITE_ROW) {
    const std::string text = Text(check.get(), 0);
    if (text == "ok") continue;
    // Several lines may be one row.
    // The first of them may only name the database.
    const size_t begin = text.starts_with("***") ? text.find('\n') + 1 : 0;
    if (problems++ == 0) first_problem = text.substr(begin, text.find('\n', begin) - begin);
  }
  if (result != SQLITE_DONE && problems++ == 0) first_problem = sqlite3_errmsg(database_.get());
  if (problems == 0) return;
  if (sqlite3_errcode(database_.get()) == SQLITE_NOTADB) Fail("read");
  throw Failure(
      kExitFailure,
      Concat(
          {path_, " is damaged, and nothing of it was imported: ", first_problem,
           problems > 1 ? Concat({" (and ", std::to_string(problems - 1), " more)"}) : "",
           ". Import a copy from before the damage, or the part of this one that SQLite can read: "
           "sqlite3 '",
           path_, "' .dump | sqlite3 recovered.sqlite3"}));
}

ReferenceDatabase::~ReferenceDatabase() = default;

void ReferenceDatabase::ForEachClient(const std::function<void(const ReferenceClient&)>& visit) {
  const Statement clients = Prepare(
      "SELECT client_id, latest_version_id, snapshot_version_id, snapshot_timestamp, "
      "snapshot IS NOT NULL FROM clients ORDER BY client_id");
  // The table has no index on the client, so all versions are sorted once, on the disk if they
  // exceed the memory.
  const Statement versions =
      Prepare("SELECT client_id, version_id, parent_version_id FROM versions ORDER BY client_id");
  bool has_version = Step(versions);
  while (Step(clients)) {
    ReferenceClient client;
    client.client_id = Text(clients.get(), 0);
    const std::string latest_version_id = Text(clients.get(), 1);
    const std::string snapshot_version_id = Text(clients.get(), 2);
    if (!snapshot_version_id.empty() && sqlite3_column_int(clients.get(), 4) != 0) {
      client.snapshot =
          ReferenceSnapshot{.version_id = snapshot_version_id,
                            .stored_unix_seconds = sqlite3_column_int64(clients.get(), 3)};
    }
    // Versions of a client that is not in the table of clients have no owner.
    while (has_version && Text(versions.get(), 0) < client.client_id) has_version = Step(versions);
    Parents parents;
    while (has_version && Text(versions.get(), 0) == client.client_id) {
      parents.emplace(Text(versions.get(), 1), Text(versions.get(), 2));
      has_version = Step(versions);
    }
    client.has_history =
        !IsNil(latest_version_id) || client.snapshot.has_value() || !parents.empty();
    FindChain(latest_version_id, std::move(parents), client);
    client.has_only_a_snapshot =
        client.chain.empty() && client.snapshot && client.snapshot->version_id == latest_version_id;
    // A replica that started from it could not continue.
    client.snapshot_is_unreachable =
        client.snapshot && !CanBeFollowedFrom(client, *client.snapshot);
    if (client.snapshot_is_unreachable) client.snapshot.reset();
    visit(client);
  }
}

std::string ReferenceDatabase::Blob(const Statement& statement, const std::string& key) const {
  sqlite3_bind_text(statement.get(), 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
  std::string bytes;
  if (Step(statement)) {
    const auto* const data = static_cast<const char*>(sqlite3_column_blob(statement.get(), 0));
    const int size = sqlite3_column_bytes(statement.get(), 0);
    if (size > 0) bytes.assign(data, static_cast<size_t>(size));
  }
  sqlite3_reset(statement.get());
  return bytes;
}

std::string ReferenceDatabase::Segment(const std::string& version_id) {
  return Blob(segment_, version_id);
}

std::string ReferenceDatabase::SnapshotBytes(const std::string& client_id) {
  return Blob(snapshot_, client_id);
}

}  // namespace tcsync::server
