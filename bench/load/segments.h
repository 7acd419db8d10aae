// The history segments that the load program writes. Each can be made again from its number, so
// that an answer can be checked without a copy of the sent segment.
//
// A segment is a 16-byte stamp, which no other segment of the run has, and then a slice of one
// shared pool of random bytes, at a place that the number decides. Nothing is generated or copied
// per request: the two parts are sent from their places. The pool is large enough that two slices
// near each other in a server's storage rarely overlap, so a server that compresses gains nothing,
// as with real, sealed segments.
#ifndef TCSYNC_BENCH_LOAD_SEGMENTS_H_
#define TCSYNC_BENCH_LOAD_SEGMENTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace tcsync::load {

// Immutable once made, so any number of threads may use one.
class Segments {
 public:
  static constexpr size_t kStampBytes = 16;
  using Stamp = std::array<char, kStampBytes>;

  // `segment_bytes` is at least 1; below kStampBytes the stamp is cut, and may repeat.
  Segments(size_t segment_bytes, uint64_t seed);

  size_t segment_bytes() const { return segment_bytes_; }

  // The first part of segment `number`, written to `stamp`; the view is of `stamp`.
  absl::string_view Head(uint64_t number, Stamp* stamp) const;

  // The rest of segment `number`; valid as long as this object.
  absl::string_view Tail(uint64_t number) const;

  bool Matches(uint64_t number, absl::string_view segment) const;

 private:
  const size_t segment_bytes_;
  const uint64_t seed_;
  std::vector<char> pool_;
};

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_SEGMENTS_H_
