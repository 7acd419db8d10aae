// The tables, and their version (docs/storage-format.md).
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_SCHEMA_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_SCHEMA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tcsync::postgres_storage {

class Sessions;

// The version of the tables that this release makes and uses.
inline constexpr int64_t kSchemaVersion = 2;

// The state of a database, for an operator.
struct DatabaseReport {
  // 0: there are no tables of tcsync. nullopt: this role may not read the version.
  std::optional<int64_t> schema_version;
  std::string server_version;
  std::string role;  // that of the connection, quoted where SQL needs it
  // The tables that the role may not use; "all" when it may use none.
  std::string forbidden_tables;
  // Settings of the server with which an acknowledged write may be lost, or damage go unnoticed, in
  // sentences.
  std::vector<std::string> warnings;
};
absl::StatusOr<DatabaseReport> InspectDatabase(Sessions& sessions);

// OK when a server can start on such a database: the tables are this release's, and the role may
// use them. Otherwise kFailedPrecondition or kPermissionDenied, with the remedy.
absl::Status CheckReport(const DatabaseReport& report);

// Makes the tables, or upgrades those of an earlier release, in one transaction; one server at a
// time, and others wait. Blocks. Errors as those of OpenPostgresStorage; kPermissionDenied: the
// role may not make tables.
absl::StatusOr<DatabaseReport> UpgradeSchema(const std::string& url);
// The same without a change.
absl::StatusOr<DatabaseReport> InspectDatabase(const std::string& url);

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_SCHEMA_H_
