#include "crypto/pbkdf2.h"

#include "crypto/sodium.h"

namespace tcsync::crypto {
namespace {

static_assert(kPbkdf2BlockBytes == crypto_auth_hmacsha256_BYTES);

// The number of the first block, as four bytes, most significant first.
constexpr unsigned char kFirstBlock[] = {0, 0, 0, 1};

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

void Pbkdf2HmacSha256(absl::string_view password, absl::string_view salt, uint32_t iterations,
                      std::array<uint8_t, kPbkdf2BlockBytes>& block) {
  // HMAC's state after the key. Copying it for each iteration, instead of starting again from the
  // key, halves the hashing.
  Wiped<crypto_auth_hmacsha256_state> keyed;
  crypto_auth_hmacsha256_init(&keyed.value, Bytes(password), password.size());

  Wiped<crypto_auth_hmacsha256_state> state;
  Wiped<std::array<uint8_t, kPbkdf2BlockBytes>> link;  // U_1, U_2, ... of the RFC
  state.value = keyed.value;
  crypto_auth_hmacsha256_update(&state.value, Bytes(salt), salt.size());
  crypto_auth_hmacsha256_update(&state.value, kFirstBlock, sizeof(kFirstBlock));
  crypto_auth_hmacsha256_final(&state.value, link.value.data());
  block = link.value;

  for (uint32_t iteration = 1; iteration < iterations; ++iteration) {
    state.value = keyed.value;
    crypto_auth_hmacsha256_update(&state.value, link.value.data(), link.value.size());
    crypto_auth_hmacsha256_final(&state.value, link.value.data());
    for (size_t i = 0; i < block.size(); ++i) block[i] ^= link.value[i];
  }
}

}  // namespace tcsync::crypto
