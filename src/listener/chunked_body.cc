#include "listener/chunked_body.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/limits.h"
#include "listener/http_grammar.h"

namespace tcsync::listener {
namespace {

constexpr uint8_t kSizeDigitsMax = 16;  // of 64 bits

int HexValue(char digit) {
  if (absl::ascii_isdigit(digit)) return digit - '0';
  return absl::ascii_tolower(digit) - 'a' + 10;
}

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

}  // namespace

void ChunkedBody::Fail(absl::string_view problem) {
  state_ = State::kFailed;
  problem_ = problem;
}

ChunkedBody::Step ChunkedBody::Take(absl::string_view bytes) {
  Step step;
  while (step.consumed < bytes.size() && !done() && !failed()) {
    if (state_ == State::kData) {
      const size_t size = std::min<uint64_t>(data_left_, bytes.size() - step.consumed);
      step.data = bytes.substr(step.consumed, size);
      step.consumed += size;
      data_left_ -= size;
      if (data_left_ == 0) state_ = State::kDataReturn;
      return step;
    }
    TakeByte(bytes[step.consumed++]);
  }
  return step;
}

void ChunkedBody::TakeByte(char byte) {
  switch (state_) {
    case State::kSize:
      return TakeOfSize(byte);
    case State::kSizeSpace:
      // Spaces are allowed before an extension (RFC 9112, section 7.1.1), and nowhere else.
      if (++extension_bytes_ > base::kChunkExtensionBytesMax)
        return Fail("too long a chunk extension");
      if (byte == ';') {
        state_ = State::kExtension;
      } else if (!IsSpace(byte)) {
        Fail("a chunk size that is not a hexadecimal number");
      }
      return;
    case State::kExtension:
      if (++extension_bytes_ > base::kChunkExtensionBytesMax)
        return Fail("too long a chunk extension");
      if (byte == '\r') {
        state_ = State::kSizeLineFeed;
      } else if (!IsFieldText(byte)) {
        Fail("a control character in a chunk extension");
      }
      return;
    case State::kSizeLineFeed:
      if (byte != '\n') return Fail("a chunk size without a line end");
      state_ = data_left_ > 0 ? State::kData : State::kTrailerBegin;
      size_digits_ = 0;
      return;
    case State::kDataReturn:
      if (byte != '\r') return Fail("a chunk of another length than its size");
      state_ = State::kDataLineFeed;
      return;
    case State::kDataLineFeed:
      if (byte != '\n') return Fail("a chunk of another length than its size");
      state_ = State::kSize;
      return;
    case State::kTrailerBegin:
    case State::kTrailerName:
    case State::kTrailerValue:
    case State::kTrailerLineFeed:
      return TakeOfTrailer(byte);
    case State::kLastLineFeed:
      if (byte != '\n') return Fail("trailers without an end");
      state_ = State::kDone;
      return;
    case State::kData:
    case State::kDone:
    case State::kFailed:
      return;
  }
}

void ChunkedBody::TakeOfSize(char byte) {
  if (absl::ascii_isxdigit(byte)) {
    if (++size_digits_ > kSizeDigitsMax) return Fail("a chunk size of too many digits");
    data_left_ = data_left_ << 4 | static_cast<uint64_t>(HexValue(byte));
    return;
  }
  if (size_digits_ == 0) return Fail("a chunk size that is not a hexadecimal number");
  if (byte == '\r') {
    state_ = State::kSizeLineFeed;
  } else if (byte == ';') {
    state_ = State::kExtension;
  } else if (IsSpace(byte)) {
    state_ = State::kSizeSpace;
  } else {
    Fail("a chunk size that is not a hexadecimal number");
  }
}

void ChunkedBody::TakeOfTrailer(char byte) {
  if (++trailer_bytes_ > base::kTrailerBytesMax) return Fail("too many trailers");
  switch (state_) {
    case State::kTrailerBegin:
      if (byte == '\r') {
        state_ = State::kLastLineFeed;
      } else if (IsTokenCharacter(byte)) {
        state_ = State::kTrailerName;
      } else {
        Fail("a trailer without a name");
      }
      return;
    case State::kTrailerName:
      if (byte == ':') {
        state_ = State::kTrailerValue;
      } else if (!IsTokenCharacter(byte)) {
        Fail("a trailer with an invalid name");
      }
      return;
    case State::kTrailerValue:
      if (byte == '\r') {
        state_ = State::kTrailerLineFeed;
      } else if (!IsFieldText(byte)) {
        Fail("a control character in a trailer");
      }
      return;
    default:
      if (byte != '\n') return Fail("a trailer without a line end");
      state_ = State::kTrailerBegin;
      return;
  }
}

}  // namespace tcsync::listener
