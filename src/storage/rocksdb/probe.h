// Whether the database works: a record is written in the way of every write, and read back.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_PROBE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_PROBE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace tcsync::rocksdb_storage {

// Adds the record to a batch, and returns its number, which is larger than `latest`, that of the
// process' probe before it, and than those of earlier processes.
uint64_t WriteProbe(uint64_t latest, rocksdb::WriteBatch& writes);

// Reads the record back, which must be that probe's or a later one's, and what stands at a random
// place, because what was just written is still in memory. That reads the disk, unless the block at
// that place is in the cache or nothing stands behind it: both are rare once there is much data.
// May wait for the disk.
absl::Status ReadProbe(rocksdb::DB& database, uint64_t number);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_PROBE_H_
