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

// Where a client's chain stands.
struct ChainHead {
  ClientRecord record;
  Uuid latest_version_id;
  uint64_t latest_number = 0;  // 0: no versions, which only a client that is being created has
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
  // What the client counts towards what all clients together may have.
  uint64_t live_bytes() const {
    return kept_history_bytes() + snapshot_bytes() + version_count() * base::kVersionRecordBytes +
           base::kClientRecordBytes;
  }
};

// Thread-safe. Keeps the most recently used heads, up to a number of bytes. A head that is read
// here is never older than what was published when the read began: a load that a publication of the
// same client overtakes is not kept. No lock is held while a head is loaded, so that a slow disk
// holds up nobody but who needs that head.
class HeadCache {
 public:
  explicit HeadCache(uint64_t bytes_max, const StorageInstruments* instruments = nullptr);

  using Loader = absl::FunctionRef<absl::StatusOr<std::optional<ChainHead>>()>;

  // The client's head, from the cache or else from `load`, which reads the database. nullopt when
  // there is no such client, which is not cached: strangers must not push out the clients. Nor are
  // errors.
  absl::StatusOr<std::optional<ChainHead>> Get(const Uuid& client_id, Loader load);

  // Makes a durable head the client's head.
  void Publish(const Uuid& client_id, const ChainHead& head);

  // Forgets every head. No load may be under way.
  void Clear();

  // Before something of the client is removed from the database: from here on until Publish or
  // Forget every Get loads. A cached head would have readers miss records that are gone by then.
  void Invalidate(const Uuid& client_id);

  // Changes when a invalidation of the client begins and when it ends (and of some other clients).
  uint64_t Removals(const Uuid& client_id) { return StripeOf(client_id).removals; }

  // Keeps no head of the client: there is none, or what it is must be read again.
  void Forget(const Uuid& client_id);

  // What the heads take that are cached.
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
  // Some of the clients.
  struct Stripe {
    std::mutex mutex;          // of what follows
    std::list<Entry> entries;  // the cached heads, the most recently used first
    absl::flat_hash_map<Uuid, std::list<Entry>::iterator> entry_of;
    absl::InlinedVector<Load*, 4> loads;
    absl::InlinedVector<Uuid, 1> invalidated;
    std::atomic<uint64_t> removals{0};
  };
  class RegisteredLoad;

  Stripe& StripeOf(const Uuid& client_id);
  static std::optional<ChainHead> Lookup(Stripe& stripe, const Uuid& client_id);
  // The rest is called with the stripe's mutex.
  void Insert(Stripe& stripe, const Uuid& client_id, const ChainHead& head) const;
  static void Erase(Stripe& stripe, const Uuid& client_id);
  // Ends a invalidation, and keeps nothing that is older than now.
  static void Drop(Stripe& stripe, const Uuid& client_id);

  // Of one stripe. Clients are spread over the stripes by a hash, so each gets an equal share.
  const size_t entries_max_;
  mutable std::array<Stripe, kStripes> stripes_;
  const StorageInstruments* const instruments_;
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_HEAD_CACHE_H_
