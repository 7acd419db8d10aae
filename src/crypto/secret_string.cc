#include "crypto/secret_string.h"

#include <sodium.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <utility>

#include "tcsync/envelope.h"

namespace tcsync {
namespace {

std::atomic<crypto::SecretFreedObserver> freed_observer = nullptr;

}  // namespace

namespace crypto {

SecretFreedObserver SetSecretFreedObserver(SecretFreedObserver observer) {
  return freed_observer.exchange(observer);
}

}  // namespace crypto

SecretString::SecretString(absl::string_view bytes) : SecretString(WithSize(bytes.size())) {
  if (!bytes.empty()) std::memcpy(bytes_.get(), bytes.data(), bytes.size());
}

SecretString SecretString::WithSize(size_t size) {
  SecretString secret;
  if (size > 0) {
    secret.bytes_ = std::make_unique<char[]>(size);
    secret.size_ = size;
  }
  return secret;
}

SecretString::SecretString(SecretString&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

SecretString& SecretString::operator=(SecretString&& other) noexcept {
  if (this != &other) {
    WipeAndFree();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SecretString::~SecretString() { WipeAndFree(); }

void SecretString::WipeAndFree() {
  if (bytes_ == nullptr) return;
  sodium_memzero(bytes_.get(), size_);
  const crypto::SecretFreedObserver observer = freed_observer.load();
  if (observer != nullptr) observer(bytes_.get(), size_);
  bytes_.reset();
  size_ = 0;
}

}  // namespace tcsync
