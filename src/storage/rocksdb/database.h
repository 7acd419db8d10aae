// The RocksDB database under the storage, with each of its settings' reason.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_H_

#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tcsync/log.h"

namespace tcsync {

rocksdb::Options DatabaseOptions(const RocksdbStorageOptions& options, rocksdb::Env& env,
                                 const Logger& logger);

}  // namespace tcsync

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DATABASE_H_
