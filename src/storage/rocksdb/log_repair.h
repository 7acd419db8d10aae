// Accepts the loss from a damaged log. The directory then opens in its state before the first lost
// write; the damaged log is kept aside, and the loss is reported until it is acknowledged.
//
//   DATA_DIR/damaged-log-N/   the logs and the DATABASE as they were, at the Nth loss
//   DATA_DIR/LOG_LOSSES       a line for each:
//                             "1790000000 bytes 4711 versions 80 in damaged-log-1: DESCRIPTION"
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_LOG_REPAIR_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_LOG_REPAIR_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tcsync/storage_upkeep.h"

namespace tcsync::rocksdb_storage {

// For a directory that no process has open. With `dry_run` nothing is changed. kDataLoss for a
// directory that lacks more than a part of its log; otherwise as DataDirectory::Open.
absl::StatusOr<LogRepair> RepairLog(const std::string& data_dir, bool dry_run);

// The losses that are not acknowledged, the earliest first.
std::vector<LogLoss> LogLossesIn(const std::string& data_dir);
absl::Status AcknowledgeLogLossesIn(const std::string& data_dir);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_LOG_REPAIR_H_
