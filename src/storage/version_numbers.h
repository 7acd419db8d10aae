// The number of the first version of a history.
#ifndef TCSYNC_SRC_STORAGE_VERSION_NUMBERS_H_
#define TCSYNC_SRC_STORAGE_VERSION_NUMBERS_H_

#include <algorithm>
#include <cstdint>

#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "tcsync/uuid.h"

namespace tcsync::storage {

// The number of a version that begins a history and whose parent is not here: a replica is accepted
// in place of a history whose latest number is `replaced_number`, or the client is new (0). It
// follows the number of the parent, so that numbers still show which replica is ahead
// (src/sync/replica_place.h). Clients choose the parent: an absurd number counts as none, which
// leaves numbers for all later versions.
inline uint64_t FirstNumberAfter(const Uuid& parent_version_id, uint64_t replaced_number) {
  const uint64_t hint =
      base::MayHaveNumber(parent_version_id) ? base::NumberHint(parent_version_id) : 0;
  return std::max(replaced_number, hint > base::kVersionNumberMax / 2 ? 0 : hint) + 1;
}

}  // namespace tcsync::storage

#endif  // TCSYNC_SRC_STORAGE_VERSION_NUMBERS_H_
