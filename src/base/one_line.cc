#include "base/one_line.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace tcsync::base {
namespace {

constexpr char kReplacement = '?';

uint8_t Byte(absl::string_view text, size_t position) {
  return static_cast<uint8_t>(text[position]);
}

// The length of the well-formed sequence of two to four bytes at the start of `text`, which is not
// empty; 0 when there is none. The bounds on the second byte exclude overlong forms, surrogates and
// what lies beyond U+10FFFF (RFC 3629, section 4).
size_t SequenceLength(absl::string_view text) {
  const uint8_t first = Byte(text, 0);
  uint8_t second_min = 0x80;
  uint8_t second_max = 0xbf;
  size_t length = 0;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
    // U+0080 to U+009F are control characters.
    if (first == 0xc2) second_min = 0xa0;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) second_min = 0xa0;
    if (first == 0xed) second_max = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) second_min = 0x90;
    if (first == 0xf4) second_max = 0x8f;
  }
  if (length == 0 || text.size() < length) return 0;
  if (Byte(text, 1) < second_min || Byte(text, 1) > second_max) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((Byte(text, i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

// Whether `sequence`, which is well formed, ends a line (U+2028, U+2029) or turns the direction of
// writing (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069).
bool SteersText(absl::string_view sequence) {
  if (sequence == "\u061c") return true;
  if (sequence.substr(0, 2) == "\xe2\x80") {
    const uint8_t last = Byte(sequence, 2);
    return last == 0x8e || last == 0x8f || (last >= 0xa8 && last <= 0xae);
  }
  return sequence.substr(0, 2) == "\xe2\x81" && Byte(sequence, 2) >= 0xa6 &&
         Byte(sequence, 2) <= 0xa9;
}

}  // namespace

void MakeOneLine(std::string& text) noexcept {
  size_t position = 0;
  while (position < text.size()) {
    const uint8_t byte = Byte(text, position);
    if (byte >= 0x20 && byte < 0x7f) {
      ++position;
      continue;
    }
    const size_t length =
        byte < 0x80 ? 0 : SequenceLength(absl::string_view(text).substr(position));
    if (length == 0) {
      text[position++] = kReplacement;
      continue;
    }
    if (SteersText(absl::string_view(text).substr(position, length))) {
      std::fill_n(text.begin() + static_cast<ptrdiff_t>(position), length, kReplacement);
    }
    position += length;
  }
}

}  // namespace tcsync::base
