#include "sync/snapshot_urgency.h"

#include <algorithm>

namespace tcsync::sync {
namespace {

constexpr int64_t kSecondsPerDay = 86'400;

SnapshotUrgency Compare(int64_t amount, int64_t low) {
  if (2 * amount >= 3 * low) return SnapshotUrgency::kHigh;
  return amount >= low ? SnapshotUrgency::kLow : SnapshotUrgency::kNone;
}

}  // namespace

SnapshotUrgency UrgencyOf(const std::optional<SnapshotSummary>& snapshot,
                          const SnapshotPolicy& policy, int64_t now_unix_seconds) {
  if (!snapshot) return SnapshotUrgency::kHigh;
  const int64_t age_days = (now_unix_seconds - snapshot->stored_unix_seconds) / kSecondsPerDay;
  const auto versions_since = static_cast<int64_t>(snapshot->versions_since);
  return std::max(Compare(age_days, policy.days), Compare(versions_since, policy.versions));
}

}  // namespace tcsync::sync
