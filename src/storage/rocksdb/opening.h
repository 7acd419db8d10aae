// Work on a database that has just been opened.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_OPENING_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_OPENING_H_

#include "absl/status/statusor.h"
#include "base/logger.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/administration.h"
#include "storage/rocksdb/batch_builder.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/data_directory.h"

namespace tcsync::rocksdb_storage {

// The state of the whole storage at its opening.
struct OpenedState {
  StorageTotals totals;
  bool has_removals = false;  // whether there are notes of removals
};

// Reads that state, and upgrades a directory of an older format.
absl::StatusOr<OpenedState> ReadOpenedState(rocksdb::DB& database, const ChainReader& reader,
                                            DataDirectory& directory);

// Removes the pieces of uploads that the end of the last process interrupted.
void RemoveAbandonedUploads(AdministeredStorage& storage, const base::Logger& logger);

// Discards uploads for which that has failed; on a full disk it uses the reserve.
void DiscardAgain(AdministeredStorage& storage);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_OPENING_H_
