#include "load/population.h"

#include "load/mix.h"

namespace tcsync::load {

UuidText Population::ClientId(uint64_t number) const {
  const uint64_t first = Mix(Mix(seed) ^ number);
  return UuidFromBits(first, Mix(first));
}

}  // namespace tcsync::load
