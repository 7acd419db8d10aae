#include "base/utf8.h"

#include <cstdint>

namespace tcsync::base {

size_t Utf8SequenceLength(absl::string_view text) noexcept {
  if (text.empty()) return 0;
  const auto byte = [text](size_t position) { return static_cast<uint8_t>(text[position]); };
  // The bounds on the second byte exclude overlong forms, surrogates and what lies beyond U+10FFFF
  // (RFC 3629, section 4).
  uint8_t second_min = 0x80;
  uint8_t second_max = 0xbf;
  size_t length = 0;
  if (byte(0) >= 0xc2 && byte(0) <= 0xdf) {
    length = 2;
  } else if (byte(0) >= 0xe0 && byte(0) <= 0xef) {
    length = 3;
    if (byte(0) == 0xe0) second_min = 0xa0;
    if (byte(0) == 0xed) second_max = 0x9f;
  } else if (byte(0) >= 0xf0 && byte(0) <= 0xf4) {
    length = 4;
    if (byte(0) == 0xf0) second_min = 0x90;
    if (byte(0) == 0xf4) second_max = 0x8f;
  }
  if (length == 0 || text.size() < length) return 0;
  if (byte(1) < second_min || byte(1) > second_max) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

bool IsUtf8(absl::string_view text) noexcept {
  while (!text.empty()) {
    const size_t length = static_cast<uint8_t>(text.front()) < 0x80 ? 1 : Utf8SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace tcsync::base
