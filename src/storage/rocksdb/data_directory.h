// The data directory: who may open it, and whether this release can read it.
//
//   DATA_DIR/FORMAT     "tcsync storage format 4\n"; locked (flock) while the directory is open
//   DATA_DIR/CREATING   there until the first start has made a database, before it serves anybody
//   DATA_DIR/DATABASE   which database belongs here (database_file.h)
//   DATA_DIR/rocksdb/   the RocksDB database
//   DATA_DIR/room.log   there for a moment, to see whether a disk that was full has room again
//   DATA_DIR/reserve    keeps room on the disk (reserve.h); empty while that room is used
//   DATA_DIR/RESTORING  there while a backup is being restored into the directory
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DATA_DIRECTORY_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DATA_DIRECTORY_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/process_mark.h"

namespace tcsync::rocksdb_storage {

// The line of FORMAT, without its end, which backups carry as well.
std::string FormatLine(int version);
// The version in such a line; nullopt when it is none.
std::optional<int> ParseFormatLine(absl::string_view line);
// kFailedPrecondition for a version that is newer than this release's; `what` is what has it.
absl::Status CheckFormatVersion(int version, absl::string_view what);

// Holds the lock for as long as it lives. Move-only; thread-compatible.
class DataDirectory {
 public:
  // Creates the directory, for its owner only, and its format file when they do not exist, locks
  // it and checks the format. Errors, each naming `path`: kAlreadyExists when another process or
  // engine has it open; kFailedPrecondition when it is not tcsync's, its format is newer, or a
  // restore into it was cut short; kPermissionDenied, kNotFound (also for what is not a directory),
  // kResourceExhausted or kUnknown when the system refuses. A directory that existed is unchanged
  // after an error. An older format is kept until Upgrade(). What is missing of the database is
  // found when that is opened (database_check.h).
  static absl::StatusOr<DataDirectory> Open(const std::string& path);

  // Opens a directory to put a database of that format into it, and marks it, so that Open()
  // refuses it until EndRestore(). kFailedPrecondition when it has anything in it but what an
  // earlier restore left that was cut short, which is removed. Other errors as of Open().
  static absl::StatusOr<DataDirectory> OpenForRestore(const std::string& path, int format_version);
  // The database, with that identity, is complete and synced.
  absl::Status EndRestore(const std::string& database_id);
  // Leaves the directory as it was before OpenForRestore(), as far as the system allows it.
  void AbandonRestore();

  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&& other) = delete;
  ~DataDirectory();

  const std::string& path() const { return path_; }
  std::string DatabasePath() const;
  std::string DatabaseFilePath() const;
  std::string FormatPath() const;
  std::string RoomPath() const;
  std::string ReservePath() const;

  // Of what is in the directory: this release's or an older one.
  int format() const { return format_; }

  // Whether the directory never served anybody: only then may a database be created in it.
  bool is_new() const { return is_new_; }
  // The database is there. From now on the directory is not new, durably.
  absl::Status EndCreation();

  // Makes the format this release's, durably, once all that it has is in the directory.
  absl::Status Upgrade();

 private:
  DataDirectory(std::string path, int format_file, bool was_created);

  // Opens and locks FORMAT, creating it and the directory; reads nothing of it.
  static absl::StatusOr<DataDirectory> Lock(const std::string& path);

  std::string path_;
  int format_ = 0;
  bool is_new_ = false;
  int format_file_;  // holds the lock; -1 when moved from
  // A lock is let go with the last copy of its descriptor, and a child has one.
  std::unique_ptr<base::ClosedInChild> closed_in_child_;
  bool was_created_;  // by Lock()
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DATA_DIRECTORY_H_
