// The database's tables, which are TaskChampion's, and their upgrade.
//
//   tasks        uuid, data (JSON: operation_json.h)
//   operations   id (ascending), data (JSON), uuid (computed from data), synced
//   sync_meta    key, value: 'base_version', the version ID
//   working_set  id (the small number), uuid
//   version      one row: major, minor
//
// A database of TaskChampion before 1.0 has no table of versions, which counts as 0.0, and that of
// 0.8 and before has neither the column uuid nor synced: there, a sync removed what it had sent.
#ifndef TCSYNC_SRC_REPLICA_SCHEMA_H_
#define TCSYNC_SRC_REPLICA_SCHEMA_H_

#include "absl/status/status.h"
#include "replica/sqlite.h"

namespace tcsync::replica {

// Makes the tables, or upgrades those that are there, in one transaction. A later minor version is
// left as it is: it is compatible. kFailedPrecondition for a later major version.
absl::Status UpgradeSchema(Connection& connection);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_SCHEMA_H_
