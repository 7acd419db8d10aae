// Operations that data directories and backup directories share: creating them, reading them, and
// making them survive a loss of power.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DIRECTORIES_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DIRECTORIES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rocksdb {
class DB;
}

namespace tcsync::rocksdb_storage {

// The data directory that contains this folder of a database.
std::string DataDirectoryOf(const rocksdb::DB& database);

// An error of the system about `path`; `action` completes "cannot ...". Never kFailedPrecondition,
// which is for directories that are not ours.
absl::Status SystemError(int error, absl::string_view action, const std::string& path);

// The path without trailing slashes.
std::string WithoutTrailingSlashes(absl::string_view path);

// Creates the directory, for its owner only, and its parents. An existing one is left unchanged; a
// path that is not a directory gives kNotFound. `what` is the name of the directory in errors:
// "data directory". Returns whether it was created.
absl::StatusOr<bool> CreateDirectory(const std::string& path, absl::string_view what);

// Makes created and removed names in the directory survive a loss of power.
absl::Status SyncDirectory(const std::string& path);

// Replaces the content of the file by the text, and syncs it.
absl::Status WriteSynced(int fd, absl::string_view text, const std::string& path);

// The names in the directory, sorted, except those that an empty directory may have as well:
// lost+found of a new volume, and hidden files such as .gitkeep.
absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& path);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DIRECTORIES_H_
