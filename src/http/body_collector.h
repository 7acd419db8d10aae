// Collects a request body as a whole: decodes its content coding, bounds its size, and takes its
// memory from the budget of bodies.
#ifndef TCSYNC_SRC_HTTP_BODY_COLLECTOR_H_
#define TCSYNC_SRC_HTTP_BODY_COLLECTOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "http/body_decoder.h"
#include "http/byte_budget.h"

namespace tcsync::http {

// One thread at a time.
class BodyCollector {
 public:
  using Result = BodyResult;

  // `declared_bytes` is the Content-Length, 0 when unknown: a hint, never trusted with memory.
  BodyCollector(ContentCoding coding, uint64_t declared_bytes, uint64_t bytes_max,
                std::shared_ptr<ByteBudget> budget);
  BodyCollector(const BodyCollector&) = delete;
  BodyCollector& operator=(const BodyCollector&) = delete;

  // The next bytes as received. After a result other than kOk the body is lost.
  Result Append(absl::string_view bytes);

  // At the end: whether the body is complete.
  Result Finish() const { return decoder_.is_complete() ? Result::kOk : Result::kMalformed; }

  std::string TakeBody() { return std::move(body_); }
  ByteCharge TakeCharge() { return std::move(charge_); }

 private:
  // Makes room for `more` bytes.
  Result Grow(uint64_t more);
  Result AppendDecoded(absl::string_view bytes);

  const ContentCoding coding_;
  const uint64_t declared_bytes_;
  const uint64_t bytes_max_;
  BodyDecoder decoder_;
  std::string body_;
  ByteCharge charge_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_BODY_COLLECTOR_H_
