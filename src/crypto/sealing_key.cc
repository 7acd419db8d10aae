// The key that seals one client's data: its derivation, and the wiping of its memory.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/pbkdf2.h"
#include "crypto/sodium.h"
#include "tcsync/envelope.h"

namespace tcsync {
namespace {

// Fixed by the protocol: every replica of every client uses this number, so it can never change
// within format version 1.
constexpr uint32_t kDerivationIterations = 600'000;

static_assert(SealingKey::kBytes == crypto::kPbkdf2BlockBytes);
static_assert(SealingKey::kBytes == crypto_aead_chacha20poly1305_ietf_KEYBYTES);

}  // namespace

absl::StatusOr<SealingKey> SealingKey::Derive(const Uuid& client_id, absl::string_view secret) {
  if (secret.empty()) {
    return absl::InvalidArgumentError(
        "The encryption secret is empty: give the one that this user's replicas have configured "
        "(in Taskwarrior, sync.encryption_secret)");
  }
  if (absl::Status status = crypto::EnsureSodium(); !status.ok()) return status;
  SealingKey key;
  crypto::Pbkdf2HmacSha256(secret, client_id.AsStringView(), kDerivationIterations, key.bytes_);
  return key;
}

SealingKey::SealingKey(SealingKey&& other) noexcept : bytes_(other.bytes_) {
  sodium_memzero(other.bytes_.data(), kBytes);
}

SealingKey& SealingKey::operator=(SealingKey&& other) noexcept {
  if (this != &other) {
    bytes_ = other.bytes_;
    sodium_memzero(other.bytes_.data(), kBytes);
  }
  return *this;
}

SealingKey::~SealingKey() { sodium_memzero(bytes_.data(), kBytes); }

}  // namespace tcsync
