// Compares the files of a database with the checksums from the time of their writing.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_FILE_VERIFIER_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_FILE_VERIFIER_H_

#include "absl/status/status.h"
#include "rocksdb/db.h"
#include "tcsync/storage_upkeep.h"

namespace tcsync::rocksdb_storage {

// StorageAdministration::VerifyFiles of an open database. RocksDB has the same in one call, which
// neither reports progress nor can be cancelled.
absl::Status VerifyFiles(rocksdb::DB& database, Progress progress);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_FILE_VERIFIER_H_
