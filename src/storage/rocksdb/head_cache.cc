#include "storage/rocksdb/head_cache.h"

#include "absl/hash/hash.h"
#include "rocksdb/slice.h"

namespace tcsync {
namespace {

// What an entry takes: the head, its key, RocksDB's handle and the allocator's share.
constexpr size_t kEntryBytes = sizeof(ChainHead) + Uuid::kBytes + 112;
constexpr int kShardBits = 4;

rocksdb::Slice KeyOf(const Uuid& client_id) {
  return {client_id.AsStringView().data(), Uuid::kBytes};
}

void DeleteHead(const rocksdb::Slice&, void* value) { delete static_cast<ChainHead*>(value); }

}  // namespace

HeadCache::HeadCache(uint64_t bytes_max) : cache_(rocksdb::NewLRUCache(bytes_max, kShardBits)) {}

std::mutex& HeadCache::StripeOf(const Uuid& client_id) {
  return stripes_[absl::HashOf(client_id) % kStripes];
}

std::optional<ChainHead> HeadCache::Lookup(const Uuid& client_id) {
  rocksdb::Cache::Handle* const handle = cache_->Lookup(KeyOf(client_id));
  if (handle == nullptr) return std::nullopt;
  const ChainHead head = *static_cast<const ChainHead*>(cache_->Value(handle));
  cache_->Release(handle);
  return head;
}

void HeadCache::Insert(const Uuid& client_id, const ChainHead& head) {
  auto value = std::make_unique<ChainHead>(head);
  // The cache owns the value from here on, also when it has no room for it.
  const rocksdb::Status status =
      cache_->Insert(KeyOf(client_id), value.release(), kEntryBytes, &DeleteHead);
  status.PermitUncheckedError();
}

absl::StatusOr<std::optional<ChainHead>> HeadCache::Get(const Uuid& client_id, Loader load) {
  if (std::optional<ChainHead> head = Lookup(client_id)) return head;
  const std::lock_guard lock(StripeOf(client_id));
  // Another thread may have loaded it while this one waited.
  if (std::optional<ChainHead> head = Lookup(client_id)) return head;
  absl::StatusOr<std::optional<ChainHead>> loaded = load();
  if (loaded.ok() && loaded->has_value()) Insert(client_id, **loaded);
  return loaded;
}

void HeadCache::Publish(const Uuid& client_id, const ChainHead& head) {
  const std::lock_guard lock(StripeOf(client_id));
  // A cache without room drops what is inserted, and would keep the older head.
  cache_->Erase(KeyOf(client_id));
  Insert(client_id, head);
}

}  // namespace tcsync
