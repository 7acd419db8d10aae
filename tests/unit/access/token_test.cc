// Tokens. If these fail, issued invites and tokens are refused after an upgrade, or can be guessed.
#include "access/token.h"

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace tcsync::access {
namespace {

// If this fails, the server refuses tokens that it has made itself.
TEST(TokenTest, IsWrittenInLowerCaseHexadecimal) {
  const std::string token = MakeToken();
  EXPECT_EQ(token.size(), 32u);
  EXPECT_TRUE(IsToken(token)) << token;
}

// If this fails, two users share a token.
TEST(TokenTest, IsUnique) {
  absl::flat_hash_set<std::string> tokens;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(tokens.insert(MakeToken()).second);
}

// If this fails, a token can be guessed.
// Every digit takes every value: no part of a token is constant.
TEST(TokenTest, IsRandomThroughout) {
  absl::flat_hash_set<char> seen[kTokenLength];
  for (int i = 0; i < 2000; ++i) {
    const std::string token = MakeToken();
    for (size_t position = 0; position < kTokenLength; ++position) {
      seen[position].insert(token[position]);
    }
  }
  for (const auto& digits : seen) EXPECT_EQ(digits.size(), 16u);
}

// If this fails, a part of a URL that is no token is looked up as one.
TEST(TokenTest, OtherTextsAreNotTokens) {
  EXPECT_TRUE(IsToken("0123456789abcdef0123456789abcdef"));
  EXPECT_FALSE(IsToken(""));
  EXPECT_FALSE(IsToken("0123456789abcdef0123456789abcde"));
  EXPECT_FALSE(IsToken("0123456789abcdef0123456789abcdef0"));
  EXPECT_FALSE(IsToken("0123456789ABCDEF0123456789abcdef"));
  EXPECT_FALSE(IsToken("0123456789abcdef0123456789abcdeg"));
  EXPECT_FALSE(IsToken("0123456789abcdef0123456789abcd%2"));
}

// If this fails, all issued tokens and invites are refused after an upgrade.
// The digest is on the disks of running servers: it must not change. FIPS 180-4's example "abc",
// and sha256sum's result for a token.
TEST(TokenTest, DigestIsSha256OfTheText) {
  const auto hex = [](absl::string_view text) {
    const TokenDigest digest = DigestOf(text);
    return absl::BytesToHexString(
        absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
  };
  EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex("0123456789abcdef0123456789abcdef"),
            "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9");
}

}  // namespace
}  // namespace tcsync::access
