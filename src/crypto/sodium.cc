#include "crypto/sodium.h"

namespace tcsync::crypto {

absl::Status EnsureSodium() {
  // 0: initialized now; 1: already initialized, perhaps by the host program; -1: failed.
  static const bool initialized = sodium_init() >= 0;
  if (!initialized) {
    return absl::InternalError(
        "libsodium could not be initialized: the operating system's random source (getrandom or "
        "/dev/urandom) cannot be opened");
  }
  return absl::OkStatus();
}

}  // namespace tcsync::crypto
