// The refusals of a rewind, with the same words for every backend.
#ifndef TCSYNC_SRC_STORAGE_REWIND_REFUSALS_H_
#define TCSYNC_SRC_STORAGE_REWIND_REFUSALS_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tcsync/client_histories.h"

namespace tcsync::storage {

inline absl::Status NoClientToRewind() { return absl::NotFoundError("there is no such client"); }

inline absl::Status NoVersionToRewindTo(const RewindRequest& request) {
  return absl::FailedPreconditionError(
      absl::StrCat("version ", request.version_id.ToString(),
                   " is not one that is kept of the client; nothing was removed"));
}

inline absl::Status ClientChangedBeforeRewind(const RewindRequest& request) {
  return absl::FailedPreconditionError(
      absl::StrCat("the client is not what it was when ", request.latest_version_id.ToString(),
                   " was its latest version and ",
                   request.snapshot_version_id ? request.snapshot_version_id->ToString() : "none",
                   " its snapshot's; nothing was removed: look at it again"));
}

}  // namespace tcsync::storage

#endif  // TCSYNC_SRC_STORAGE_REWIND_REFUSALS_H_
