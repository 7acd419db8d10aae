// Checks that the path of an open directory still leads to it.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_DIRECTORY_WATCH_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_DIRECTORY_WATCH_H_

#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "storage/rocksdb/data_directory.h"

namespace tcsync::rocksdb_storage {

// A directory that was moved or removed stays open, and RocksDB continues to write there, where
// nobody finds the files; a directory in its place gets the next files. Thread-compatible.
class DirectoryWatch {
 public:
  // Remembers the present files. To be called once all of them exist.
  explicit DirectoryWatch(const DataDirectory& directory);

  // kFailedPrecondition, with a sentence, when one of them is missing, or is another one.
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
