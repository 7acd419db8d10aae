// Reads the reference server's database, taskchampion-sync-server.sqlite3. It is only read, so its
// server can be started again afterwards.
//
//   clients(client_id, latest_version_id, snapshot_version_id, versions_since_snapshot,
//           snapshot_timestamp, snapshot)
//   versions(version_id, client_id, parent_version_id, history_segment)
//
// IDs are UUIDs in text, the timestamp is in seconds since 1970. The database has no times of
// versions.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_REFERENCE_DATABASE_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_REFERENCE_DATABASE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace tcsync::server {

struct ReferenceVersion {
  std::string version_id;
  std::string parent_version_id;
};

struct ReferenceSnapshot {
  std::string version_id;
  int64_t stored_unix_seconds = 0;
};

struct ReferenceClient {
  std::string client_id;
  // False for a client that was set up but never synced.
  bool has_history = true;
  // The chain up to the latest version, the oldest first, without its segments. Empty when the
  // latest version is missing, or when there never was one.
  std::vector<ReferenceVersion> chain;
  // Of a version of the chain, or of the one just before the first: where its owner removed old
  // versions, the chain continues from there.
  std::optional<ReferenceSnapshot> snapshot;
  // The versions outside that chain, which no replica can reach.
  size_t unreachable_versions = 0;
  bool snapshot_is_unreachable = false;
  // There is no chain, and the snapshot is of the latest version: useful to a replica, but this
  // server keeps no client without a version.
  bool has_only_a_snapshot = false;

  // Whether a computer without tasks of its own can start from the imported part.
  bool new_replica_can_start() const;
};

// One thread. Every function throws Failure, naming the file, for an error of SQLite.
class ReferenceDatabase {
 public:
  // Opens the file for reading, or the one with the reference server's name for it in a directory.
  // Refuses another kind of file, one that is being written to, and a damaged one.
  explicit ReferenceDatabase(const std::string& path);
  ~ReferenceDatabase();
  ReferenceDatabase(const ReferenceDatabase&) = delete;
  ReferenceDatabase& operator=(const ReferenceDatabase&) = delete;

  uint64_t client_count() const { return client_count_; }

  // A possible gap in the file although no fault shows; empty: none.
  const std::string& caution() const { return caution_; }

  // Calls `visit` with each client in the order of their IDs.
  void ForEachClient(const std::function<void(const ReferenceClient&)>& visit);

  // Of a visited version or client.
  std::string Segment(const std::string& version_id);
  std::string SnapshotBytes(const std::string& client_id);

 private:
  struct CloseDatabase {
    void operator()(sqlite3* database) const;
  };
  struct FinalizeStatement {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

  void CheckIntegrity() const;
  [[noreturn]] void Fail(std::string_view doing) const;
  Statement Prepare(const char* sql) const;
  // Whether there is another row.
  bool Step(const Statement& statement) const;
  std::string Blob(const Statement& statement, const std::string& key) const;

  const std::string path_;
  std::unique_ptr<sqlite3, CloseDatabase> database_;
  Statement segment_;
  Statement snapshot_;
  uint64_t client_count_ = 0;
  std::string caution_;
};

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_REFERENCE_DATABASE_H_
