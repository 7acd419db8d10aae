// RocksDB's messages about itself, which it calls its info log.
//
// By default RocksDB writes a file LOG beside the data. On a full disk that fails, and the next
// line then ends the process with a failed assertion in a library that was built with them, such as
// Debian's.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_INFO_LOG_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_INFO_LOG_H_

#include <memory>

#include "base/logger.h"
#include "rocksdb/env.h"

namespace tcsync::rocksdb_storage {

// Warnings and errors become debug messages, because storage itself reports what an operator needs.
std::shared_ptr<rocksdb::Logger> InfoLogInto(const base::Logger& logger);

// For databases that are opened for reading only.
std::shared_ptr<rocksdb::Logger> NoInfoLog();

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_INFO_LOG_H_
