// Collects a request body as it arrives: undoes its content coding, bounds its size, and takes its
// memory from the budget of bodies.
#ifndef TCSYNC_SRC_HTTP_BODY_COLLECTOR_H_
#define TCSYNC_SRC_HTTP_BODY_COLLECTOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/http_message.h"

namespace tcsync::http {

enum class ContentCoding { kIdentity, kGzip, kDeflate };

// nullopt for a coding, or a list of several, that is not supported. Empty means identity.
std::optional<ContentCoding> ParseContentCoding(absl::string_view content_encoding);

// One thread at a time.
class BodyCollector {
 public:
  enum class Result {
    kOk,
    kTooLarge,   // more than bytes_max after decoding
    kNoMemory,   // the budget is used up at the moment
    kMalformed,  // not what its content coding says, or cut short
  };

  // `declared_bytes` is the Content-Length, 0 when unknown: a hint, never trusted with memory.
  BodyCollector(ContentCoding coding, uint64_t declared_bytes, uint64_t bytes_max,
                std::shared_ptr<ByteBudget> budget);
  ~BodyCollector();
  BodyCollector(const BodyCollector&) = delete;
  BodyCollector& operator=(const BodyCollector&) = delete;

  // The next bytes as they came. After anything but kOk the body is lost.
  Result Append(absl::string_view bytes);

  // At the end: whether what came is complete.
  Result Finish() const;

  std::string TakeBody() { return std::move(body_); }
  ByteCharge TakeCharge() { return std::move(charge_); }

 private:
  class Inflater;

  // Makes room for `more` bytes.
  Result Grow(uint64_t more);
  Result AppendDecoded(absl::string_view bytes);

  const uint64_t declared_bytes_;
  const uint64_t bytes_max_;
  std::string body_;
  ByteCharge charge_;
  std::unique_ptr<Inflater> inflater_;  // nullptr for identity
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_BODY_COLLECTOR_H_
