// What a storage has and takes: figures for limits, metrics and operators.
//
// Everything here blocks, some of it for minutes, and belongs on a thread that nobody waits for. An
// absl::Status is what went wrong in storage, with the codes of tcsync/storage.h.
#ifndef TCSYNC_STORAGE_FIGURES_H_
#define TCSYNC_STORAGE_FIGURES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace tcsync {

// Damage of a log that an operator accepted, and what may have been lost with it.
struct LogLoss {
  int64_t accepted_unix_seconds = 0;
  uint64_t bytes = 0;
  uint64_t versions_max = 0;  // not more than that
  std::string kept_in;        // the directory where the damaged log is, in the data directory
  std::string description;    // what was wrong
};
struct StorageStats {
  uint64_t clients = 0;
  // What the clients have: their history and snapshots, what they are uploading, and an allowance
  // for the record of each version and client (kVersionRecordBytes, kClientRecordBytes).
  uint64_t live_bytes = 0;
  uint64_t bytes_on_disk = 0;    // of everything that the storage keeps; 0 in memory
  uint64_t disk_bytes_free = 0;  // as an ordinary user could use them; 0 in memory
  uint64_t disk_bytes_total = 0;
  uint64_t queued_writes = 0;
  uint64_t queued_bytes = 0;
  int64_t last_backup_unix_seconds = 0;  // of any directory; 0: none is known of
  // The backend's own figures, such as {"rocksdb_compaction_pending", 1}: names in the style of
  // Prometheus, each of one value.
  std::vector<std::pair<std::string, double>> backend;
  // That were accepted and are not acknowledged yet, the earliest first.
  std::vector<LogLoss> log_losses = {};
};

// Of what is on the disk, what no client has (any more): replaced and removed records that no
// compaction has passed yet, and the log's length. 0 in memory.
inline uint64_t DeadBytes(const StorageStats& stats) {
  return stats.bytes_on_disk > stats.live_bytes ? stats.bytes_on_disk - stats.live_bytes : 0;
}

// Thread-safe.
class StorageFigures {
 public:
  virtual ~StorageFigures() = default;

  virtual absl::StatusOr<StorageStats> ReadStats() = 0;
  // StorageStats::live_bytes as it is now, and cheap: asked before each write.
  virtual uint64_t LiveBytes() {
    const absl::StatusOr<StorageStats> stats = ReadStats();
    return stats.ok() ? stats->live_bytes : 0;
  }
};

}  // namespace tcsync

#endif  // TCSYNC_STORAGE_FIGURES_H_
