// A user's operations, and the reversal of the last ones.
#ifndef TCSYNC_SRC_REPLICA_COMMIT_H_
#define TCSYNC_SRC_REPLICA_COMMIT_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "replica/store.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

// Each in a transaction of its own. Replica::Commit, UndoableOperations and Undo.
absl::Status CommitOperations(Store& store, absl::Span<const Operation> operations);
absl::StatusOr<std::vector<Operation>> FindUndoableOperations(Store& store);
absl::StatusOr<bool> UndoOperations(Store& store, absl::Span<const Operation> operations);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_COMMIT_H_
