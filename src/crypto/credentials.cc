// New credentials for a user.

#include <array>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "crypto/sodium.h"
#include "tcsync/envelope.h"

namespace tcsync {
namespace {

// As many random bits as the key that is derived from the secret.
constexpr size_t kSecretRandomBytes = 32;
constexpr size_t kSecretDigits = 2 * kSecretRandomBytes;

}  // namespace

absl::StatusOr<Credentials> GenerateCredentials() {
  if (absl::Status status = crypto::EnsureSodium(); !status.ok()) return status;
  crypto::Wiped<std::array<unsigned char, kSecretRandomBytes>> random;
  randombytes_buf(random.value.data(), random.value.size());
  // sodium_bin2hex writes a terminating zero byte, which is not part of the secret.
  crypto::Wiped<std::array<char, kSecretDigits + 1>> digits;
  sodium_bin2hex(digits.value.data(), digits.value.size(), random.value.data(),
                 random.value.size());
  return Credentials{.client_id = Uuid::Random(),
                     .secret = SecretString({digits.value.data(), kSecretDigits})};
}

}  // namespace tcsync
