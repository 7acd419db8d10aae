// The data directory: who may open it, and whether this release can read it.
//
//   DATA_DIR/FORMAT    "tcsync storage format 2\n"; locked (flock) while the directory is open
//   DATA_DIR/rocksdb/  the RocksDB database
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DATA_DIRECTORY_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DATA_DIRECTORY_H_

#include <string>

#include "absl/status/statusor.h"

namespace tcsync {

// Holds the lock for as long as it lives. Move-only; thread-compatible.
class DataDirectory {
 public:
  // Creates the directory, for its owner only, and its format file when they do not exist, locks
  // it and checks the format. Errors, each naming `path`: kAlreadyExists when another process or
  // engine has it open; kFailedPrecondition when it is not tcsync's or its format is newer;
  // kPermissionDenied, kNotFound (also for what is not a directory), kResourceExhausted or kUnknown
  // when the system refuses. A directory that existed is unchanged after an error. An older format
  // is kept until Upgrade().
  static absl::StatusOr<DataDirectory> Open(const std::string& path);

  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&& other) = delete;
  ~DataDirectory();

  std::string DatabasePath() const;

  // Of what is in the directory: this release's or an older one.
  int format() const { return format_; }

  // Makes the format this release's, durably, once all that it has is in the directory.
  absl::Status Upgrade();

 private:
  DataDirectory(std::string path, int format_file);

  std::string path_;
  int format_ = 0;
  int format_file_;  // holds the lock; -1 when moved from
};

}  // namespace tcsync

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DATA_DIRECTORY_H_
