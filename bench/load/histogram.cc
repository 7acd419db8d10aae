// The arithmetic between a value and its log-linear bucket.
#include "load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tcsync::load {

// Values below 128 are their own bucket. A larger value whose highest bit is bit n is shifted right
// by n - 7, which leaves 128 to 255: the power of two chooses the group, the rest the place in it.
size_t Histogram::BucketOf(uint64_t nanoseconds) {
  if (nanoseconds < kSubBuckets) return nanoseconds;
  const int shift = static_cast<int>(std::bit_width(nanoseconds)) - 1 - kSubBucketBits;
  const size_t bucket = static_cast<size_t>(shift) * kSubBuckets + (nanoseconds >> shift);
  return std::min(bucket, kBuckets - 1);
}

uint64_t Histogram::MiddleOf(size_t bucket) {
  if (bucket < kSubBuckets) return bucket;
  const uint64_t shift = bucket / kSubBuckets - 1;
  const uint64_t lowest = (kSubBuckets + bucket % kSubBuckets) << shift;
  return lowest + ((uint64_t{1} << shift) - 1) / 2;
}

void Histogram::Record(uint64_t nanoseconds) {
  ++buckets_[BucketOf(nanoseconds)];
  ++count_;
  max_ = std::max(max_, nanoseconds);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

uint64_t Histogram::ValueAtQuantile(double quantile) const {
  if (count_ == 0) return 0;
  const auto wanted = std::clamp<uint64_t>(
      static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(count_))), 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(MiddleOf(i), max_);
  }
  return max_;
}

}  // namespace tcsync::load
