#include "server/administration/reference_database.h"

#include <sqlite3.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "server/concat.h"
#include "server/handles.h"

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

// Puts the versions into their order, by walking back from the latest one.
void FindChain(std::string version_id, Parents parents, ReferenceClient& client) {
  for (auto it = parents.find(version_id); it != parents.end(); it = parents.find(version_id)) {
    client.chain.push_back({it->first, it->second});
    version_id = it->second;
    parents.erase(it);  // so that a circle ends
  }
  std::reverse(client.chain.begin(), client.chain.end());
  client.unreachable_versions = parents.size();
}

bool HasVersion(const ReferenceClient& client, const std::string& version_id) {
  return std::any_of(
      client.chain.begin(), client.chain.end(),
      [&](const ReferenceVersion& version) { return version.version_id == version_id; });
}

}  // namespace

void ReferenceDatabase::CloseDatabase::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

void ReferenceDatabase::FinalizeStatement::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void ReferenceDatabase::Fail(std::string_view doing) const {
  throw Failure(kExitFailure,
                Concat({"cannot ", doing, " ", path_, ": ", sqlite3_errmsg(database_.get())}));
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

ReferenceDatabase::ReferenceDatabase(std::string path) : path_(std::move(path)) {
  sqlite3* database = nullptr;
  const int result = sqlite3_open_v2(path_.c_str(), &database, SQLITE_OPEN_READONLY, nullptr);
  database_.reset(database);
  if (result != SQLITE_OK) Fail("open");
  // One moment for all that follows, also if the reference server should be running.
  if (sqlite3_exec(database, "BEGIN", nullptr, nullptr, nullptr) != SQLITE_OK) Fail("read");
  const Statement count = Prepare("SELECT count(*) FROM clients");
  if (Step(count)) client_count_ = static_cast<uint64_t>(sqlite3_column_int64(count.get(), 0));
  segment_ = Prepare("SELECT history_segment FROM versions WHERE version_id = ?1");
  snapshot_ = Prepare("SELECT snapshot FROM clients WHERE client_id = ?1");
}

ReferenceDatabase::~ReferenceDatabase() = default;

void ReferenceDatabase::ForEachClient(const std::function<void(const ReferenceClient&)>& visit) {
  const Statement clients = Prepare(
      "SELECT client_id, latest_version_id, snapshot_version_id, snapshot_timestamp, "
      "snapshot IS NOT NULL FROM clients ORDER BY client_id");
  // The table has no index on the client, so all versions are put into order once, on the disk
  // where memory does not hold them.
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
    // Versions of a client that is not in the table of clients belong to nobody.
    while (has_version && Text(versions.get(), 0) < client.client_id) has_version = Step(versions);
    Parents parents;
    while (has_version && Text(versions.get(), 0) == client.client_id) {
      parents.emplace(Text(versions.get(), 1), Text(versions.get(), 2));
      has_version = Step(versions);
    }
    FindChain(latest_version_id, std::move(parents), client);
    // A replica that began with it could not go on from there.
    client.snapshot_is_unreachable =
        client.snapshot && !HasVersion(client, client.snapshot->version_id);
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
