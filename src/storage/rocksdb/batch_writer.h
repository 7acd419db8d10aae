// Writes batches to the database, and keeps the totals of the whole storage.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_BATCH_WRITER_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_BATCH_WRITER_H_

#include <atomic>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "storage/rocksdb/administration.h"
#include "storage/rocksdb/batch_builder.h"
#include "storage/rocksdb/database.h"
#include "storage/rocksdb/head_cache.h"
#include "storage/rocksdb/opening.h"
#include "storage/rocksdb/replica_activity.h"
#include "storage/rocksdb/reserve.h"
#include "storage/rocksdb/storage_instruments.h"
#include "storage/rocksdb/uploads.h"

namespace tcsync::rocksdb_storage {

// Write is for the committer's thread; all other methods are thread-safe.
class BatchWriter {
 public:
  // The parts of the storage that it writes for; borrowed.
  struct Parts {
    Database& database;
    HeadCache& head_cache;
    UploadTable& uploads;
    Reserve& reserve;
    ReplicaActivity& notes;
    const StorageInstruments* instruments = nullptr;  // null: not measured
  };
  BatchWriter(const Parts& parts, const OpenedState& opened)
      : parts_(parts),
        client_count_(opened.totals.clients),
        live_bytes_(opened.totals.live_bytes),
        has_removals_(opened.has_removals) {}

  // Has `decide` collect a batch, writes it, and updates the caches. Nothing is on loan any more
  // when callbacks are called. `bytes`: the approximate size of the batch.
  absl::Status Write(uint64_t bytes, Room room,
                     absl::FunctionRef<absl::Status(BatchBuilder&)> decide);

  // Makes the database writable for that kind of write.
  absl::Status MakeWritable(Room room);

  StorageTotals totals() const { return {.clients = client_count_, .live_bytes = live_bytes_}; }
  // As in AdministeredStorage.
  bool has_removals() const { return has_removals_; }
  void set_has_removals(bool has_removals) { has_removals_ = has_removals; }
  uint64_t removals() const { return removals_; }

 private:
  absl::Status WriteOnce(uint64_t bytes, Room room,
                         absl::FunctionRef<absl::Status(BatchBuilder&)> decide);

  const Parts parts_;
  std::atomic<uint64_t> client_count_;
  std::atomic<uint64_t> live_bytes_;
  std::atomic<bool> has_removals_;     // whether there are notes of removals
  std::atomic<uint64_t> removals_{0};  // by this process
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_BATCH_WRITER_H_
