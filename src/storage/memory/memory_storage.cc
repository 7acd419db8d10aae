#include "storage/memory/memory_storage.h"

#include <algorithm>
#include <utility>

namespace tcsync {

std::optional<SnapshotSummary> MemoryStorage::Client::Summary() const {
  if (!snapshot) return std::nullopt;
  return SnapshotSummary{.version_id = snapshot->snapshot.version_id,
                         .stored_unix_seconds = snapshot->stored_unix_seconds,
                         .versions_since = chain.size() - snapshot->version_count};
}

AppendOutcome MemoryStorage::AppendLocked(AppendRequest request) {
  auto it = clients_.find(request.client_id);
  if (it == clients_.end()) {
    if (!request.create_client) return NoSuchClient{};
    it = clients_.try_emplace(request.client_id).first;
  }
  Client& client = it->second;
  if (!client.chain.empty() && client.LatestVersionId() != request.expected_parent) {
    return Conflict{client.LatestVersionId()};
  }
  const Uuid version_id = Uuid::RandomWithNumber(client.chain.size() + 1);
  client.index_by_parent[request.expected_parent] = client.chain.size();
  client.chain.push_back({version_id, request.expected_parent, std::move(request.segment)});
  return Appended{version_id, client.Summary()};
}

void MemoryStorage::Append(AppendRequest request, AppendCallback done) {
  AppendOutcome outcome = [&] {
    const std::lock_guard lock(mutex_);
    return AppendLocked(std::move(request));
  }();
  done(std::move(outcome));
}

StoreSnapshotOutcome MemoryStorage::StoreSnapshotLocked(StoreSnapshotRequest request) {
  const auto it = clients_.find(request.client_id);
  if (it == clients_.end()) return StoreSnapshotOutcome::kNoSuchClient;
  Client& client = it->second;
  const size_t oldest_wanted =
      client.chain.size() - std::min<size_t>(client.chain.size(), request.recent_versions_max);
  for (size_t count = client.chain.size(); count > oldest_wanted; --count) {
    if (client.chain[count - 1].version_id != request.version_id) continue;
    if (client.snapshot && client.snapshot->version_count >= count) break;
    client.snapshot = StoredSnapshot{.snapshot = {request.version_id, std::move(request.bytes)},
                                     .version_count = count,
                                     .stored_unix_seconds = request.now_unix_seconds};
    return StoreSnapshotOutcome::kStored;
  }
  return StoreSnapshotOutcome::kNotWanted;
}

void MemoryStorage::StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) {
  const StoreSnapshotOutcome outcome = [&] {
    const std::lock_guard lock(mutex_);
    return StoreSnapshotLocked(std::move(request));
  }();
  done(outcome);
}

ChildOutcome MemoryStorage::GetChildLocked(const Uuid& client_id,
                                           const Uuid& parent_version_id) const {
  const auto it = clients_.find(client_id);
  if (it == clients_.end()) return NoSuchClient{};
  const Client& client = it->second;
  const auto child = client.index_by_parent.find(parent_version_id);
  if (child == client.index_by_parent.end()) return NoChild{client.LatestVersionId()};
  return client.chain[child->second];
}

void MemoryStorage::GetChild(const Uuid& client_id, const Uuid& parent_version_id,
                             ChildCallback done) {
  ChildOutcome outcome = [&] {
    const std::lock_guard lock(mutex_);
    return GetChildLocked(client_id, parent_version_id);
  }();
  done(std::move(outcome));
}

std::optional<Snapshot> MemoryStorage::GetSnapshotLocked(const Uuid& client_id) const {
  const auto it = clients_.find(client_id);
  if (it == clients_.end() || !it->second.snapshot) return std::nullopt;
  return it->second.snapshot->snapshot;
}

void MemoryStorage::GetSnapshot(const Uuid& client_id, SnapshotCallback done) {
  std::optional<Snapshot> snapshot = [&] {
    const std::lock_guard lock(mutex_);
    return GetSnapshotLocked(client_id);
  }();
  done(std::move(snapshot));
}

}  // namespace tcsync
