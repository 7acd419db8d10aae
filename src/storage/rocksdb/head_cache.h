// The latest state of recently used clients, so that "anything new?" and compare-and-append read
// nothing from disk.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_HEAD_CACHE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_HEAD_CACHE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/limits.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/storage_instruments.h"
#include "tcsync/uuid.h"

namespace tcsync::rocksdb_storage {

// The head of a client's chain.
struct ChainHead {
  ClientRecord record;
  Uuid latest_version_id;
  uint64_t latest_number = 0;  // 0: no versions, only while the client is being created
  uint64_t history_bytes = 0;  // of all segments up to the latest version's, removed ones included

  uint64_t version_count() const { return latest_number + 1 - record.first_number; }
  uint64_t kept_history_bytes() const { return history_bytes - record.removed_history_bytes; }
  // Whether this and `other`, of one client, are the same: nothing was added or removed in between.
  bool IsSameChain(const ChainHead& other) const {
    return latest_version_id == other.latest_version_id &&
           record.first_number == other.record.first_number;
  }
  // Whether a replica at `version_id` is accepted, if that version is not here.
  bool AcceptsDivergedAt(const Uuid& version_id) const {
    return record.accepts_diverged && !version_id.IsNil();
  }
  uint64_t snapshot_bytes() const { return record.snapshot ? record.snapshot->bytes : 0; }
  // The client's bytes that count towards the limit of all clients together.
  uint64_t live_bytes() const {
    return kept_history_bytes() + snapshot_bytes() + version_count() * base::kVersionRecordBytes +
           base::kClientRecordBytes;
  }
};

// Thread-safe. Keeps the most recently used heads, up to a number of bytes. A head read here is
// never older than the last one published when the read began: a load that a publication of the
// same client overtakes is not cached. No lock is held during a load, so that a slow disk delays
// only the callers that need that head.
class HeadCache {
 public:
  explicit HeadCache(uint64_t bytes_max, const StorageInstruments* instruments = nullptr);

  using Loader = absl::FunctionRef<absl::StatusOr<std::optional<ChainHead>>()>;

  // The client's head, from the cache or else from `load`, which reads the database. nullopt when
  // there is no such client. That is not cached, because strangers must not push out the clients;
  // nor are errors.
  absl::StatusOr<std::optional<ChainHead>> Get(const Uuid& client_id, Loader load);

  // Sets the client's head, which is durable.
  void Publish(const Uuid& client_id, const ChainHead& head);

  // Forgets every head. No load may be under way.
  void Clear();

  // To be called before records of the client are removed from the database: from here on, until
  // Publish or Forget, every Get loads. With a cached head, readers would miss the removed records.
  void Invalidate(const Uuid& client_id);

  // Changes when an invalidation of the client begins and when it ends (and for some other
  // clients).
  uint64_t Removals(const Uuid& client_id) { return StripeOf(client_id).removals; }

  // Drops the client's head: the client does not exist, or its head must be read again.
  void Forget(const Uuid& client_id);

  // The memory of the cached heads.
  uint64_t bytes() const;

 private:
  static constexpr size_t kStripes = 64;

  // One load in progress.
  struct Load {
    Uuid client_id;
    bool is_overtaken = false;  // by a publication
  };
  struct Entry {
    Uuid client_id;
    ChainHead head;
  };
  // A share of the clients.
  struct Stripe {
    std::mutex mutex;          // guards the members below
    std::list<Entry> entries;  // the cached heads, the most recently used first
    absl::flat_hash_map<Uuid, std::list<Entry>::iterator> entry_of;
    absl::InlinedVector<Load*, 4> loads;
    absl::InlinedVector<Uuid, 1> invalidated;
    std::atomic<uint64_t> removals{0};
  };
  class RegisteredLoad;

  Stripe& StripeOf(const Uuid& client_id);
  static std::optional<ChainHead> Lookup(Stripe& stripe, const Uuid& client_id);
  // The following are called with the stripe's mutex held.
  void Insert(Stripe& stripe, const Uuid& client_id, const ChainHead& head) const;
  static void Erase(Stripe& stripe, const Uuid& client_id);
  // Ends an invalidation, and drops the head and the loads in progress.
  static void Drop(Stripe& stripe, const Uuid& client_id);

  // Of one stripe. A hash spreads clients over the stripes, so each gets an equal share.
  const size_t entries_max_;
  mutable std::array<Stripe, kStripes> stripes_;
  const StorageInstruments* const instruments_;
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_HEAD_CACHE_H_
