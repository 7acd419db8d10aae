#include "storage/rocksdb/replica_activity.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/hash/hash.h"
#include "base/limits.h"
#include "storage/replicas_ahead.h"
#include "storage/rocksdb/record_codec.h"

namespace tcsync::rocksdb_storage {
namespace {

// Makes room for one more by removing a note that is already written; false when there is none.
template <typename Map>
bool MakeRoom(Map& notes, size_t max) {
  if (notes.size() < max) return true;
  std::erase_if(notes, [](const auto& entry) { return !entry.second.is_changed; });
  return notes.size() < max;
}

}  // namespace

ReplicaActivity::Shard& ReplicaActivity::ShardOf(const Uuid& client_id) {
  return shards_[absl::HashOf(client_id) % kShards];
}

const ReplicaActivity::Shard& ReplicaActivity::ShardOf(const Uuid& client_id) const {
  return shards_[absl::HashOf(client_id) % kShards];
}

bool ReplicaActivity::IsNoted(const Uuid& client_id, const Uuid& version_id, uint32_t day) const {
  const Shard& shard = ShardOf(client_id);
  const std::lock_guard lock(shard.mutex);
  const auto it = shard.positions.find({client_id, day});
  return it != shard.positions.end() && it->second.last_version_id == version_id;
}

void ReplicaActivity::Note(const Uuid& client_id, const Uuid& version_id, uint64_t number,
                           uint32_t day) {
  Shard& shard = ShardOf(client_id);
  const std::lock_guard lock(shard.mutex);
  auto it = shard.positions.find({client_id, day});
  if (it == shard.positions.end()) {
    if (!MakeRoom(shard.positions, base::kReplicaActivityMax / kShards)) return;
    it = shard.positions.try_emplace({client_id, day}).first;
    it->second.oldest_number = number;
    it->second.is_changed = true;
  }
  PositionNote& note = it->second;
  note.last_version_id = version_id;
  if (number >= note.oldest_number) return;
  note.oldest_number = number;
  note.is_changed = true;
}

void ReplicaActivity::NoteUnresolved(const Unresolved& note) {
  const std::lock_guard lock(unresolved_mutex_);
  if (unresolved_.size() < base::kUnresolvedNotesMax) unresolved_.push_back(note);
}

std::vector<ReplicaActivity::Unresolved> ReplicaActivity::TakeUnresolved() {
  const std::lock_guard lock(unresolved_mutex_);
  return std::exchange(unresolved_, {});
}

void ReplicaActivity::NoteAhead(const Uuid& client_id, const Uuid& version_id,
                                int64_t now_unix_seconds) {
  Shard& shard = ShardOf(client_id);
  const std::lock_guard lock(shard.mutex);
  auto it = shard.ahead.find(client_id);
  if (it == shard.ahead.end()) {
    if (!MakeRoom(shard.ahead, base::kAheadNotesMax / kShards)) return;
    it = shard.ahead.try_emplace(client_id).first;
  }
  storage::AddReplicaAhead({version_id, now_unix_seconds}, it->second.replicas);
  it->second.is_changed = true;
}

ReplicaActivity::Changes ReplicaActivity::Changed() const {
  Changes changes;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    for (const auto& [key, note] : shard.positions) {
      if (note.is_changed) changes.positions.push_back({key.first, key.second, note.oldest_number});
    }
    for (const auto& [client_id, note] : shard.ahead) {
      if (note.is_changed) changes.ahead.push_back({client_id, note.replicas});
    }
  }
  return changes;
}

ReplicaActivity::Changes ReplicaActivity::Take() {
  Changes changes;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    uint32_t newest_day = 0;
    for (auto& [key, note] : shard.positions) {
      newest_day = std::max(newest_day, key.second);
      if (!std::exchange(note.is_changed, false)) continue;
      changes.positions.push_back({key.first, key.second, note.oldest_number});
    }
    for (auto& [client_id, note] : shard.ahead) {
      if (std::exchange(note.is_changed, false)) {
        changes.ahead.push_back({client_id, note.replicas});
      }
    }
    std::erase_if(shard.positions,
                  [&](const auto& entry) { return entry.first.second < newest_day; });
  }
  return changes;
}

void ReplicaActivity::Restore(const Changes& changes) {
  for (const Position& position : changes.positions) {
    Shard& shard = ShardOf(position.client_id);
    const std::lock_guard lock(shard.mutex);
    const auto [it, is_new] = shard.positions.try_emplace({position.client_id, position.day});
    PositionNote& note = it->second;
    note.oldest_number =
        is_new ? position.oldest_number : std::min(note.oldest_number, position.oldest_number);
    note.is_changed = true;
  }
  for (const Ahead& ahead : changes.ahead) {
    Shard& shard = ShardOf(ahead.client_id);
    const std::lock_guard lock(shard.mutex);
    AheadNote& note = shard.ahead[ahead.client_id];
    for (const ReplicaAhead& replica : ahead.replicas)
      storage::AddReplicaAhead(replica, note.replicas);
    note.is_changed = true;
  }
}

void ReplicaActivity::Forget(const Uuid& client_id) {
  Shard& shard = ShardOf(client_id);
  const std::lock_guard lock(shard.mutex);
  std::erase_if(shard.positions, [&](const auto& entry) { return entry.first.first == client_id; });
  shard.ahead.erase(client_id);
}

void LoadForNotes(const ReplicaActivity::Changes& changes, const ChainReader& reader) {
  for (const ReplicaActivity::Position& position : changes.positions) {
    static_cast<void>(reader.Read(PositionKey(position.client_id, position.day)).ok());
  }
  for (const ReplicaActivity::Ahead& ahead : changes.ahead) {
    static_cast<void>(reader.Read(ReplicasAheadKey(ahead.client_id)).ok());
  }
}

absl::Status WriteNotes(const ReplicaActivity::Changes& changes, BatchBuilder& batch) {
  for (const ReplicaActivity::Position& position : changes.positions) {
    const auto head = batch.Head(position.client_id);
    if (!head.ok()) return head.status();
    if (!head->has_value() || position.oldest_number > (*head)->latest_number) continue;
    const std::string key = PositionKey(position.client_id, position.day);
    const auto stored = batch.reader().Read(key);
    if (!stored.ok()) return stored.status();
    const std::optional<uint64_t> stored_number =
        stored->has_value() ? DecodeNumber(**stored) : std::nullopt;
    if (stored_number && *stored_number <= position.oldest_number) continue;
    batch.Put(key, EncodeNumber(position.oldest_number));
  }
  for (const ReplicaActivity::Ahead& ahead : changes.ahead) {
    const auto head = batch.Head(ahead.client_id);
    if (!head.ok()) return head.status();
    if (!head->has_value()) continue;
    const std::string key = ReplicasAheadKey(ahead.client_id);
    const auto stored = batch.reader().Read(key);
    if (!stored.ok()) return stored.status();
    std::vector<ReplicaAhead> replicas;
    if (stored->has_value()) replicas = DecodeReplicasAhead(**stored).value_or(replicas);
    // The oldest first, so that the latest is inserted at the front last.
    std::for_each(ahead.replicas.rbegin(), ahead.replicas.rend(), [&](const ReplicaAhead& replica) {
      storage::AddReplicaAhead(replica, replicas);
    });
    batch.Put(key, EncodeReplicasAhead(replicas));
  }
  return absl::OkStatus();
}

}  // namespace tcsync::rocksdb_storage
