#include "server/one_line.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace tcsync::server {
namespace {

// The characters that are not shown, from one to the other. Those after DEL are C1's controls, ALM,
// the marks and embeddings of direction with the ends of lines, and the isolates.
constexpr std::pair<uint32_t, uint32_t> kNotShown[] = {
    {0, 0x1f},        {0x7f, 0x9f},     {0x61c, 0x61c},   {0x200e, 0x200f},
    {0x2028, 0x202e}, {0x2066, 0x2069}, {0xd800, 0xdfff}, {0x110000, UINT32_MAX},
};

// A first byte of UTF-8, and the character's length.
struct Form {
  uint8_t mask;
  uint8_t begin;
  size_t length;
  uint32_t least;  // a smaller character has a shorter form
};
constexpr Form kForms[] = {
    {0x80, 0x00, 1, 0}, {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};

// The length of the character at the start of `text`, which is not empty; 0 if it is not shown.
size_t ShownLength(std::string_view text) {
  const auto first = static_cast<uint8_t>(text.front());
  const auto* const form = std::find_if(std::begin(kForms), std::end(kForms), [&](const Form& one) {
    return (first & one.mask) == one.begin;
  });
  if (form == std::end(kForms) || text.size() < form->length) return 0;
  uint32_t character = first & static_cast<uint8_t>(~form->mask);
  for (const char next : text.substr(1, form->length - 1)) {
    if ((static_cast<uint8_t>(next) & 0xc0) != 0x80) return 0;
    character = character << 6 | (static_cast<uint8_t>(next) & 0x3f);
  }
  if (character < form->least) return 0;
  const bool is_shown =
      std::none_of(std::begin(kNotShown), std::end(kNotShown), [character](const auto& range) {
        return range.first <= character && character <= range.second;
      });
  return is_shown ? form->length : 0;
}

}  // namespace

std::string OneLine(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const size_t length = ShownLength(text);
    if (length == 0) {
      line += '?';
      text.remove_prefix(1);
      // The rest of the same character.
      while (!text.empty() && (static_cast<uint8_t>(text.front()) & 0xc0) == 0x80) {
        text.remove_prefix(1);
      }
      continue;
    }
    line += text.substr(0, length);
    text.remove_prefix(length);
  }
  return line;
}

}  // namespace tcsync::server
