// How RocksDB makes the files of the write-ahead log, and how they are hidden from it.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_LOG_FILE_SYSTEM_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_LOG_FILE_SYSTEM_H_

#include <memory>

#include "rocksdb/env.h"

namespace tcsync::rocksdb_storage {

// `base`, which is borrowed, but for one thing: the space that is set aside for a log file counts
// as its length from the beginning. Then a sync of the log writes data only, and not the file's new
// length as well, which takes a second write to the disk. A log that was cut off by a crash ends in
// zeros, where reading it back stops; closing a log cuts them off.
std::unique_ptr<rocksdb::Env> EnvWithFullLengthLogs(rocksdb::Env& base);

// `base`, which is borrowed, but without the log files in its directories: a database opens as if
// it had none, and replays nothing.
std::unique_ptr<rocksdb::Env> EnvWithoutLogs(rocksdb::Env& base);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_LOG_FILE_SYSTEM_H_
