#include "storage/rocksdb/directory_watch.h"

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace tcsync::rocksdb_storage {

DirectoryWatch::DirectoryWatch(const DataDirectory& directory)
    : data_dir_(directory.path()), current_path_(directory.DatabasePath() + "/CURRENT") {
  for (const std::string& path : {directory.path(), directory.FormatPath(),
                                  directory.DatabaseFilePath(), directory.DatabasePath()}) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) continue;
    entries_.push_back({path, info.st_dev, info.st_ino});
  }
}

absl::Status DirectoryWatch::Check() const {
  const auto displaced = [this](const std::string& path, absl::string_view how) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, how, " since the server was started: nothing is stored. Put ", data_dir_,
        " back as it was, and the server continues; or stop it, examine that path, and start it"));
  };
  for (const Entry& entry : entries_) {
    struct stat info {};
    if (stat(entry.path.c_str(), &info) != 0) {
      // Any other error is the disk's, and writes will meet it as well.
      if (errno != ENOENT && errno != ENOTDIR) continue;
      return displaced(entry.path, " was moved away or removed");
    }
    if (info.st_dev != entry.device || info.st_ino != entry.inode) {
      return displaced(entry.path, " was replaced by another one");
    }
  }
  // RocksDB replaces this file itself.
  struct stat info {};
  if (stat(current_path_.c_str(), &info) != 0 && errno == ENOENT) {
    return displaced(current_path_, " was removed");
  }
  return absl::OkStatus();
}

}  // namespace tcsync::rocksdb_storage
