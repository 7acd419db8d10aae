// Token buckets: a limit on the rate of requests.
#ifndef TCSYNC_SRC_ACCESS_RATE_LIMITER_H_
#define TCSYNC_SRC_ACCESS_RATE_LIMITER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "absl/hash/hash.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace tcsync::access {

struct RateLimit {
  int64_t requests = 0;  // in each `period`, on average; 0: no limit
  absl::Duration period = absl::Seconds(1);
  int64_t burst = 1;  // at once; at least 1
};

// One bucket for each key: full at first with `burst` tokens, and filled again at the limit's rate.
//
// A bucket is kept as one number, the time at which it will be full again (the "theoretical arrival
// time" of the generic cell rate algorithm). Each taken token delays that time by the time in which
// one token comes back. So a bucket whose time has passed is full, and is forgotten: only recent
// keys take memory, and for no longer than their own tokens take to come back.
//
// Memory is bounded all the same. If there is no room for another bucket, the fullest ones are
// forgotten, which loses the least knowledge. Hence no one's empty bucket becomes full by requests
// under many other keys: most of the others would have to be as empty, which takes as many requests
// for each of them. And it empties no one's bucket.
//
// Thread-safe. Takes a lock of one of several parts for some ten nanoseconds.
class RateLimiter {
 public:
  using Key = std::array<uint8_t, 16>;

  // Keeps at most `buckets_max` buckets. `clock` must never step: Clock::Steady(). Borrows it.
  RateLimiter(const RateLimit& limit, size_t buckets_max, const base::Clock& clock);

  // Takes a token, and returns zero; or, without one, takes nothing and returns the time until the
  // next.
  absl::Duration Take(const Key& key);

  // Puts an unused token back.
  void GiveBack(const Key& key);

  // The buckets in memory.
  size_t bucket_count() const;

 private:
  static constexpr size_t kShards = 16;

  struct Shard {
    mutable std::mutex mutex;
    // Under mutex. Not Abseil's map, which is corrupted when memory runs out while it grows.
    std::unordered_map<Key, int64_t, absl::Hash<Key>> full_at_nanos;
  };

  Shard& ShardOf(const Key& key);
  int64_t NowNanos() const { return absl::ToUnixNanos(clock_.Now()); }
  // With the shard's mutex held: makes room for one more.
  void MakeRoom(Shard& shard, int64_t now);

  const bool is_limited_;
  const int64_t nanos_per_token_;
  const int64_t nanos_per_burst_;  // in which an empty bucket is full again
  const size_t shard_buckets_max_;
  const base::Clock& clock_;
  std::array<Shard, kShards> shards_;
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_RATE_LIMITER_H_
