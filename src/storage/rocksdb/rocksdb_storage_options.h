// The options of a RocksDB storage.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_ROCKSDB_STORAGE_OPTIONS_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_ROCKSDB_STORAGE_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "base/limits.h"

namespace rocksdb {
class Env;
}

namespace tcsync::metrics {
class Registry;
}

namespace tcsync::rocksdb_storage {

struct RocksdbStorageOptions {
  std::string data_dir;
  uint64_t memtable_bytes = uint64_t{8} << 20;
  uint64_t block_cache_bytes = uint64_t{16} << 20;
  uint64_t head_cache_bytes = uint64_t{8} << 20;
  uint64_t queue_bytes_max = uint64_t{48} << 20;  // of waiting writes; beyond it kUnavailable
  int reader_threads = 4;                         // for reads that have to wait for the disk
  // The longest wait for the disk; beyond it further requests are kUnavailable.
  std::chrono::milliseconds disk_wait_max{1000};
  // The interval of the checks of the directory's place, and of the notes on the log's extent.
  std::chrono::milliseconds watch_interval{base::kDirectoryWatchMs};
  metrics::Registry* registry = nullptr;  // for its metrics; must outlive the storage
  rocksdb::Env* env = nullptr;  // for tests that make the disk fail; nullptr: the system's
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_ROCKSDB_STORAGE_OPTIONS_H_
