// Writes of the sync protocol that need more than the batch of appender.h: each reads the client's
// record, decides, and changes it if nobody has changed it meanwhile.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_CLIENT_WRITES_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_CLIENT_WRITES_H_

#include "absl/status/statusor.h"
#include "storage/postgres/appender.h"
#include "storage/postgres/core.h"
#include "tcsync/storage.h"

namespace tcsync::postgres_storage {

// An append that may create its client or replace a history, whose segment may be an upload, whose
// client's row may be locked, or whose earlier attempts have an unknown outcome. Blocks until the
// append's deadline.
absl::StatusOr<AppendOutcome> AppendAlone(const Core& core, PendingAppend& append);

absl::StatusOr<StoreSnapshotOutcome> StoreSnapshot(const Core& core, StoreSnapshotRequest& request,
                                                   Deadline deadline);

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_CLIENT_WRITES_H_
