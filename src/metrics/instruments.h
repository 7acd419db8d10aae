// Counters, gauges and histograms of work on requests. Writing to one costs some nanoseconds and
// never waits; reading adds up the parts of all threads.
#ifndef TCSYNC_SRC_METRICS_INSTRUMENTS_H_
#define TCSYNC_SRC_METRICS_INSTRUMENTS_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"

namespace tcsync::metrics {

// The number of parts of a counter's value. The threads that serve requests are a few event loops,
// the committer and the readers: with as many parts, two of them rarely share one.
inline constexpr size_t kShards = 8;

// The part of the calling thread.
size_t ThisThreadsShard();

// The unit of memory that one core may cache while others write beside it.
inline constexpr size_t kCacheLineBytes = 64;

// A number that only grows. Thread-safe.
class Counter {
 public:
  void Add(uint64_t amount = 1) {
    shards_[ThisThreadsShard()].value.fetch_add(amount, std::memory_order_relaxed);
  }
  uint64_t Value() const;

 private:
  struct alignas(kCacheLineBytes) Shard {
    std::atomic<uint64_t> value{0};
  };
  std::array<Shard, kShards> shards_;
};

// A number that goes up and down. Thread-safe.
class Gauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
  int64_t Value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// The buckets of a histogram. Observations are whole numbers of a small unit, so that their sum is
// exact and adding to it needs no loop; `units_per_base` of them make one of the exported base
// unit.
struct Buckets {
  std::vector<uint64_t> bounds;  // inclusive upper ones, growing; the values above have a bucket
  uint64_t units_per_base = 1;
};

// Observed in nanoseconds, exported in seconds: from the time of a memory access to the patience of
// a person.
Buckets RequestSeconds();
// Observed in nanoseconds, exported in seconds: from a fast disk's sync to a disk that hangs.
Buckets DiskSeconds();
// Powers of two from 1, for numbers up to some hundreds.
Buckets Counts();
// Powers of four from 256 bytes to 64 MiB.
Buckets Bytes();

// The number of values in each range. Thread-safe.
class Histogram {
 public:
  explicit Histogram(const Buckets& buckets);

  void Observe(uint64_t value);
  // In a histogram of nanoseconds; a negative time counts as zero.
  void Observe(std::chrono::nanoseconds time) {
    Observe(static_cast<uint64_t>(time.count() < 0 ? 0 : time.count()));
  }

  struct Snapshot {
    std::vector<uint64_t> counts;  // of each bucket by itself; the last one is above every bound
    uint64_t sum = 0;              // in small units
  };
  Snapshot Read() const;

  const Buckets& buckets() const { return buckets_; }

 private:
  std::atomic<uint64_t>& Cell(size_t shard, size_t index) const {
    return cells_[shard * cells_per_shard_ + index];
  }

  const Buckets buckets_;
  // For each shard: its buckets, the one above, and the sum; then padding to the cache line.
  const size_t cells_per_shard_;
  const std::unique_ptr<std::atomic<uint64_t>[]> cells_;
};

}  // namespace tcsync::metrics

#endif  // TCSYNC_SRC_METRICS_INSTRUMENTS_H_
