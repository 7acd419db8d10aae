#include "metrics/instruments.h"

#include <algorithm>

namespace tcsync::metrics {
namespace {

constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr uint64_t kMicrosecond = 1'000;
constexpr uint64_t kMillisecond = 1'000'000;

// `count` bounds from `first` on, each `factor` times the previous one.
Buckets Powers(uint64_t first, uint64_t factor, int count) {
  Buckets buckets;
  uint64_t bound = first;
  for (int i = 0; i < count; ++i) {
    buckets.bounds.push_back(bound);
    bound *= factor;
  }
  return buckets;
}

}  // namespace

size_t ThisThreadsShard() {
  static std::atomic<size_t> threads{0};
  static thread_local const size_t shard =
      threads.fetch_add(1, std::memory_order_relaxed) % kShards;
  return shard;
}

uint64_t Counter::Value() const {
  uint64_t value = 0;
  for (const Shard& shard : shards_) value += shard.value.load(std::memory_order_relaxed);
  return value;
}

Buckets RequestSeconds() {
  Buckets buckets;
  for (const uint64_t microseconds : {50, 100, 250, 500}) {
    buckets.bounds.push_back(microseconds * kMicrosecond);
  }
  for (const uint64_t milliseconds :
       {1, 2, 5, 10, 25, 50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000, 30'000}) {
    buckets.bounds.push_back(milliseconds * kMillisecond);
  }
  buckets.units_per_base = kNanosecondsPerSecond;
  return buckets;
}

Buckets DiskSeconds() {
  Buckets buckets;
  for (const uint64_t microseconds : {100, 250, 500}) {
    buckets.bounds.push_back(microseconds * kMicrosecond);
  }
  for (const uint64_t milliseconds :
       {1, 2, 5, 10, 25, 50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000}) {
    buckets.bounds.push_back(milliseconds * kMillisecond);
  }
  buckets.units_per_base = kNanosecondsPerSecond;
  return buckets;
}

Buckets Counts() { return Powers(1, 2, 12); }

Buckets Bytes() { return Powers(256, 4, 10); }

Histogram::Histogram(const Buckets& buckets)
    : buckets_(buckets),
      cells_per_shard_([&] {
        constexpr size_t kCellsPerLine = kCacheLineBytes / sizeof(std::atomic<uint64_t>);
        const size_t cells = buckets.bounds.size() + 2;
        return (cells + kCellsPerLine - 1) / kCellsPerLine * kCellsPerLine;
      }()),
      cells_(std::make_unique<std::atomic<uint64_t>[]>(kShards * cells_per_shard_)) {}

void Histogram::Observe(uint64_t value) {
  // A linear search, because most values are in one of the first buckets, and there are few.
  const std::vector<uint64_t>& bounds = buckets_.bounds;
  size_t bucket = 0;
  while (bucket < bounds.size() && value > bounds[bucket]) ++bucket;
  const size_t shard = ThisThreadsShard();
  Cell(shard, bucket).fetch_add(1, std::memory_order_relaxed);
  Cell(shard, bounds.size() + 1).fetch_add(value, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::Read() const {
  Snapshot snapshot;
  snapshot.counts.resize(buckets_.bounds.size() + 1);
  for (size_t shard = 0; shard < kShards; ++shard) {
    for (size_t bucket = 0; bucket < snapshot.counts.size(); ++bucket) {
      snapshot.counts[bucket] += Cell(shard, bucket).load(std::memory_order_relaxed);
    }
    snapshot.sum += Cell(shard, snapshot.counts.size()).load(std::memory_order_relaxed);
  }
  return snapshot;
}

}  // namespace tcsync::metrics
