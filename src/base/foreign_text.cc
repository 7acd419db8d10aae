#include "base/foreign_text.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tcsync {
namespace {

constexpr size_t kShownBytesMax = 200;
// As many hexadecimal digits as stand together in no word: a half of a UUID or of a token.
constexpr size_t kHexDigits = 16;
constexpr size_t kRandomWordBytes = 20;
// The largest number of 64 bits, and a sign.
constexpr size_t kDecimalBytesMax = 21;

bool IsOfWord(char c) {
  // What IDs and the alphabets of base64 are made of; a dot and a slash part words of paths, hosts
  // and media types.
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '+' ||
         c == '=' || c == '%';
}

bool IsSecretive(absl::string_view word) {
  size_t hex_digits = 0;
  size_t most_hex_digits = 0;
  bool has_digit = false;
  bool has_other = false;  // than digits and a sign before them
  for (size_t i = 0; i < word.size(); ++i) {
    const auto byte = static_cast<unsigned char>(word[i]);
    if (absl::ascii_isdigit(byte)) {
      has_digit = true;
    } else if (i > 0 || word[i] != '-') {
      has_other = true;
    }
    if (absl::ascii_isxdigit(byte)) {
      most_hex_digits = std::max(most_hex_digits, ++hex_digits);
    } else if (word[i] != '-' && word[i] != '_') {
      hex_digits = 0;
    }
  }
  if (!has_other) return word.size() > kDecimalBytesMax;
  if (most_hex_digits >= kHexDigits) return true;
  return word.size() >= kRandomWordBytes && has_digit;
}

void AppendPrintable(char c, std::string& shown) {
  if (c == '\\') {
    shown += "\\\\";
  } else if (absl::ascii_isprint(static_cast<unsigned char>(c))) {
    shown += c;
  } else {
    absl::StrAppend(&shown, "\\x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
  }
}

// Where the user and the password of the URL end that begins at the start of `text`; 0: there are
// none. They reach up to the last @ before the path.
size_t EndOfUserInfo(absl::string_view text) {
  constexpr absl::string_view kBeforeAuthority = "://";
  if (text.substr(0, kBeforeAuthority.size()) != kBeforeAuthority) return 0;
  const size_t begin = kBeforeAuthority.size();
  const size_t end = std::min(text.find_first_of(" \t\r\n\"'<>", begin), text.size());
  // A password may have a slash in it that somebody forgot to encode: so not up to that.
  const size_t at = text.substr(0, end).rfind('@');
  return at == absl::string_view::npos || at < begin ? 0 : at;
}

}  // namespace

std::string ShowForeign(absl::string_view text) {
  std::string shown;
  size_t i = 0;
  while (i < text.size()) {
    if (i >= kShownBytesMax) {
      absl::StrAppend(&shown, "(and ", text.size() - i, " bytes more)");
      break;
    }
    if (const size_t user_end = EndOfUserInfo(text.substr(i)); user_end != 0) {
      absl::StrAppend(&shown, "://(", user_end - 3, " bytes)");
      i += user_end;
      continue;
    }
    if (!IsOfWord(text[i])) {
      AppendPrintable(text[i++], shown);
      continue;
    }
    size_t end = i;
    while (end < text.size() && IsOfWord(text[end])) ++end;
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

}  // namespace tcsync
