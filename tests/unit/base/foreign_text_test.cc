// Foreign text in logs and errors. If these fail, a reader of the log has the means to read or
// change a user's history, or an error does not show the mistaken text.
#include "base/foreign_text.h"

#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::base {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ForeignTextTest, OrdinaryTextIsShownUnchanged) {
  for (const absl::string_view text :
       {"", "text/plain", "application/vnd.taskchampion.history-segment; charset=utf-8", "gzip, br",
        "fills the disk", "moved to sync.example.org:8443", "/v1/client/get-child-version/",
        "127.0.0.1:8080", "[2001:db8::7]:80", "9223372036854775808", "-9223372036854775808",
        "99999999999999999999999999", "9223372036854775807MiB", "12x", "http://localhost:8080",
        "user@example.org", "2026-11-28T00:31:40Z"}) {
    EXPECT_EQ(ShowForeign(text), text);
  }
}

TEST(ForeignTextTest, PossibleSecretsAreReplacedByTheirLength) {
  const struct {
    const char* text;
    const char* secret;
    const char* shown;
  } cases[] = {
      {"123e4567-e89b-42d3-a456-426614174000", "123e4567", "(36 bytes)"},
      {"client 11111111-2222-4333-8444-555555555555 again", "2222", "client (36 bytes) again"},
      {"123E4567E89B42D3A456426614174000", "123E4567", "(32 bytes)"},
      {"see /i/dfc3dd1a8a0115b69b32adda57d7878e", "dfc3dd1a", "see /i/(32 bytes)"},
      {"9f9edb6ef38b6772c9adf9b0a99138688051936a2f7cf2c5b11b665a8ff9ea77", "9f9edb6e",
       "(64 bytes)"},
      {"11111111222243338444555555555555", "1111", "(32 bytes)"},
      {"123e4567-e89b-42d3-a456", "123e4567", "(23 bytes)"},
      {"multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", "MA4YW",
       "multipart/form-data; (46 bytes)"},
      {"Qm9i+IHNlY3JldA0xMjM=", "Qm9i", "(21 bytes)"},
      {"http://ada:hunter2@localhost:8080/x", "hunter2", "http://(11 bytes)@localhost:8080/x"},
      {"use https://a:b@c@example.org/ now", "a:b@c", "use https://(5 bytes)@example.org/ now"},
      {"postgresql://tcsync:pass/word@db:5432/tcsync", "pass/word",
       "postgresql://(16 bytes)@db:5432/tcsync"},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(ShowForeign(each.text), each.shown);
    EXPECT_THAT(ShowForeign(each.text), Not(HasSubstr(each.secret)));
  }
}

// If this fails, people cannot read the names of their own files in a message.
TEST(ForeignTextTest, MultibyteCharactersAreNotSplit) {
  EXPECT_EQ(ShowForeign("/home/j\xc3\xbcrgen"), "/home/j\xc3\xbcrgen");
  std::string text(199, '.');
  for (int i = 0; i < 100; ++i) text += "\xe2\x82\xac";
  EXPECT_EQ(ShowForeign(text), text.substr(0, 202) + "(and 297 bytes more)");
}

TEST(ForeignTextTest, IsBounded) {
  std::string text;
  while (text.size() < 100'000) text += "word ";
  const std::string shown = ShowForeign(text);
  EXPECT_LT(shown.size(), 300u);
  EXPECT_TRUE(absl::EndsWith(shown, "(and 99800 bytes more)")) << shown;
  EXPECT_EQ(ShowForeign(std::string(1 << 20, '7')), "(1048576 bytes)");
}

TEST(ForeignTextTest, ASecretIsDescribedByItsLengthOnly) {
  EXPECT_EQ(ShowLength("x"), "a text of 1 byte");
  EXPECT_EQ(ShowLength("hunter2"), "a text of 7 bytes");
}

}  // namespace
}  // namespace tcsync::base
