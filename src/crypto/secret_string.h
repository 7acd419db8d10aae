// Lets tests observe how SecretString wipes its memory. Reading freed memory is undefined, so the
// observer is called in between: after the wiping, before the freeing.
#ifndef TCSYNC_CRYPTO_SECRET_STRING_H_
#define TCSYNC_CRYPTO_SECRET_STRING_H_

#include <cstddef>

namespace tcsync::crypto {

// Called with memory that a SecretString is about to free; must not keep the pointer.
using SecretFreedObserver = void (*)(const char* bytes, size_t size);

// Sets the observer of all SecretStrings of the process, null for none; returns the previous one.
// Called on the thread that frees. Only tests use it. Thread-safe.
SecretFreedObserver SetSecretFreedObserver(SecretFreedObserver observer);

}  // namespace tcsync::crypto

#endif  // TCSYNC_CRYPTO_SECRET_STRING_H_
