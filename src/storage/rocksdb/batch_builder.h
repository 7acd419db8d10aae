// Decides a batch of writes against the clients' heads and collects what to write for it.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_BATCH_BUILDER_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_BATCH_BUILDER_H_

#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "rocksdb/write_batch.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/head_cache.h"
#include "tcsync/storage.h"

namespace tcsync {

// Used for one batch, by the committer's thread. Outcomes hold only once the batch is written, and
// later requests of the batch see the earlier ones. Segments and snapshots are released as soon as
// they stand in the batch, so that a large one is in memory once.
class BatchBuilder {
 public:
  BatchBuilder(const ChainReader& reader, HeadCache& head_cache, uint64_t reserved_bytes)
      : reader_(reader), head_cache_(head_cache), writes_(reserved_bytes) {}

  absl::StatusOr<AppendOutcome> Append(AppendRequest& request);
  absl::StatusOr<StoreSnapshotOutcome> StoreSnapshot(StoreSnapshotRequest& request);

  rocksdb::WriteBatch& writes() { return writes_; }

  // After the batch was written.
  void PublishHeads();

 private:
  // The head as it is after the batch so far; nullopt when there is no such client.
  absl::StatusOr<std::optional<ChainHead>> Head(const Uuid& client_id);

  const ChainReader& reader_;
  HeadCache& head_cache_;
  rocksdb::WriteBatch writes_;
  absl::flat_hash_map<Uuid, ChainHead> changed_heads_;
};

}  // namespace tcsync

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_BATCH_BUILDER_H_
