// UUIDs that carry a number: storage names versions this way, so that a version ID leads to its
// place in the chain without an index (docs/storage-format.md).
#ifndef TCSYNC_SRC_BASE_NUMBERED_UUID_H_
#define TCSYNC_SRC_BASE_NUMBERED_UUID_H_

#include <cstddef>
#include <cstdint>

#include "tcsync/uuid.h"

namespace tcsync::base {

// The UUID with its first 48 bits replaced by `number`, which must be below 2^48, and made one of
// version 8 (RFC 9562, section 5.8).
inline Uuid WithNumber(const Uuid& uuid, uint64_t number) {
  auto bytes = uuid.bytes();
  for (size_t i = 0; i < 6; ++i) bytes[i] = static_cast<uint8_t>(number >> (40 - 8 * i));
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x80);
  return Uuid(bytes);
}

// A UUID of version 8 whose first 48 bits are `number` and whose other 74 free bits are random.
inline Uuid RandomUuidWithNumber(uint64_t number) { return WithNumber(Uuid::Random(), number); }

// Whether RandomUuidWithNumber may have made it: it has the form of version 8.
inline bool MayHaveNumber(const Uuid& uuid) { return uuid.bytes()[6] >> 4 == 8; }

// The first 48 bits, which have a meaning only in a UUID from RandomUuidWithNumber: a hint.
inline uint64_t NumberHint(const Uuid& uuid) {
  uint64_t number = 0;
  for (size_t i = 0; i < 6; ++i) number = number << 8 | uuid.bytes()[i];
  return number;
}

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_NUMBERED_UUID_H_
