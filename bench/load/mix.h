// A number from a number, without a visible pattern: for values that look random and are
// repeatable.
#ifndef TCSYNC_BENCH_LOAD_MIX_H_
#define TCSYNC_BENCH_LOAD_MIX_H_

#include <cstdint>

namespace tcsync::load {

// SplitMix64's finisher, a bijection of 64-bit numbers: different numbers give different ones.
inline uint64_t Mix(uint64_t number) {
  number += 0x9e3779b97f4a7c15u;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
  number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
  return number ^ (number >> 31);
}

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_MIX_H_
