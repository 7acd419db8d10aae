// A latency histogram with under 1% error from 1 ns to 18 minutes, in fixed memory.
//
// Log-linear: each power of two is divided into 128 equal buckets, so a bucket is at most 1/128 of
// its value wide; values below 128 are exact. Recording is one increment and never allocates.
#ifndef TCSYNC_BENCH_LOAD_HISTOGRAM_H_
#define TCSYNC_BENCH_LOAD_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace tcsync::load {

// Thread-compatible: each thread records into its own, and Merge adds them up at the end.
class Histogram {
 public:
  void Record(uint64_t nanoseconds);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }

  // The value below or at which the fraction `quantile` (0 to 1) of the recorded values lies: the
  // middle of its bucket, never more than max(). 0 when nothing was recorded.
  uint64_t ValueAtQuantile(double quantile) const;

 private:
  static constexpr int kSubBucketBits = 7;
  static constexpr uint64_t kSubBuckets = uint64_t{1} << kSubBucketBits;
  static constexpr int kValueBits = 40;  // 2^40 ns are 18 minutes; longer values go to the last
  static constexpr size_t kBuckets = (kValueBits - kSubBucketBits + 1) * kSubBuckets;

  static size_t BucketOf(uint64_t nanoseconds);
  static uint64_t MiddleOf(size_t bucket);

  uint64_t count_ = 0;
  uint64_t max_ = 0;
  std::array<uint64_t, kBuckets> buckets_{};
};

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_HISTOGRAM_H_
