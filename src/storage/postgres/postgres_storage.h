// Storage in a PostgreSQL database, which several servers may share.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_POSTGRES_STORAGE_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_POSTGRES_STORAGE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "base/logger.h"
#include "storage/postgres/postgres_storage_options.h"
#include "tcsync/storage.h"

namespace tcsync::postgres_storage {

// Connects, and checks that the database has tcsync's tables in this release's form; it makes none
// (UpgradeSchema in schema.h does). kInvalidArgument: the connection string is none.
// kFailedPrecondition: there are no tables, or those of another release. kUnavailable: the database
// does not answer.
absl::StatusOr<std::unique_ptr<Storage>> OpenPostgresStorage(const PostgresStorageOptions& options,
                                                             const base::Logger& logger);

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_POSTGRES_STORAGE_H_
