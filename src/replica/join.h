// A replica's move to another history, with its tasks (docs/replica.md, "Joining a history").
#ifndef TCSYNC_SRC_REPLICA_JOIN_H_
#define TCSYNC_SRC_REPLICA_JOIN_H_

#include <string>

#include "absl/status/statusor.h"
#include "replica/store.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

// Replica::JoinHistory. `copy_path` is empty, or the path of a file that does not exist.
absl::StatusOr<JoinReport> JoinHistory(Store& own, Store& history, const JoinOptions& options,
                                       const std::string& copy_path);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_JOIN_H_
