// The choice of the storage backend.
#ifndef TCSYNC_SRC_ENGINE_OPEN_STORAGE_H_
#define TCSYNC_SRC_ENGINE_OPEN_STORAGE_H_

#include <memory>

#include "absl/status/statusor.h"
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

}  // namespace tcsync::engine

#endif  // TCSYNC_SRC_ENGINE_OPEN_STORAGE_H_
