// The files of a storage: compaction, checks, backups, and damage that an operator accepted.
//
// Every call here blocks, some for minutes, and belongs on a thread of its own. An absl::Status
// reports a failure of storage, with the codes of tcsync/storage.h.
#ifndef TCSYNC_STORAGE_UPKEEP_H_
#define TCSYNC_STORAGE_UPKEEP_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tcsync/storage_figures.h"

namespace tcsync {

// The loss that accepting a damaged log would cause, or has caused.
struct LogRepair {
  bool is_damaged = false;  // otherwise there is nothing to accept, and nothing was changed
  LogLoss loss;
};

struct BackupInfo {
  uint32_t backup_id = 0;  // grows by one with each backup
  int64_t created_unix_seconds = 0;
  uint64_t bytes = 0;  // of its files, including those shared with other backups
  uint64_t files = 0;
  // The reason why it cannot be restored, with only its ID known. Empty when all its files exist,
  // in their sizes.
  std::string problem = {};
};
struct BackupRequest {
  std::string directory;  // created when it does not exist; of backups of one storage only
  uint32_t keep = 0;      // how many backups stay, with the new one; 0: all
};

// Progress: done of total, in bytes (for a backup, the total is estimated). Return false to stop
// the work: kCancelled. Called until the call that took it returns, on its thread or on another
// one.
using Progress = absl::FunctionRef<bool(uint64_t done, uint64_t total)>;

struct CompactionRequest {
  // Rewrites all files, also those without known removals.
  bool everything = false;
};
struct CompactionReport {
  uint64_t removals = 0;      // clients whose removed bytes are gone now
  uint64_t bytes_before = 0;  // on the disk
  uint64_t bytes_after = 0;
};
// The present step of a compaction, in words for people, and its progress in bytes. Return false to
// stop it: kCancelled, and the next one does the rest. Called on the calling thread.
using CompactionProgress =
    absl::FunctionRef<bool(absl::string_view doing, uint64_t done, uint64_t total)>;

// A directory with backups of this storage, and the latest of them.
struct BackupsMade {
  std::string directory;
  BackupInfo last;
};

// Thread-safe. The functions with a body are as they are for a storage in which a removal leaves no
// bytes behind, and which has neither a log that can be damaged nor backups.
class StorageUpkeep {
 public:
  virtual ~StorageUpkeep() = default;

  // Whether files may still have the bytes of removed records. Cheap.
  virtual bool NeedsCompaction() { return false; }
  // Erases the bytes of earlier removals: when it returns, no file has those of a removed client,
  // or of snapshots that it had replaced; and of removed versions and replaced snapshots of others
  // little is left. Writes and reads continue. kResourceExhausted: the disk has no room for it.
  virtual absl::StatusOr<CompactionReport> Compact(const CompactionRequest& request,
                                                   CompactionProgress progress) {
    static_cast<void>(request), static_cast<void>(progress);
    return CompactionReport{};
  }

  // Compares every file with its checksums; kDataLoss names the first that differs.
  virtual absl::Status VerifyFiles(Progress progress) = 0;

  // Removes the log losses from the figures of ReadStats.
  virtual absl::Status AcknowledgeLogLosses() { return absl::OkStatus(); }

  // Copies the changes since the last backup in that directory, while requests are served.
  virtual absl::StatusOr<BackupInfo> Backup(const BackupRequest& request, Progress progress) = 0;
  // The directories of recent backups.
  virtual absl::StatusOr<std::vector<BackupsMade>> ReadBackupsMade() {
    return std::vector<BackupsMade>();
  }
};

}  // namespace tcsync

#endif  // TCSYNC_STORAGE_UPKEEP_H_
