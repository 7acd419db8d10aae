// The urgency of a replica's next snapshot (docs/protocol.md, "Snapshots").
#ifndef TCSYNC_SRC_SYNC_SNAPSHOT_URGENCY_H_
#define TCSYNC_SRC_SYNC_SNAPSHOT_URGENCY_H_

#include <cstdint>
#include <optional>

#include "tcsync/storage.h"

namespace tcsync::sync {

enum class SnapshotUrgency { kNone, kLow, kHigh };

struct SnapshotPolicy {
  int64_t versions = 100;  // low from this many versions on, high from 1.5 times as many
  int64_t days = 14;       // low from this age on, high from 1.5 times the age
};

// The larger of the urgencies by age and by count; high when there is no snapshot.
SnapshotUrgency UrgencyOf(const std::optional<SnapshotSummary>& snapshot,
                          const SnapshotPolicy& policy, int64_t now_unix_seconds);

}  // namespace tcsync::sync

#endif  // TCSYNC_SRC_SYNC_SNAPSHOT_URGENCY_H_
