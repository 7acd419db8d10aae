// What is to be known and done when a database has just been opened.
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

// What is known of the whole storage when it is opened.
struct OpenedState {
  StorageTotals totals;
  bool has_removals = false;  // whether there are notes of removals
};

// Reads it, and brings a directory of an older format to this one.
absl::StatusOr<OpenedState> ReadOpenedState(rocksdb::DB& database, const ChainReader& reader,
                                            DataDirectory& directory);

// Removes what uploads left behind that were under way when the last process ended.
void RemoveAbandonedUploads(AdministeredStorage& storage, const base::Logger& logger);

// Discards uploads of which that has failed; on a full disk it takes the reserve.
void DiscardAgain(AdministeredStorage& storage);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_OPENING_H_
