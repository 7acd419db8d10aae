// The tasks as a list of operations changes them, in memory until they are written.
#ifndef TCSYNC_SRC_REPLICA_TASK_CHANGES_H_
#define TCSYNC_SRC_REPLICA_TASK_CHANGES_H_

#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replica/store.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

// Within one transaction of the store, which outlives it.
class TaskChanges {
 public:
  explicit TaskChanges(Store& store) : store_(store) {}

  // Applies the operation. Whether it was valid; an invalid one changes nothing. Sets its old value
  // or old properties. An undo point is valid.
  absl::StatusOr<bool> Apply(Operation& operation);

  absl::Status Write();

 private:
  struct ChangedTask {
    std::optional<TaskProperties> properties;  // nullopt: there is none
    bool is_stored = false;
    bool has_changed = false;
    // A task that was deleted and created again is a new one in the order of arrival.
    bool is_replaced = false;
  };

  absl::StatusOr<ChangedTask*> Find(const Uuid& task_id);

  Store& store_;
  // Not Abseil's, which cannot be destroyed after it ran out of memory.
  std::unordered_map<Uuid, ChangedTask, absl::Hash<Uuid>> tasks_;
  std::vector<Uuid> in_order_;  // of their first use, which becomes that of new tasks
};

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_TASK_CHANGES_H_
