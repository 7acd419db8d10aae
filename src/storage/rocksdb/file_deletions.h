// Keeps RocksDB from removing files for a while.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_FILE_DELETIONS_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_FILE_DELETIONS_H_

#include "rocksdb/db.h"
#include "rocksdb/version.h"

namespace tcsync::rocksdb_storage {

// While it exists, files that a compaction has replaced stay. At its end RocksDB looks for all
// files that it needs no more.
class DeletionPause {
 public:
  explicit DeletionPause(rocksdb::DB& database) : database_(database) {
    database_.DisableFileDeletions().PermitUncheckedError();
  }
  DeletionPause(const DeletionPause&) = delete;
  DeletionPause& operator=(const DeletionPause&) = delete;
  // Not by force: a backup may have its own pause.
  ~DeletionPause() {
#if ROCKSDB_MAJOR >= 9
    database_.EnableFileDeletions().PermitUncheckedError();
#else
    database_.EnableFileDeletions(/*force=*/false).PermitUncheckedError();
#endif
  }

 private:
  rocksdb::DB& database_;
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_FILE_DELETIONS_H_
