// The choice of the storage backend, and the only file that knows whether PostgreSQL was built.
#ifndef TCSYNC_SRC_ENGINE_OPEN_STORAGE_H_
#define TCSYNC_SRC_ENGINE_OPEN_STORAGE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "admin/dependencies.h"
#include "base/logger.h"
#include "metrics/registry.h"
#include "tcsync/options.h"
#include "tcsync/storage.h"

namespace tcsync::engine {

// Opens the storage that the options name. Errors as of Engine::Open. The registry must outlive the
// storage.
absl::StatusOr<std::unique_ptr<Storage>> OpenStorage(const Options& options,
                                                     metrics::Registry& registry,
                                                     const base::Logger& logger);

// The state of the database of these options, and the same after its tables were made or upgraded.
// kInvalidArgument: the options name another storage, or this build knows no database.
absl::StatusOr<admin::DatabaseState> InspectDatabase(const Options& options);
absl::StatusOr<admin::DatabaseState> UpgradeDatabase(const Options& options);

}  // namespace tcsync::engine

#endif  // TCSYNC_SRC_ENGINE_OPEN_STORAGE_H_
