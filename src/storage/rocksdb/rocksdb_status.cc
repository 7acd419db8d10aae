#include "storage/rocksdb/rocksdb_status.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace tcsync {

absl::Status FromRocksdb(const rocksdb::Status& status, absl::string_view action) {
  if (status.IsIncomplete()) return NeedsDiskError();
  const std::string message = absl::StrCat("cannot ", action, ": ", status.ToString());
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(message);
  if (status.IsCorruption()) return absl::DataLossError(message);
  if (status.IsBusy() || status.IsTimedOut() || status.IsShutdownInProgress()) {
    return absl::UnavailableError(message);
  }
  if (status.IsIOError()) return absl::UnknownError(message);
  return absl::InternalError(message);
}

}  // namespace tcsync
