// Decodes the chunked transfer coding of a request's body (RFC 9112, section 7.1).
//
//   chunk   = 1*HEXDIG [ *space ";" extension ] CRLF data CRLF
//   body    = *chunk 1*"0" [ *space ";" extension ] CRLF *( name ":" value CRLF ) CRLF
//
// Extensions and trailers are checked, bounded and dropped: the protocol uses neither.
#ifndef TCSYNC_SRC_LISTENER_CHUNKED_BODY_H_
#define TCSYNC_SRC_LISTENER_CHUNKED_BODY_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace tcsync::listener {

// Looks at each byte once and keeps none, so that neither the result nor any bound depends on how
// the network cuts the bytes. One thread.
class ChunkedBody {
 public:
  struct Step {
    size_t consumed = 0;
    absl::string_view data;  // of the body, within the consumed bytes; empty: none
  };

  // Consumes the beginning of `bytes`: up to the end of the next data, of the body, or of `bytes`.
  // Consumes nothing once done() or failed().
  Step Take(absl::string_view bytes);

  bool done() const { return state_ == State::kDone; }
  bool failed() const { return state_ == State::kFailed; }
  // The fault, once failed(): a part of a sentence.
  absl::string_view problem() const { return problem_; }

 private:
  enum class State : uint8_t {
    kSize,
    kSizeSpace,
    kExtension,
    kSizeLineFeed,
    kData,
    kDataReturn,
    kDataLineFeed,
    kTrailerBegin,
    kTrailerName,
    kTrailerValue,
    kTrailerLineFeed,
    kLastLineFeed,
    kDone,
    kFailed,
  };

  void TakeByte(char byte);
  void TakeOfSize(char byte);
  void TakeOfTrailer(char byte);
  void Fail(absl::string_view problem);

  State state_ = State::kSize;
  uint8_t size_digits_ = 0;
  uint32_t extension_bytes_ = 0;  // of the whole body
  uint32_t trailer_bytes_ = 0;
  uint64_t data_left_ = 0;  // of the chunk
  absl::string_view problem_;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_CHUNKED_BODY_H_
