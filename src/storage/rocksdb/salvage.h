// Opens the readable part of a damaged data directory, for reading only.
//
// The directory is never changed: everything happens in a directory of its own below TMPDIR, with
// copies of the database's bookkeeping and with links to its table files, blob files and logs.
//
//   1. With its own bookkeeping the database is opened as it is. Damage within files then affects
//      the clients whose records it hit, as in any check.
//   2. Where bookkeeping or whole table files are missing or unusable, RocksDB's repairer creates
//      new bookkeeping from the readable table files and logs. It omits blob files, so their
//      entries are added to its manifest here, before the table files.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_SALVAGE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_SALVAGE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tcsync/storage.h"

namespace tcsync::rocksdb_storage {

struct SalvagedStorage {
  std::unique_ptr<Storage> storage;
  // The damaged and missing parts, with the consequences, in sentences.
  std::vector<std::string> damage;
};

// `directory` is a data directory, or a copy of one. It is locked against a server, and the files
// made in TMPDIR are removed, when the storage is destroyed. kAlreadyExists when a server has it
// open; kNotFound when there is no database in it; kFailedPrecondition when its format is newer;
// kDataLoss when nothing could be opened.
absl::StatusOr<SalvagedStorage> OpenForSalvage(const std::string& directory);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_SALVAGE_H_
