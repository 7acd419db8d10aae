// This room's use of libsodium: random bytes and hashes. It does not link the crypto room, whose
// keys open users' data; its own use of the library cannot.
#ifndef TCSYNC_SRC_ACCESS_SODIUM_H_
#define TCSYNC_SRC_ACCESS_SODIUM_H_

#include <sodium.h>

#include <cstdlib>

namespace tcsync::access {

// Initializes libsodium on the first call. Thread-safe. Ends the process when the operating system
// has no random source.
inline void EnsureSodium() {
  static const bool initialized = sodium_init() >= 0;
  if (!initialized) std::abort();
}

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_SODIUM_H_
