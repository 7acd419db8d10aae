// Undoes the content coding of a request body, in steps of bounded size: a few bytes can decode to
// any number.
#ifndef TCSYNC_SRC_HTTP_BODY_DECODER_H_
#define TCSYNC_SRC_HTTP_BODY_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace tcsync::http {

enum class ContentCoding { kIdentity, kGzip, kDeflate };

// nullopt for a coding, or a list of several, that is not supported. Empty means identity.
std::optional<ContentCoding> ParseContentCoding(absl::string_view content_encoding);

// What may become of a request body.
enum class BodyResult {
  kOk,
  kTooLarge,   // more than is taken after decoding
  kNoMemory,   // the budget is used up at the moment
  kMalformed,  // not what its content coding says, or cut short
  kStopped,    // storage does not take it, or not all of it
};

// One thread at a time.
class BodyDecoder {
 public:
  // What one takes of memory.
  static uint64_t MemoryBytes(ContentCoding coding);

  explicit BodyDecoder(ContentCoding coding);
  ~BodyDecoder();
  BodyDecoder(const BodyDecoder&) = delete;
  BodyDecoder& operator=(const BodyDecoder&) = delete;

  // Takes bytes off the front of `input` and appends what they decode to, until `output` has
  // `output_bytes_max` bytes or the input is used up. Anything but kOk is the end.
  BodyResult Decode(absl::string_view& input, size_t output_bytes_max, std::string& output);

  // Whether bytes of the input that was used up may still decode to something.
  bool has_more() const;

  // Whether what came is complete.
  bool is_complete() const;

 private:
  class Inflater;

  std::unique_ptr<Inflater> inflater_;  // nullptr for identity
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_BODY_DECODER_H_
