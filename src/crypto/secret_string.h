// The door through which the tests watch SecretString wipe its memory. Reading memory that has been
// freed is undefined, so they are called in between: after the wiping, before the freeing.
#ifndef TCSYNC_CRYPTO_SECRET_STRING_H_
#define TCSYNC_CRYPTO_SECRET_STRING_H_

#include <cstddef>

namespace tcsync::crypto {

// Called with memory that a SecretString is about to free; must not keep the pointer.
using SecretFreedObserver = void (*)(const char* bytes, size_t size);

// Sets the observer of all SecretStrings of the process, null for none; returns the previous one.
// Called on whichever thread frees. Only tests use it. Thread-safe.
SecretFreedObserver SetSecretFreedObserver(SecretFreedObserver observer);

}  // namespace tcsync::crypto

#endif  // TCSYNC_CRYPTO_SECRET_STRING_H_
