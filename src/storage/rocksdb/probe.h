// Checks that the database works: writes a record like any other write, and reads it back.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_PROBE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_PROBE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace tcsync::rocksdb_storage {

// Adds the record to a batch and returns its number, which is larger than `latest`, the number of
// this process' previous probe, and than those of earlier processes.
uint64_t WriteProbe(uint64_t latest, rocksdb::WriteBatch& writes);

// Reads the record back, which must be that probe's or a later one's, and also the record at a
// random place, because the one just written is still in memory. The second read reaches the disk
// unless the block is in the cache or there is no record behind that place: both are rare in a
// large database. May wait for the disk.
absl::Status ReadProbe(rocksdb::DB& database, uint64_t number);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_PROBE_H_
