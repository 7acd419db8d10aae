#include "access/rate_limiter.h"

#include <algorithm>
#include <vector>

#include "absl/hash/hash.h"

namespace tcsync::access {

RateLimiter::RateLimiter(const RateLimit& limit, size_t buckets_max, const base::Clock& clock)
    : is_limited_(limit.requests > 0),
      nanos_per_token_(is_limited_ ? std::max<int64_t>(
                                         1, absl::ToInt64Nanoseconds(limit.period) / limit.requests)
                                   : 0),
      nanos_per_burst_(nanos_per_token_ * std::max<int64_t>(1, limit.burst)),
      shard_buckets_max_(std::max<size_t>(1, buckets_max / kShards)),
      clock_(clock) {}

RateLimiter::Shard& RateLimiter::ShardOf(const Key& key) {
  // Uses other bits of the hash than the map, so that a shard's keys spread over its map.
  return shards_[(absl::HashOf(key) >> 48) % kShards];
}

void RateLimiter::MakeRoom(Shard& shard, int64_t now) {
  auto& buckets = shard.full_at_nanos;
  if (buckets.size() < shard_buckets_max_) return;
  std::erase_if(buckets, [now](const auto& bucket) { return bucket.second <= now; });
  // An eighth at a time, so that many insertions share the cost of the walk.
  const size_t kept_max = shard_buckets_max_ - std::max<size_t>(1, shard_buckets_max_ / 8);
  if (buckets.size() <= kept_max) return;
  std::vector<int64_t> times;
  times.reserve(buckets.size());
  for (const auto& [key, full_at] : buckets) times.push_back(full_at);
  size_t too_many = buckets.size() - kept_max;
  const auto last_to_go = times.begin() + static_cast<ptrdiff_t>(too_many - 1);
  std::nth_element(times.begin(), last_to_go, times.end());
  const int64_t last = *last_to_go;
  std::erase_if(buckets, [last, &too_many](const auto& bucket) {
    if (bucket.second > last || too_many == 0) return false;
    --too_many;
    return true;
  });
}

absl::Duration RateLimiter::Take(const Key& key) {
  if (!is_limited_) return absl::ZeroDuration();
  const int64_t now = NowNanos();
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  auto it = shard.full_at_nanos.find(key);
  const int64_t full_at = it == shard.full_at_nanos.end() ? now : std::max(it->second, now);
  const int64_t next_full_at = full_at + nanos_per_token_;
  const int64_t missing = next_full_at - now - nanos_per_burst_;
  if (missing > 0) return absl::Nanoseconds(missing);
  if (it != shard.full_at_nanos.end()) {
    it->second = next_full_at;
  } else {
    MakeRoom(shard, now);
    shard.full_at_nanos.emplace(key, next_full_at);
  }
  return absl::ZeroDuration();
}

void RateLimiter::GiveBack(const Key& key) {
  if (!is_limited_) return;
  const int64_t now = NowNanos();
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  const auto it = shard.full_at_nanos.find(key);
  if (it == shard.full_at_nanos.end()) return;
  it->second -= nanos_per_token_;
  if (it->second <= now) shard.full_at_nanos.erase(it);
}

size_t RateLimiter::bucket_count() const {
  size_t count = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    count += shard.full_at_nanos.size();
  }
  return count;
}

}  // namespace tcsync::access
