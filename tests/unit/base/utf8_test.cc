// The well-formedness of UTF-8. If these fail, a text passes that other programs refuse, and with
// it a version that stops all of a client's replicas; or a person's text is refused.
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace tcsync::base {
namespace {

// The sequence for any number of up to 21 bits, in the form for `length` bytes.
std::string Encoded(uint32_t number, size_t length) {
  if (length == 1) return std::string(1, static_cast<char>(number));
  std::string sequence(length, '\0');
  for (size_t i = length - 1; i > 0; --i, number >>= 6) {
    sequence[i] = static_cast<char>(0x80 | (number & 0x3f));
  }
  const uint32_t mark = length == 2 ? 0xc0 : length == 3 ? 0xe0 : 0xf0;
  sequence[0] = static_cast<char>(mark | number);
  return sequence;
}

size_t LengthOf(uint32_t number) {
  if (number < 0x80) return 1;
  if (number < 0x800) return 2;
  return number < 0x10000 ? 3 : 4;
}

// If this fails, some character is not accepted, or one of the forms that RFC 3629 excludes is:
// surrogates, overlong forms, and numbers over U+10FFFF.
TEST(Utf8Test, EveryNumberInEveryLength) {
  for (uint32_t number = 0; number < 0x1fffff + 1; ++number) {
    const bool is_character = number <= 0x10ffff && !(number >= 0xd800 && number <= 0xdfff);
    for (size_t length = LengthOf(number); length <= 4; ++length) {
      const std::string sequence = Encoded(number, length);
      const bool is_valid = is_character && length == LengthOf(number);
      ASSERT_EQ(IsUtf8(sequence), is_valid) << absl::CHexEscape(sequence);
      ASSERT_EQ(Utf8SequenceLength(sequence), is_valid && length > 1 ? length : 0)
          << absl::CHexEscape(sequence);
    }
    // ASCII and two bytes have overlong forms of their own, which the loop above has covered; most
    // of the rest behaves alike, so not every number is needed.
    if (number > 0x11000 && number < 0x10f000) number += 0x3d;
  }
}

// If this fails, a text that is cut within a character, or has a stray byte, is accepted.
TEST(Utf8Test, OtherTextsAreRefused) {
  for (const absl::string_view text : {
           "\x80",
           "\xbf",
           "a\x80",
           "\xc0\x80",
           "\xc1\xbf",
           "\xfe",
           "\xff",
           "\xf8\x88\x80\x80\x80",
           "\xfc\x84\x80\x80\x80\x80",
           // Without their ends, and with another character there.
           "\xc3",
           "\xe2\x82",
           "\xe2",
           "\xf0\x9f\x98",
           "\xf0\x9f",
           "\xf0",
           "\xc3(",
           "\xe2(\xac",
           "\xe2\x82(",
           "\xf0(\x98\x80",
           "\xf0\x9f(\x80",
           "\xf0\x9f\x98(",
           "\xc3\xc3\xbc",
           "\xe2\x82\xe2\x82\xac",
           "\xf0\x9f\x98\xc3\xbc",
           // A pair of surrogates, as Java's and MySQL's forms have them.
           "\xed\xa0\xbd\xed\xb8\x80",
           // After and before a good one.
           "\xc3\xbc\xc3",
           "\x80\xc3\xbc",
           "text \xe2\x82",
       }) {
    EXPECT_FALSE(IsUtf8(text)) << absl::CHexEscape(text);
  }
  EXPECT_FALSE(IsUtf8(absl::string_view("\xc3\0", 2)));
}

// If this fails, a good text is refused, or the end of the first character is misjudged.
TEST(Utf8Test, GoodTextsAreAccepted) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8(absl::string_view()));
  EXPECT_TRUE(IsUtf8(absl::string_view("a\0b", 3)));
  EXPECT_TRUE(
      IsUtf8("\xef\xbb\xbf gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"));
  EXPECT_TRUE(IsUtf8(std::string(1'000'000, 'x') + "\xc3\xbc"));
  EXPECT_EQ(Utf8SequenceLength(""), 0u);
  EXPECT_EQ(Utf8SequenceLength("a\xc3\xbc"), 0u);
  EXPECT_EQ(Utf8SequenceLength("\xc3\xbc\xc3\xbc"), 2u);
  EXPECT_EQ(Utf8SequenceLength("\xe2\x82\xac\xff"), 3u);
  EXPECT_EQ(Utf8SequenceLength("\xf0\x9f\x98\x80\xff"), 4u);
}

}  // namespace
}  // namespace tcsync::base
