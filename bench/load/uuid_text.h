// UUIDs in the 36-character form in which the protocol carries them.
//
// The load program never needs the 16 bytes: IDs come out of headers, go into request lines and are
// compared, so they stay text in a fixed array that costs no allocation.
#ifndef TCSYNC_BENCH_LOAD_UUID_TEXT_H_
#define TCSYNC_BENCH_LOAD_UUID_TEXT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>

#include "absl/strings/string_view.h"

namespace tcsync::load {

struct UuidText {
  static constexpr size_t kLength = 36;

  std::array<char, kLength> characters;

  absl::string_view view() const { return {characters.data(), kLength}; }

  friend bool operator==(const UuidText& a, const UuidText& b) {
    return std::memcmp(a.characters.data(), b.characters.data(), kLength) == 0;
  }
  friend bool operator<(const UuidText& a, const UuidText& b) {
    return std::memcmp(a.characters.data(), b.characters.data(), kLength) < 0;
  }
};

// The nil UUID, which stands before the first version.
UuidText NilUuid();

// A UUID, version 4, with its other bits from `first` and `second`.
UuidText UuidFromBits(uint64_t first, uint64_t second);

// A random UUID, version 4. Not for secrets: it is as good as `random`.
UuidText RandomUuid(std::mt19937_64& random);

// Reads the dashed form in either case and stores it in lower case, so that equal UUIDs compare
// equal. False, with `uuid` unspecified, for anything else.
bool ParseUuid(absl::string_view text, UuidText* uuid);

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_UUID_TEXT_H_
