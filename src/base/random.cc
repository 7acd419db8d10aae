#include "base/random.h"

#include <sys/random.h>
#include <unistd.h>

#include <cstdlib>

namespace tcsync::base {

void FillWithRandom(void* bytes, size_t count) {
  // getentropy exists on Linux and macOS, needs no state of ours, and survives fork.
  if (getentropy(bytes, count) != 0) std::abort();
}

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  FillWithRandom(bytes.data(), bytes.size());
  return bytes;
}

}  // namespace tcsync::base
