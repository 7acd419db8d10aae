// PBKDF2 with HMAC-SHA256 (RFC 8018, section 5.2), which libsodium does not have.
#ifndef TCSYNC_CRYPTO_PBKDF2_H_
#define TCSYNC_CRYPTO_PBKDF2_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace tcsync::crypto {

// The length of HMAC-SHA256's output. A key of this length is one block of PBKDF2; no longer one is
// needed here.
inline constexpr size_t kPbkdf2BlockBytes = 32;

// Writes the first block of the key for `password` and `salt` into `block`. `iterations` is at
// least 1. Intermediate values are wiped. Thread-safe.
void Pbkdf2HmacSha256(absl::string_view password, absl::string_view salt, uint32_t iterations,
                      std::array<uint8_t, kPbkdf2BlockBytes>& block);

}  // namespace tcsync::crypto

#endif  // TCSYNC_CRYPTO_PBKDF2_H_
