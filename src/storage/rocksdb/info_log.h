// What RocksDB says of itself, which it calls its info log.
//
// By default it writes a file LOG beside the data. On a full disk that fails, and the next line
// then ends the process with a failed assertion, where the library was built with them, as Debian's
// is.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_INFO_LOG_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_INFO_LOG_H_

#include <memory>

#include "base/logger.h"
#include "rocksdb/env.h"

namespace tcsync::rocksdb_storage {

// Warnings and errors become debug messages: what matters to an operator the storage tells itself.
std::shared_ptr<rocksdb::Logger> InfoLogInto(const base::Logger& logger);

// Of databases that are only looked at.
std::shared_ptr<rocksdb::Logger> NoInfoLog();

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_INFO_LOG_H_
