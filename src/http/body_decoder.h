// Decodes the content coding of a request body, which its head names, in steps of bounded size: a
// few bytes can decode to any number.
#ifndef TCSYNC_SRC_HTTP_BODY_DECODER_H_
#define TCSYNC_SRC_HTTP_BODY_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/http_message.h"

namespace tcsync::http {

enum class ContentCoding { kIdentity, kGzip, kDeflate };

// nullopt for an unsupported coding or a list of several. Empty means identity.
std::optional<ContentCoding> ParseContentCoding(absl::string_view content_encoding);

// The Content-Length, 0 when it is absent. A malformed one cannot bound anything, and counts as
// absent: the received bytes are counted anyway.
uint64_t DeclaredBytesOf(const RequestHead& head);

// The results of receiving a request body.
enum class BodyResult {
  kOk,
  kTooLarge,   // over the limit after decoding
  kNoMemory,   // the budget is used up for now
  kMalformed,  // contradicts its content coding, or truncated
  kStopped,    // storage refuses it or the rest of it
};

inline constexpr absl::string_view kMalformedBodySentence =
    "The request body is damaged or cut short: it does not decode as its Content-Encoding says.";

// One thread at a time.
class BodyDecoder {
 public:
  // The memory of one decoder.
  static uint64_t MemoryBytes(ContentCoding coding);

  explicit BodyDecoder(ContentCoding coding);
  ~BodyDecoder();
  BodyDecoder(const BodyDecoder&) = delete;
  BodyDecoder& operator=(const BodyDecoder&) = delete;

  // Consumes bytes at the beginning of `input` and appends their decoded form, until `output` has
  // `output_bytes_max` bytes or the input is used up. A result other than kOk is the end.
  BodyResult Decode(absl::string_view& input, size_t output_bytes_max, std::string& output);

  // Whether consumed bytes of the input may still decode to output.
  bool has_more() const;

  // Whether the input so far is complete.
  bool is_complete() const;

 private:
  class Inflater;

  std::unique_ptr<Inflater> inflater_;  // nullptr for identity
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_BODY_DECODER_H_
