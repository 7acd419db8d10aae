// The release of RocksDB that had a database open last.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_RELEASE_NOTE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_RELEASE_NOTE_H_

#include <string>

#include "rocksdb/env.h"

namespace tcsync::rocksdb_storage {

// The end of a message about a database that cannot be opened: if a newer release of RocksDB than
// this program's had it open last, that fact as the possible cause, and the remedy. Empty
// otherwise, and if the release is unknown. `database_path` is RocksDB's own directory.
std::string NewerReleaseNote(rocksdb::Env& env, const std::string& database_path);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_RELEASE_NOTE_H_
