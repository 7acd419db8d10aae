// The merge of two histories of the same person's tasks (docs/replica.md, "Joining a history").
#ifndef TCSYNC_SRC_REPLICA_MERGE_H_
#define TCSYNC_SRC_REPLICA_MERGE_H_

#include <set>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

// One of two replicas: its tasks, and what it still has of the operations that made them, in their
// order.
struct MergeSide {
  std::vector<Task> tasks;
  std::vector<Operation> operations;
  // Tasks whose deletion followed everything that the other side has, whatever the times say.
  std::set<Uuid> later_deletions = {};
};

struct Merge {
  // Make the merged tasks from those of the history. Each has the time at which it was made on its
  // computer, as far as that is known. Valid on the history's tasks, in their order.
  std::vector<Operation> operations;
  JoinReport report;
};

// Takes the tasks of `history`, and brings in those of `own`. Operations without any known time get
// `now`.
Merge MergeIntoHistory(const MergeSide& own, const MergeSide& history, absl::Time now);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_MERGE_H_
