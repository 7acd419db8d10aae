// The parts that the administration API works with: the common ones, and either those of an open
// engine or the operations without one. All of them are mandatory.
#ifndef TCSYNC_SRC_ADMIN_DEPENDENCIES_H_
#define TCSYNC_SRC_ADMIN_DEPENDENCIES_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "access/top_talkers.h"
#include "base/clock.h"
#include "base/logger.h"
#include "sync/retention.h"
#include "tcsync/options.h"
#include "tcsync/storage.h"
#include "tcsync/storage_administration.h"
#include "tcsync/uuid.h"

namespace tcsync::admin {

// A client of a backup that was written to a file.
struct ExtractedClient {
  uint64_t versions = 0;
  Uuid first_version_id;
  Uuid latest_version_id;
  int64_t latest_appended_unix_seconds = 0;
  std::optional<Uuid> snapshot_version_id;
};

// The findings of a salvage.
struct SalvageReport {
  std::vector<std::string> damage;  // of the directory, in sentences
  uint64_t exported = 0;            // intact clients
  uint64_t versions = 0;            // of them
  struct Skipped {
    Uuid client_id;
    std::vector<std::string> problems;
  };
  std::vector<Skipped> skipped;
};

// Operations on directories of backups. Only the composition root knows backends. Each blocks; an
// absl::Status is as in tcsync/storage_administration.h.
struct BackupOperations {
  // The backups in a directory, the oldest first.
  std::function<absl::StatusOr<std::vector<BackupInfo>>(const std::string& directory)> list;
  // Those of them with the client, or bytes of it.
  std::function<absl::StatusOr<std::vector<BackupInfo>>(const std::string& directory,
                                                        const Uuid& client_id)>
      list_of_client;
  std::function<absl::Status(const std::string& directory, uint32_t backup_id)> remove;
};

// The database of a storage in PostgreSQL.
struct DatabaseState {
  std::string server_version;
  std::string role;                       // that of the connection
  std::optional<int64_t> tables_version;  // 0: there are none. nullopt: the role may not read it
  int64_t release_tables_version = 0;     // the one that this release makes and uses
  std::vector<std::string> warnings;      // of the server's settings, in sentences
  // The reason why a server with the same options would not start, with the remedy; empty if there
  // is none.
  std::string problem;
};

// Operations without an open engine: they need the data directory closed, or run while no requests
// are served.
struct OfflineOperations {
  // Restores a backup, or the latest without a name, to the place of the data directory.
  std::function<absl::StatusOr<BackupInfo>(const std::string& directory,
                                           std::optional<uint32_t> backup_id)>
      restore;
  // Writes one client of a backup, or of the latest without a name, as an export to `output`, an
  // absolute path of a new file. The backup is read in its place. kNotFound when it does not have
  // the client.
  std::function<absl::StatusOr<ExtractedClient>(const std::string& directory,
                                                std::optional<uint32_t> backup_id,
                                                const Uuid& client_id, const std::string& output)>
      extract_client;
  // Opens the readable part of a damaged data directory, which is not changed, and writes every
  // intact client as an export to `output`, as above.
  std::function<absl::StatusOr<SalvageReport>(const std::string& directory,
                                              const std::string& output)>
      salvage;
  // Truncates a damaged log at the beginning of its damage, so that the data directory opens again;
  // with `dry_run` only reports the loss.
  std::function<absl::StatusOr<LogRepair>(bool dry_run)> repair_log;
  // Looks at the database of the options, which may serve meanwhile. kInvalidArgument when these
  // name another storage; kUnavailable when no server takes the connection.
  std::function<absl::StatusOr<DatabaseState>()> check_database;
  // Makes or upgrades the tables there, unless they are this release's.
  std::function<absl::StatusOr<DatabaseState>()> upgrade_database;
};

// The parts of an open engine. Borrowed objects and functions live as long as the handler.
// Functions, here and in the other structs, may be called on the handler's threads, one at a time.
struct OpenEngine {
  Storage& storage;
  // Rereads the access records after a change.
  std::function<absl::Status()> refresh_access;
  // Called after a change of a client's history, for requests that wait for one.
  std::function<void(const Uuid&)> on_changed_history = [](const Uuid&) {};
  // The address of a detected proxy that the option trusted-proxy does not name.
  std::function<std::optional<std::string>()> unnamed_proxy;
  // The level of the log, until the next reload.
  std::function<void(LogLevel)> set_log_level;
  std::function<LogLevel()> log_level;
  const access::TopTalkers& top_talkers;
  // The pseudonym of a client, as in the log.
  std::function<std::string(const Uuid&)> pseudonym_of;
  sync::RetentionPolicy retention;
  const base::Clock& clock;
};

// The parts that administration has with an open engine and without one.
struct CommonParts {
  BackupOperations backups;
  // Rereads files, such as certificates.
  std::function<absl::Status()> reload;
  // The effective options and their sources.
  std::vector<EffectiveOption> options;
  uint64_t body_bytes_max = 0;  // of a request
  base::Logger logger;
};

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_DEPENDENCIES_H_
