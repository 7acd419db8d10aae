// The tables, and their version (docs/storage-format.md).
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_SCHEMA_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_SCHEMA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/postgres/sessions.h"

namespace tcsync::postgres_storage {

// The version of the tables that this release makes and uses.
inline constexpr int64_t kSchemaVersion = 1;

// OK when the tables are this release's. kFailedPrecondition, with the remedy, for any others or
// none.
absl::Status CheckSchema(Sessions& sessions);

// The state of a database, for an operator.
struct DatabaseReport {
  int64_t schema_version = 0;  // 0: there are no tables of tcsync
  std::string server_version;
  // Settings of the server with which an acknowledged write may be lost, or damage go unnoticed, in
  // sentences.
  std::vector<std::string> warnings;
};
absl::StatusOr<DatabaseReport> InspectDatabase(Sessions& sessions);

// Makes the tables, or upgrades those of an earlier release, in one transaction; one server at a
// time, and others wait. Blocks. Errors as those of OpenPostgresStorage; kPermissionDenied: the role
// may not make tables.
absl::StatusOr<DatabaseReport> UpgradeSchema(const std::string& url);
// The same without a change.
absl::StatusOr<DatabaseReport> InspectDatabase(const std::string& url);

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_SCHEMA_H_
