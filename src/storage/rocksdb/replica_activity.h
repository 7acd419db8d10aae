// Notes of replicas that are not on the disk yet: the positions at which they ended their syncs,
// and replicas at versions that are not here.
//
// "Anything new?" is the most frequent request, and every "no" is a note. So a note without news
// costs one look into a hash map, and news wait in memory until they are written together
// (RocksdbStorage::FlushNotes).
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_REPLICA_ACTIVITY_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_REPLICA_ACTIVITY_H_

#include <array>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "storage/rocksdb/batch_builder.h"
#include "tcsync/client_histories.h"
#include "tcsync/uuid.h"

namespace tcsync::rocksdb_storage {

// Thread-safe. Bounded: further notes are dropped.
class ReplicaActivity {
 public:
  struct Position {
    Uuid client_id;
    uint32_t day = 0;
    uint64_t oldest_number = 0;
  };
  struct Ahead {
    Uuid client_id;
    std::vector<ReplicaAhead> replicas;  // the latest seen first, at most kReplicasAheadMax
  };
  struct Changes {
    std::vector<Position> positions;
    std::vector<Ahead> ahead;
    bool empty() const { return positions.empty() && ahead.empty(); }
  };
  // A replica that ended a sync at a version whose number is not known yet.
  struct Unresolved {
    Uuid client_id;
    Uuid version_id;
    uint32_t day = 0;
  };

  // Whether the last note of that client and day was of this version.
  bool IsNoted(const Uuid& client_id, const Uuid& version_id, uint32_t day) const;
  void Note(const Uuid& client_id, const Uuid& version_id, uint64_t number, uint32_t day);
  void NoteUnresolved(const Unresolved& note);
  void NoteAhead(const Uuid& client_id, const Uuid& version_id, int64_t now_unix_seconds);

  std::vector<Unresolved> TakeUnresolved();

  // The notes to be written. Take() marks them as written, and Restore() reverts that.
  Changes Changed() const;
  Changes Take();
  void Restore(const Changes& changes);

  // The client's history was removed, and the notes about its replicas with it.
  void Forget(const Uuid& client_id);

 private:
  static constexpr size_t kShards = 16;

  struct PositionNote {
    Uuid last_version_id;  // of the last note
    uint64_t oldest_number = 0;
    bool is_changed = false;
  };
  struct AheadNote {
    std::vector<ReplicaAhead> replicas;
    bool is_changed = false;
  };
  // A share of the clients.
  struct Shard {
    mutable std::mutex mutex;
    // By client and day. Not Abseil's maps, which are left inconsistent when memory runs out while
    // they grow.
    using ClientDay = std::pair<Uuid, uint32_t>;
    std::unordered_map<ClientDay, PositionNote, absl::Hash<ClientDay>> positions;
    std::unordered_map<Uuid, AheadNote, absl::Hash<Uuid>> ahead;
  };

  Shard& ShardOf(const Uuid& client_id);
  const Shard& ShardOf(const Uuid& client_id) const;

  std::array<Shard, kShards> shards_;
  std::mutex unresolved_mutex_;
  std::vector<Unresolved> unresolved_;
};

// Reads the records that WriteNotes will need.
void LoadForNotes(const ReplicaActivity::Changes& changes, const ChainReader& reader);
// Adds the notes that are newer than the stored ones to the batch. Omits clients that do not exist,
// and numbers that are not in their chains.
absl::Status WriteNotes(const ReplicaActivity::Changes& changes, BatchBuilder& batch);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_REPLICA_ACTIVITY_H_
