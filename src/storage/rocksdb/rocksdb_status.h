// RocksDB's statuses in terms of tcsync/storage.h, and its slices in those of Abseil.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_ROCKSDB_STATUS_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_ROCKSDB_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace tcsync::rocksdb_storage {

// `action` names the attempt: "write a batch". Must not be called for an OK status.
absl::Status FromRocksdb(const rocksdb::Status& status, absl::string_view action);

inline absl::string_view ToView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

// Whether this is the error of a read that had to do without the disk and could not. It never
// leaves the backend.
inline bool NeedsDisk(const absl::Status& status) { return absl::IsAborted(status); }
inline absl::Status NeedsDiskError() { return absl::AbortedError("this is not in memory"); }

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_ROCKSDB_STATUS_H_
