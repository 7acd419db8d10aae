#include "storage/rocksdb/head_cache.h"

#include <algorithm>

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

HeadCache::HeadCache(uint64_t bytes_max, const StorageInstruments* instruments)
    : cache_(rocksdb::NewLRUCache(bytes_max, kShardBits)), instruments_(instruments) {}

HeadCache::Stripe& HeadCache::StripeOf(const Uuid& client_id) {
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

// Stands in its stripe's list for as long as it lives.
class HeadCache::RegisteredLoad {
 public:
  RegisteredLoad(Stripe& stripe, const Uuid& client_id) : stripe_(stripe), load_{client_id} {
    const std::lock_guard lock(stripe_.mutex);
    stripe_.loads.push_back(&load_);
  }
  RegisteredLoad(const RegisteredLoad&) = delete;
  RegisteredLoad& operator=(const RegisteredLoad&) = delete;
  ~RegisteredLoad() {
    const std::lock_guard lock(stripe_.mutex);
    stripe_.loads.erase(std::find(stripe_.loads.begin(), stripe_.loads.end(), &load_));
  }

  // With the stripe's mutex.
  bool is_overtaken() const { return load_.is_overtaken; }

 private:
  Stripe& stripe_;
  Load load_;
};

absl::StatusOr<std::optional<ChainHead>> HeadCache::Get(const Uuid& client_id, Loader load) {
  std::optional<ChainHead> head = Lookup(client_id);
  if (instruments_ != nullptr) {
    (head ? instruments_->head_cache_hits : instruments_->head_cache_misses).Add();
  }
  if (head) return head;
  Stripe& stripe = StripeOf(client_id);
  const RegisteredLoad registered(stripe, client_id);
  absl::StatusOr<std::optional<ChainHead>> loaded = load();
  if (!loaded.ok() || !loaded->has_value()) return loaded;
  const std::lock_guard lock(stripe.mutex);
  const bool is_withdrawn = std::find(stripe.withdrawn.begin(), stripe.withdrawn.end(),
                                      client_id) != stripe.withdrawn.end();
  if (!is_withdrawn && !registered.is_overtaken()) Insert(client_id, **loaded);
  return loaded;
}

void HeadCache::Drop(Stripe& stripe, const Uuid& client_id) {
  const auto ended = std::remove(stripe.withdrawn.begin(), stripe.withdrawn.end(), client_id);
  if (ended != stripe.withdrawn.end()) {
    stripe.withdrawn.erase(ended, stripe.withdrawn.end());
    ++stripe.removals;
  }
  for (Load* const load : stripe.loads) {
    if (load->client_id == client_id) load->is_overtaken = true;
  }
  // A cache without room drops what is inserted, and would keep the older head.
  cache_->Erase(KeyOf(client_id));
}

void HeadCache::Publish(const Uuid& client_id, const ChainHead& head) {
  Stripe& stripe = StripeOf(client_id);
  const std::lock_guard lock(stripe.mutex);
  Drop(stripe, client_id);
  Insert(client_id, head);
}

void HeadCache::Withdraw(const Uuid& client_id) {
  Stripe& stripe = StripeOf(client_id);
  const std::lock_guard lock(stripe.mutex);
  cache_->Erase(KeyOf(client_id));
  stripe.withdrawn.push_back(client_id);
  ++stripe.removals;
}

void HeadCache::Forget(const Uuid& client_id) {
  Stripe& stripe = StripeOf(client_id);
  const std::lock_guard lock(stripe.mutex);
  Drop(stripe, client_id);
}

}  // namespace tcsync
