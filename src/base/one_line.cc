#include "base/one_line.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/utf8.h"

namespace tcsync::base {
namespace {

constexpr char kReplacement = '?';

uint8_t Byte(absl::string_view text, size_t position) {
  return static_cast<uint8_t>(text[position]);
}

// Whether `sequence`, which is well formed, is a control character (U+0080 to U+009F), ends a line
// (U+2028, U+2029) or turns the direction of writing (U+061C, U+200E, U+200F, U+202A to U+202E,
// U+2066 to U+2069).
bool SteersText(absl::string_view sequence) {
  if (Byte(sequence, 0) == 0xc2) return Byte(sequence, 1) < 0xa0;
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
    const size_t length = Utf8SequenceLength(absl::string_view(text).substr(position));
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
