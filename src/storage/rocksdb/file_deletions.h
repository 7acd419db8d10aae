// Keeps RocksDB from removing files for a while.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_FILE_DELETIONS_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_FILE_DELETIONS_H_

#include "rocksdb/db.h"
#include "rocksdb/version.h"

namespace tcsync::rocksdb_storage {

// During its lifetime, files that a compaction has replaced stay. At its end RocksDB removes all
// files that it does not need any more.
class DeletionPause {
 public:
  explicit DeletionPause(rocksdb::DB& database) : database_(database) {
    database_.DisableFileDeletions().PermitUncheckedError();
  }
  DeletionPause(const DeletionPause&) = delete;
  DeletionPause& operator=(const DeletionPause&) = delete;
  // Without force: a backup may have its own pause.
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
