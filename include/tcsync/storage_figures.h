// Figures of a storage's content and space: for limits, metrics and operators.
//
// Every call here blocks, some for minutes, and belongs on a thread of its own. An absl::Status
// reports a failure of storage, with the codes of tcsync/storage.h.
#ifndef TCSYNC_STORAGE_FIGURES_H_
#define TCSYNC_STORAGE_FIGURES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace tcsync {

// Damage of a log that an operator accepted, and its possible losses.
struct LogLoss {
  int64_t accepted_unix_seconds = 0;
  uint64_t bytes = 0;
  uint64_t versions_max = 0;  // an upper bound
  std::string kept_in;        // the directory of the damaged log, in the data directory
  std::string description;    // of the damage
};
struct StorageStats {
  uint64_t clients = 0;
  // The clients' data: their history and snapshots, their unfinished uploads, and an allowance for
  // the record of each version and client (128 and 256 bytes).
  uint64_t live_bytes = 0;
  uint64_t bytes_on_disk = 0;    // of everything that the storage keeps; 0 in memory
  uint64_t disk_bytes_free = 0;  // available to an ordinary user; 0 in memory
  uint64_t disk_bytes_total = 0;
  uint64_t queued_writes = 0;
  uint64_t queued_bytes = 0;
  bool makes_backups = true;             // false: another program makes those of its data
  int64_t last_backup_unix_seconds = 0;  // in any directory; 0: none is known
  // The backend's own figures, such as {"rocksdb_compaction_pending", 1}: names in the style of
  // Prometheus, each with one value.
  std::vector<std::pair<std::string, double>> backend;
  // The accepted losses that are not acknowledged yet, the earliest first.
  std::vector<LogLoss> log_losses = {};
};

// The bytes on the disk that belong to no client (any more): replaced and removed records that no
// compaction has passed yet, and the log's length. 0 in memory.
inline uint64_t DeadBytes(const StorageStats& stats) {
  return stats.bytes_on_disk > stats.live_bytes ? stats.bytes_on_disk - stats.live_bytes : 0;
}

// Thread-safe.
class StorageFigures {
 public:
  virtual ~StorageFigures() = default;

  virtual absl::StatusOr<StorageStats> ReadStats() = 0;
  // The present StorageStats::live_bytes. Cheap: it is called before each write.
  virtual uint64_t LiveBytes() = 0;
};

}  // namespace tcsync

#endif  // TCSYNC_STORAGE_FIGURES_H_
