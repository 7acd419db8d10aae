// Storage in memory, for trials and tests. It is gone at the end of the process, so its "durable"
// is worth nothing; in everything else it keeps the contract of tcsync/storage.h.
#ifndef TCSYNC_SRC_STORAGE_MEMORY_MEMORY_STORAGE_H_
#define TCSYNC_SRC_STORAGE_MEMORY_MEMORY_STORAGE_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "tcsync/storage.h"

namespace tcsync {

// Thread-safe. Callbacks run before the call that took them returns.
class MemoryStorage final : public Storage {
 public:
  void Append(AppendRequest request, AppendCallback done) override;
  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override;
  void GetChild(const Uuid& client_id, const Uuid& parent_version_id, ChildCallback done) override;
  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override;

 private:
  struct StoredSnapshot {
    Snapshot snapshot;
    size_t version_count = 0;  // of the chain up to and with the snapshot's version
    int64_t stored_unix_seconds = 0;
  };
  struct Client {
    std::vector<Version> chain;
    absl::flat_hash_map<Uuid, size_t> index_by_parent;  // into `chain`
    std::optional<StoredSnapshot> snapshot;

    Uuid LatestVersionId() const { return chain.empty() ? Uuid() : chain.back().version_id; }
    std::optional<SnapshotSummary> Summary() const;
  };

  AppendOutcome AppendLocked(AppendRequest request);
  StoreSnapshotOutcome StoreSnapshotLocked(StoreSnapshotRequest request);
  ChildOutcome GetChildLocked(const Uuid& client_id, const Uuid& parent_version_id) const;
  std::optional<Snapshot> GetSnapshotLocked(const Uuid& client_id) const;

  std::mutex mutex_;
  absl::flat_hash_map<Uuid, Client> clients_;  // under mutex_
};

}  // namespace tcsync

#endif  // TCSYNC_SRC_STORAGE_MEMORY_MEMORY_STORAGE_H_
