#include "storage/rocksdb/head_cache.h"

#include <algorithm>

#include "absl/hash/hash.h"

namespace tcsync::rocksdb_storage {
namespace {

// The memory of an entry: its node of the list with two pointers and the allocator's overhead, and
// a place in the table, which is a little less than half full after it has grown.
constexpr size_t kEntryBytes = sizeof(ChainHead) + Uuid::kBytes + 112;

}  // namespace

HeadCache::HeadCache(uint64_t bytes_max, const StorageInstruments* instruments)
    : entries_max_(bytes_max / kStripes / kEntryBytes), instruments_(instruments) {}

HeadCache::Stripe& HeadCache::StripeOf(const Uuid& client_id) {
  // Another hash than the tables' own, whose bits would otherwise be the same within a stripe.
  return stripes_[absl::HashOf(client_id, kStripes) % kStripes];
}

std::optional<ChainHead> HeadCache::Lookup(Stripe& stripe, const Uuid& client_id) {
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.entry_of.find(client_id);
  if (found == stripe.entry_of.end()) return std::nullopt;
  stripe.entries.splice(stripe.entries.begin(), stripe.entries, found->second);
  return found->second->head;
}

void HeadCache::Insert(Stripe& stripe, const Uuid& client_id, const ChainHead& head) const {
  if (entries_max_ == 0) return;
  Erase(stripe, client_id);
  if (stripe.entries.size() == entries_max_) {
    stripe.entry_of.erase(stripe.entries.back().client_id);
    stripe.entries.pop_back();
  }
  stripe.entries.push_front({client_id, head});
  stripe.entry_of.emplace(client_id, stripe.entries.begin());
}

void HeadCache::Erase(Stripe& stripe, const Uuid& client_id) {
  const auto found = stripe.entry_of.find(client_id);
  if (found == stripe.entry_of.end()) return;
  stripe.entries.erase(found->second);
  stripe.entry_of.erase(found);
}

void HeadCache::Clear() {
  for (Stripe& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    stripe.entry_of.clear();
    stripe.entries.clear();
  }
}

uint64_t HeadCache::bytes() const {
  uint64_t entries = 0;
  for (Stripe& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    entries += stripe.entries.size();
  }
  return entries * kEntryBytes;
}

// In its stripe's list during its lifetime.
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

  // The stripe's mutex must be held.
  bool is_overtaken() const { return load_.is_overtaken; }

 private:
  Stripe& stripe_;
  Load load_;
};

absl::StatusOr<std::optional<ChainHead>> HeadCache::Get(const Uuid& client_id, Loader load) {
  Stripe& stripe = StripeOf(client_id);
  std::optional<ChainHead> head = Lookup(stripe, client_id);
  if (instruments_ != nullptr) {
    (head ? instruments_->head_cache_hits : instruments_->head_cache_misses).Add();
  }
  if (head) return head;
  const RegisteredLoad registered(stripe, client_id);
  absl::StatusOr<std::optional<ChainHead>> loaded = load();
  if (!loaded.ok() || !loaded->has_value()) return loaded;
  const std::lock_guard lock(stripe.mutex);
  const bool is_invalidated = std::find(stripe.invalidated.begin(), stripe.invalidated.end(),
                                        client_id) != stripe.invalidated.end();
  if (!is_invalidated && !registered.is_overtaken()) Insert(stripe, client_id, **loaded);
  return loaded;
}

void HeadCache::Drop(Stripe& stripe, const Uuid& client_id) {
  const auto ended = std::remove(stripe.invalidated.begin(), stripe.invalidated.end(), client_id);
  if (ended != stripe.invalidated.end()) {
    stripe.invalidated.erase(ended, stripe.invalidated.end());
    ++stripe.removals;
  }
  for (Load* const load : stripe.loads) {
    if (load->client_id == client_id) load->is_overtaken = true;
  }
  Erase(stripe, client_id);
}

void HeadCache::Publish(const Uuid& client_id, const ChainHead& head) {
  Stripe& stripe = StripeOf(client_id);
  const std::lock_guard lock(stripe.mutex);
  Drop(stripe, client_id);
  Insert(stripe, client_id, head);
}

void HeadCache::Invalidate(const Uuid& client_id) {
  Stripe& stripe = StripeOf(client_id);
  const std::lock_guard lock(stripe.mutex);
  Erase(stripe, client_id);
  stripe.invalidated.push_back(client_id);
  ++stripe.removals;
}

void HeadCache::Forget(const Uuid& client_id) {
  Stripe& stripe = StripeOf(client_id);
  const std::lock_guard lock(stripe.mutex);
  Drop(stripe, client_id);
}

}  // namespace tcsync::rocksdb_storage
