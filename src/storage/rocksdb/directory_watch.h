// Whether a directory that is open is still the one that its path leads to.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DIRECTORY_WATCH_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DIRECTORY_WATCH_H_

#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "storage/rocksdb/data_directory.h"

namespace tcsync::rocksdb_storage {

// A directory that is moved away or removed stays open, and RocksDB writes on into it, to where
// nobody finds it again; one that is put in its place gets the next files. Thread-compatible.
class DirectoryWatch {
 public:
  // Remembers what is there. Call it once all of it is.
  explicit DirectoryWatch(const DataDirectory& directory);

  // kFailedPrecondition, with a sentence, when a part of it is not there any more, or another one
  // is there instead.
  absl::Status Check() const;

 private:
  struct Entry {
    std::string path;
    dev_t device;
    ino_t inode;
  };

  std::string data_dir_;
  std::string current_path_;
  std::vector<Entry> entries_;
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_DIRECTORY_WATCH_H_
