// Storage in a RocksDB directory.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_ROCKSDB_STORAGE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_ROCKSDB_STORAGE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "base/logger.h"
#include "storage/rocksdb/rocksdb_storage_options.h"
#include "tcsync/storage.h"

namespace tcsync::rocksdb_storage {

// Opens the directory, and creates it when it does not exist. Errors as of Engine::Open.
absl::StatusOr<std::unique_ptr<Storage>> OpenRocksdbStorage(const RocksdbStorageOptions& options,
                                                            const base::Logger& logger);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_ROCKSDB_STORAGE_H_
