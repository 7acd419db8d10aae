#include "http/body_collector.h"

#include "http/body_memory.h"

namespace tcsync::http {
namespace {

// The first size of a body of unknown length, which then doubles. Usual bodies fit at once.
constexpr uint64_t kFirstReservationBytes = 64 * 1024;

constexpr size_t kDecodeStepBytes = 16 * 1024;

}  // namespace

BodyCollector::BodyCollector(ContentCoding coding, uint64_t declared_bytes, uint64_t bytes_max,
                             std::shared_ptr<ByteBudget> budget)
    : coding_(coding),
      declared_bytes_(coding == ContentCoding::kIdentity ? declared_bytes : 0),
      bytes_max_(bytes_max),
      decoder_(coding),
      charge_(std::move(budget)) {}

BodyCollector::Result BodyCollector::Grow(uint64_t more) {
  const uint64_t needed = body_.size() + more;
  if (needed > bytes_max_) return Result::kTooLarge;
  const BodyGrowth growth{.first_bytes = kFirstReservationBytes,
                          .declared_bytes = declared_bytes_,
                          .bytes_max = bytes_max_,
                          .beside_bytes = BodyDecoder::MemoryBytes(coding_)};
  return GrowBody(body_, needed, growth, charge_) ? Result::kOk : Result::kNoMemory;
}

BodyCollector::Result BodyCollector::AppendDecoded(absl::string_view bytes) {
  const Result result = Grow(bytes.size());
  if (result == Result::kOk) body_.append(bytes.data(), bytes.size());
  return result;
}

BodyCollector::Result BodyCollector::Append(absl::string_view bytes) {
  if (coding_ == ContentCoding::kIdentity) return AppendDecoded(bytes);
  if (body_.empty() && !charge_.TryResize(BodyDecoder::MemoryBytes(coding_))) {
    return Result::kNoMemory;
  }
  std::string step;
  do {
    step.clear();
    Result result = decoder_.Decode(bytes, kDecodeStepBytes, step);
    if (result != Result::kOk) return result;
    result = AppendDecoded(step);
    if (result != Result::kOk) return result;
  } while (!bytes.empty() || decoder_.has_more());
  return Result::kOk;
}

}  // namespace tcsync::http
