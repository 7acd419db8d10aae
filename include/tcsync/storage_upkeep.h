// The files of a storage: compaction, checks, backups, and damage that an operator accepted.
//
// Everything here blocks, some of it for minutes, and belongs on a thread that nobody waits for. An
// absl::Status is what went wrong in storage, with the codes of tcsync/storage.h.
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

// What accepting a damaged log would cost, or has.
struct LogRepair {
  bool is_damaged = false;  // otherwise there is nothing to accept, and nothing was changed
  LogLoss loss;
};

struct BackupInfo {
  uint32_t backup_id = 0;  // grows by one with each
  int64_t created_unix_seconds = 0;
  uint64_t bytes = 0;  // of its files, also those that other backups have as well
  uint64_t files = 0;
  // Why it cannot be restored, and then only the ID is known. Empty when its files are all there,
  // in their sizes.
  std::string problem = {};
};
struct BackupRequest {
  std::string directory;  // created when it does not exist; of backups of one storage only
  uint32_t keep = 0;      // how many backups stay, with the new one; 0: all
};

// How far something is: done of total, in bytes (for a backup, the total is estimated). Return
// false to stop it: kCancelled. Called while the call that took it has not returned, on that thread
// or on another one.
using Progress = absl::FunctionRef<bool(uint64_t done, uint64_t total)>;

struct CompactionRequest {
  // All files are written anew, also those that nothing is known to be removed from.
  bool everything = false;
};
struct CompactionReport {
  uint64_t removals = 0;      // clients of whom something was removed, and whose bytes are gone now
  uint64_t bytes_before = 0;  // on the disk
  uint64_t bytes_after = 0;
};
// What a compaction is doing, in words for people, and how far that is, in bytes. Return false to
// stop it: kCancelled, and what is left is done by the next one. Called on the calling thread.
using CompactionProgress =
    absl::FunctionRef<bool(absl::string_view doing, uint64_t done, uint64_t total)>;

// A directory that backups of this storage were made in, and the last of them.
struct BackupsMade {
  std::string directory;
  BackupInfo last;
};

// Thread-safe.
class StorageUpkeep {
 public:
  virtual ~StorageUpkeep() = default;

  // Whether something was removed whose bytes may still be in files. Cheap.
  virtual bool NeedsCompaction() { return false; }
  // Makes the bytes of what was removed before go: when it returns, no file has those of a removed
  // client, nor of snapshots that it had replaced; and of removed versions and replaced snapshots
  // of others not much is left. Writes and reads go on. kResourceExhausted: the disk has no room
  // for it.
  virtual absl::StatusOr<CompactionReport> Compact(const CompactionRequest& request,
                                                   CompactionProgress progress) {
    static_cast<void>(request), static_cast<void>(progress);
    return CompactionReport{};
  }

  // Compares every file with its checksums; kDataLoss names the first that differs.
  virtual absl::Status VerifyFiles(Progress progress) = 0;

  // Ends the telling of what ReadStats says of log losses.
  virtual absl::Status AcknowledgeLogLosses() { return absl::OkStatus(); }

  // Copies what is new since the last backup in that directory, while everything goes on.
  virtual absl::StatusOr<BackupInfo> Backup(const BackupRequest& request, Progress progress) = 0;
  // Where backups were made, those of late.
  virtual absl::StatusOr<std::vector<BackupsMade>> ReadBackupsMade() {
    return std::vector<BackupsMade>();
  }
};

}  // namespace tcsync

#endif  // TCSYNC_STORAGE_UPKEEP_H_
