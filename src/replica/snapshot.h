// A snapshot, unsealed: the tasks as JSON (operation_json.h), compressed with zlib.
#ifndef TCSYNC_SRC_REPLICA_SNAPSHOT_H_
#define TCSYNC_SRC_REPLICA_SNAPSHOT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/limits.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

absl::StatusOr<std::string> EncodeSnapshot(const std::vector<Task>& tasks);

// kInvalidArgument, with a problem that completes "the snapshot ...", for bytes that are none, or
// whose JSON is longer than `json_bytes_max`.
absl::StatusOr<std::vector<Task>> DecodeSnapshot(
    absl::string_view snapshot, size_t json_bytes_max = base::kSnapshotJsonBytesMax);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_SNAPSHOT_H_
