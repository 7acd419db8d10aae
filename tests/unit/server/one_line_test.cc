// Foreign text on its way to a terminal. If these fail, a label, a path or an imported ID can steer
// the operator's terminal, forge a line of the log, or show as something else.
#include "server/one_line.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace tcsync::server {
namespace {

using namespace std::string_view_literals;

TEST(OneLineTest, TextOfEveryLengthOfCharacterStays) {
  for (const std::string_view text :
       {""sv, "a"sv, " ~"sv, "\u00a0"sv, "\u00e9\u07ff"sv, "\u0800\u65e5\uffff"sv, "\ud7ff\ue000"sv,
        "\U00010000\U0010ffff"sv, "\u05d0\u0627"sv, "\ufeff"sv}) {
    EXPECT_EQ(OneLine(text), text);
  }
}

TEST(OneLineTest, WhatSteersBecomesAQuestionMark) {
  const struct {
    std::string_view text;
    std::string_view line;
  } cases[] = {
      {"a\nb\r\tc"sv, "a?b??c"},
      {"\0x\x1f\x7f"sv, "?x??"},
      {"\x1b[2J"sv, "?[2J"},
      {"\u0080\u009b2J\u009f"sv, "??2J?"},
      {"\u202egnp.exe"sv, "?gnp.exe"},
      {"\u061c\u200e\u200f\u202a\u2066\u2069"sv, "??????"},
      {"\u2027\u2028\u2029\u202f\u2065\u206a"sv, "\u2027??\u202f\u2065\u206a"},
  };
  for (const auto& each : cases) EXPECT_EQ(OneLine(each.text), each.line);
}

TEST(OneLineTest, WhatIsNoUtf8BecomesAQuestionMark) {
  const struct {
    std::string_view text;
    std::string_view line;
  } cases[] = {
      {"a\xff b"sv, "a? b"},
      {"\x80"sv, "?"},          // a continuation alone
      {"\xc3"sv, "?"},          // cut in half
      {"\xe2\x82"sv, "?"},      // cut in half
      {"\xe2\x82 x"sv, "? x"},  // and the next character is not swallowed
      {"\xc0\xaf"sv, "?"},      // an overlong slash
      {"\xe0\x80\xaf\xf0\x80\x80\xaf"sv, "??"},
      {"\xed\xa0\x80"sv, "?"},          // a surrogate
      {"\xf4\x90\x80\x80"sv, "?"},      // beyond Unicode
      {"\xf8\x88\x80\x80\x80"sv, "?"},  // of five bytes
  };
  for (const auto& each : cases) EXPECT_EQ(OneLine(each.text), each.line);
}

// If this fails, a megabyte in a message costs seconds.
TEST(OneLineTest, ALongTextIsKeptWhole) {
  const std::string text(1 << 20, 'x');
  EXPECT_EQ(OneLine(text + "\n"), text + "?");
  EXPECT_EQ(OneLine(std::string(1 << 20, '\n')), std::string(1 << 20, '?'));
}

}  // namespace
}  // namespace tcsync::server
