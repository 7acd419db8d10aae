#include "base/foreign_text.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tcsync::base {
namespace {

constexpr size_t kShownBytesMax = 200;
// More hexadecimal digits than any word has in a row: half of a UUID or of a token.
constexpr size_t kHexDigits = 16;
constexpr size_t kRandomWordBytes = 20;
// More than the digits of a 64-bit number, and fewer than those of an ID without dashes.
constexpr size_t kDecimalDigitsMax = 31;
constexpr size_t kUnitBytesMax = 3;

bool IsWordCharacter(char c) {
  // The characters of IDs and of the alphabets of base64; a dot and a slash separate the words of
  // paths, hosts and media types.
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '+' ||
         c == '=' || c == '%';
}

// A continuation byte of UTF-8, before which the text must not be cut.
bool IsInsideCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// A number with a sign or a unit, such as -5, 64MiB and 30s.
bool IsNumber(absl::string_view word) {
  if (absl::StartsWith(word, "-")) word.remove_prefix(1);
  const size_t digits = std::min(word.find_first_not_of("0123456789"), word.size());
  const absl::string_view unit = word.substr(digits);
  return digits > 0 && digits <= kDecimalDigitsMax && unit.size() <= kUnitBytesMax &&
         std::all_of(unit.begin(), unit.end(), absl::ascii_isalpha);
}

bool IsSecretive(absl::string_view word) {
  if (IsNumber(word)) return false;
  size_t hex_digits = 0;
  size_t most_hex_digits = 0;
  bool has_digit = false;
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isdigit(byte)) has_digit = true;
    if (absl::ascii_isxdigit(byte)) {
      most_hex_digits = std::max(most_hex_digits, ++hex_digits);
    } else if (c != '-' && c != '_') {
      hex_digits = 0;
    }
  }
  return most_hex_digits >= kHexDigits || (word.size() >= kRandomWordBytes && has_digit);
}

// The end of the user and the password of the URL at the start of `text`; 0: there are none. They
// reach up to the last @ before the path.
size_t EndOfUserInfo(absl::string_view text) {
  constexpr absl::string_view kBeforeAuthority = "://";
  if (text.substr(0, kBeforeAuthority.size()) != kBeforeAuthority) return 0;
  const size_t begin = kBeforeAuthority.size();
  const size_t end = std::min(text.find_first_of(" \t\r\n\"'<>", begin), text.size());
  // A password may contain an unencoded slash, so the search does not end at one.
  const size_t at = text.substr(0, end).rfind('@');
  return at == absl::string_view::npos || at < begin ? 0 : at;
}

}  // namespace

std::string ShowForeign(absl::string_view text) {
  std::string shown;
  size_t i = 0;
  while (i < text.size()) {
    if (i >= kShownBytesMax && !IsInsideCharacter(text[i])) {
      absl::StrAppend(&shown, "(and ", text.size() - i, " bytes more)");
      break;
    }
    if (const size_t user_end = EndOfUserInfo(text.substr(i)); user_end != 0) {
      absl::StrAppend(&shown, "://(", user_end - 3, " bytes)");
      i += user_end;
      continue;
    }
    if (!IsWordCharacter(text[i])) {
      shown += text[i++];
      continue;
    }
    size_t end = i;
    while (end < text.size() && IsWordCharacter(text[end])) ++end;
    const absl::string_view word = text.substr(i, end - i);
    if (IsSecretive(word)) {
      absl::StrAppend(&shown, "(", word.size(), " bytes)");
    } else {
      shown.append(word.data(), word.size());
    }
    i = end;
  }
  return shown;
}

std::string ShowLength(absl::string_view text) {
  return absl::StrCat("a text of ", text.size(), text.size() == 1 ? " byte" : " bytes");
}

}  // namespace tcsync::base
