// Accepting that a damaged log lost something. The directory opens then as it was before the first
// write that is lost; the damaged log is kept aside, and the loss is told until it is acknowledged.
//
//   DATA_DIR/damaged-log-N/   the logs and the DATABASE as they were, N times accepted
//   DATA_DIR/LOG_LOSSES       a line for each:
//                             "1790000000 bytes 4711 versions 80 in damaged-log-1: what was wrong"
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_LOG_REPAIR_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_LOG_REPAIR_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tcsync/storage_administration.h"

namespace tcsync::rocksdb_storage {

// Of a directory that nobody has open. With `dry_run` nothing is changed. kDataLoss for a directory
// that lacks more than a part of its log; otherwise as DataDirectory::Open.
absl::StatusOr<LogRepair> RepairLog(const std::string& data_dir, bool dry_run);

// Those that are not acknowledged, the earliest first.
std::vector<LogLoss> LogLossesIn(const std::string& data_dir);
absl::Status AcknowledgeLogLossesIn(const std::string& data_dir);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_LOG_REPAIR_H_
