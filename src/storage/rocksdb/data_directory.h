// The data directory: its lock, and the check that this release can read it.
//
//   DATA_DIR/FORMAT     "tcsync storage format 4\n"; locked (flock) while the directory is open
//   DATA_DIR/CREATING   present until the first start has created a database, before it serves
//   DATA_DIR/DATABASE   the identity of the database that belongs here (database_file.h)
//   DATA_DIR/rocksdb/   the RocksDB database
//   DATA_DIR/room.log   present for a moment, to see whether a full disk has room again
//   DATA_DIR/reserve    reserves disk space (reserve.h); empty while that space is used
//   DATA_DIR/RESTORING  present while a backup is being restored into the directory
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DATA_DIRECTORY_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DATA_DIRECTORY_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/process_mark.h"

namespace tcsync::rocksdb_storage {

// The line of FORMAT without its line break. Backups have the same line.
std::string FormatLine(int version);
// The version in such a line; nullopt for any other text.
std::optional<int> ParseFormatLine(absl::string_view line);
// kFailedPrecondition for a version newer than this release's; `what` names the object that has it.
absl::Status CheckFormatVersion(int version, absl::string_view what);

// Holds the lock during its lifetime. Move-only; thread-compatible.
class DataDirectory {
 public:
  // Creates the directory, for its owner only, and its format file unless they exist, locks it and
  // checks the format. Errors, each with `path`: kAlreadyExists when another process or engine has
  // it open; kFailedPrecondition when it is not tcsync's, its format is newer, or a restore into it
  // was interrupted; kPermissionDenied, kNotFound (also for a path that is not a directory),
  // kResourceExhausted or kUnknown when the system refuses. An existing directory is unchanged
  // after an error. An older format is kept until Upgrade(). Missing parts of the database are
  // found when it is opened (database_check.h).
  static absl::StatusOr<DataDirectory> Open(const std::string& path);

  // Opens a directory to put a database of that format into it, and marks it, so that Open()
  // refuses it until EndRestore(). Removes the rest of an interrupted restore; kFailedPrecondition
  // when there is anything else. Other errors as of Open().
  static absl::StatusOr<DataDirectory> OpenForRestore(const std::string& path, int format_version);
  // The database, with that identity, is complete and synced.
  absl::Status EndRestore(const std::string& database_id);
  // Restores the directory to its state before OpenForRestore(), as far as the system allows.
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

  // The format of the directory: this release's or an older one.
  int format() const { return format_; }

  // Whether no client was ever served from the directory: only then may a database be created in
  // it.
  bool is_new() const { return is_new_; }
  // The database has been created. From now on the directory is not new, durably.
  absl::Status EndCreation();

  // Durably sets this release's format, once the directory has all parts of it.
  absl::Status Upgrade();

 private:
  DataDirectory(std::string path, int format_file, bool was_created);

  // Opens and locks FORMAT, creating it and the directory; does not read it.
  static absl::StatusOr<DataDirectory> Lock(const std::string& path);

  std::string path_;
  int format_ = 0;
  bool is_new_ = false;
  int format_file_;  // holds the lock; -1 after a move
  // A lock ends with the last copy of its descriptor, and a forked child has one.
  std::unique_ptr<base::ClosedInChild> closed_in_child_;
  bool was_created_;  // by Lock()
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DATA_DIRECTORY_H_
