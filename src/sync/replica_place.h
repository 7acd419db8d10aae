// The position of a replica whose version this server lacks.
#ifndef TCSYNC_SRC_SYNC_REPLICA_PLACE_H_
#define TCSYNC_SRC_SYNC_REPLICA_PLACE_H_

#include "base/numbered_uuid.h"
#include "tcsync/uuid.h"

namespace tcsync::sync {

enum class ReplicaPlace {
  kStart,    // at the nil version: it has nothing of the history, but may have tasks of its own
  kForeign,  // another server gave out its version, or the latest one here
  kAhead,    // behind the latest version here, as after an older backup was restored
  kLeftOut,  // before the latest: the version was removed, or is of another copy of the history
};

// By the numbers that version IDs carry, which are hints: for messages and suggestions.
inline ReplicaPlace PlaceOf(const Uuid& version_id, const Uuid& latest_version_id) {
  if (version_id.IsNil()) return ReplicaPlace::kStart;
  if (!base::MayHaveNumber(version_id) || !base::MayHaveNumber(latest_version_id)) {
    return ReplicaPlace::kForeign;
  }
  return base::NumberHint(version_id) > base::NumberHint(latest_version_id)
             ? ReplicaPlace::kAhead
             : ReplicaPlace::kLeftOut;
}

}  // namespace tcsync::sync

#endif  // TCSYNC_SRC_SYNC_REPLICA_PLACE_H_
