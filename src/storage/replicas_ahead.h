// The few replicas ahead that storage keeps for a client.
#ifndef TCSYNC_SRC_STORAGE_REPLICAS_AHEAD_H_
#define TCSYNC_SRC_STORAGE_REPLICAS_AHEAD_H_

#include <algorithm>
#include <vector>

#include "base/limits.h"
#include "tcsync/client_histories.h"

namespace tcsync::storage {

// Inserts `replica` into `replicas`, the latest seen first. The one that was seen longest ago is
// dropped when there are too many.
inline void AddReplicaAhead(const ReplicaAhead& replica, std::vector<ReplicaAhead>& replicas) {
  const auto known = std::find_if(replicas.begin(), replicas.end(), [&](const ReplicaAhead& other) {
    return other.version_id == replica.version_id;
  });
  ReplicaAhead added = replica;
  if (known != replicas.end()) {
    added.last_seen_unix_seconds =
        std::max(added.last_seen_unix_seconds, known->last_seen_unix_seconds);
    replicas.erase(known);
  }
  const auto place = std::find_if(replicas.begin(), replicas.end(), [&](const ReplicaAhead& other) {
    return other.last_seen_unix_seconds <= added.last_seen_unix_seconds;
  });
  replicas.insert(place, added);
  if (replicas.size() > base::kReplicasAheadMax) replicas.pop_back();
}

}  // namespace tcsync::storage

#endif  // TCSYNC_SRC_STORAGE_REPLICAS_AHEAD_H_
