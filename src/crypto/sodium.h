// The parts of libsodium that every file of this room needs: its initialization, and locals that
// are wiped. libsodium's types and headers stay inside this room.
#ifndef TCSYNC_CRYPTO_SODIUM_H_
#define TCSYNC_CRYPTO_SODIUM_H_

#include <sodium.h>

#include <type_traits>

#include "absl/status/status.h"

namespace tcsync::crypto {

// Initializes libsodium on the first call; no other function does. Needed before random bytes are
// drawn or anything is sealed. Internal error if libsodium cannot open a random source.
// Thread-safe.
absl::Status EnsureSodium();

// A local variable that holds part of a secret: zero at first, overwritten with zeros at the end of
// its scope, in a way that the compiler cannot optimize away.
template <typename T>
struct Wiped {
  static_assert(std::is_trivially_copyable_v<T>);

  Wiped() = default;
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { sodium_memzero(&value, sizeof(value)); }

  T value{};
};

}  // namespace tcsync::crypto

#endif  // TCSYNC_CRYPTO_SODIUM_H_
