// Unpredictable random bytes.
#ifndef TCSYNC_SRC_BASE_RANDOM_H_
#define TCSYNC_SRC_BASE_RANDOM_H_

#include <cstddef>
#include <string>

namespace tcsync::base {

// At most 256 bytes, from the operating system's random source. Aborts the process if that fails,
// which it does on no supported system.
void FillWithRandom(void* bytes, size_t count);
std::string RandomBytes(size_t count);

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_RANDOM_H_
