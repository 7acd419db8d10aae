// The pool of random bytes, and the arithmetic from a segment's number to its bytes.
#include "load/segments.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "load/mix.h"

namespace tcsync::load {
namespace {

constexpr size_t kPoolBytes = size_t{4} << 20;

}  // namespace

Segments::Segments(size_t segment_bytes, uint64_t seed)
    : segment_bytes_(segment_bytes), seed_(seed), pool_(kPoolBytes + segment_bytes) {
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < pool_.size(); i += sizeof(uint64_t)) {
    const uint64_t bits = random();
    std::memcpy(&pool_[i], &bits, std::min(sizeof(bits), pool_.size() - i));
  }
}

absl::string_view Segments::Head(uint64_t number, Stamp* stamp) const {
  const uint64_t first = Mix(number ^ seed_);
  const uint64_t second = Mix(first);
  std::memcpy(stamp->data(), &first, sizeof(first));
  std::memcpy(stamp->data() + sizeof(first), &second, sizeof(second));
  return {stamp->data(), std::min(kStampBytes, segment_bytes_)};
}

absl::string_view Segments::Tail(uint64_t number) const {
  if (segment_bytes_ <= kStampBytes) return {};
  const size_t offset = Mix(number + seed_) % kPoolBytes;
  return {&pool_[offset], segment_bytes_ - kStampBytes};
}

bool Segments::Matches(uint64_t number, absl::string_view segment) const {
  if (segment.size() != segment_bytes_) return false;
  Stamp stamp;
  const absl::string_view head = Head(number, &stamp);
  return segment.substr(0, head.size()) == head && segment.substr(head.size()) == Tail(number);
}

}  // namespace tcsync::load
