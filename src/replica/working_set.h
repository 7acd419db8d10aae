// The working set: small numbers for the tasks that are pending or recurring, by which Taskwarrior
// names them.
#ifndef TCSYNC_SRC_REPLICA_WORKING_SET_H_
#define TCSYNC_SRC_REPLICA_WORKING_SET_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "replica/store.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

inline constexpr absl::string_view kStatusProperty = "status";

bool IsStatusOfWorkingSet(absl::string_view status);

// Both within the caller's transaction.
// Gives the tasks that have none yet the next numbers.
absl::Status AddToWorkingSet(Store& store, absl::Span<const Uuid> task_ids);
// Replica::RebuildWorkingSet.
absl::Status RebuildWorkingSet(Store& store, bool renumber);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_WORKING_SET_H_
