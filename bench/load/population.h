// A set of clients that need not be remembered, so that one run can write a million of them and
// later runs can use any of them: each client's ID follows from its number and a seed.
#ifndef TCSYNC_BENCH_LOAD_POPULATION_H_
#define TCSYNC_BENCH_LOAD_POPULATION_H_

#include <cstdint>

#include "load/uuid_text.h"

namespace tcsync::load {

struct Population {
  uint64_t clients = 0;
  uint64_t seed = 0;

  // The client `number`, counted from 0. Neighbours' IDs are as far apart as any two, so going
  // through the numbers in order goes through a server's directory at random.
  UuidText ClientId(uint64_t number) const;

  // The number of the client `index` of `count` that are spread evenly over the population.
  uint64_t Spread(uint64_t index, uint64_t count) const { return index * clients / count; }
};

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_POPULATION_H_
