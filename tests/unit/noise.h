// Bytes for tests.
#ifndef TCSYNC_TESTS_UNIT_NOISE_H_
#define TCSYNC_TESTS_UNIT_NOISE_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace tcsync {

// Bytes of every value that do not repeat soon and do not compress, the same for the same `size`
// and `seed`.
inline std::string Noise(size_t size, uint32_t seed = 1) {
  std::string bytes(size, '\0');
  uint32_t state = seed;
  for (char& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_NOISE_H_
