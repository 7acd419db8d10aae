#include "access/token.h"

#include <algorithm>
#include <array>

#include "access/sodium.h"

namespace tcsync::access {

std::string MakeToken() {
  EnsureSodium();
  std::array<unsigned char, kTokenLength / 2> bytes;
  randombytes_buf(bytes.data(), bytes.size());
  std::string token(kTokenLength + 1, '\0');  // with the NUL that sodium_bin2hex writes
  sodium_bin2hex(token.data(), token.size(), bytes.data(), bytes.size());
  token.resize(kTokenLength);
  return token;
}

bool IsToken(absl::string_view text) {
  return text.size() == kTokenLength && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

TokenDigest DigestOf(absl::string_view token) {
  static_assert(sizeof(TokenDigest) == crypto_hash_sha256_BYTES);
  EnsureSodium();
  TokenDigest digest;
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(token.data()),
                     token.size());
  return digest;
}

}  // namespace tcsync::access
