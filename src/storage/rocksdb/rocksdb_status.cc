#include "storage/rocksdb/rocksdb_status.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tcsync::rocksdb_storage {

absl::Status FromRocksdb(const rocksdb::Status& status, absl::string_view action) {
  if (status.IsIncomplete()) return NeedsDiskError();
  const std::string message = absl::StrCat("cannot ", action, ": ", status.ToString());
  // A limit on file sizes counts as a full disk; RocksDB has no code for it, but quotes the
  // system's message.
  const bool is_too_large = status.IsIOError() && absl::StrContains(message, std::strerror(EFBIG));
  if (status.IsNoSpace() || is_too_large) return absl::ResourceExhaustedError(message);
  if (status.IsCorruption()) return absl::DataLossError(message);
  if (status.IsBusy() || status.IsTimedOut() || status.IsShutdownInProgress()) {
    return absl::UnavailableError(message);
  }
  if (status.IsIOError()) return absl::UnknownError(message);
  return absl::InternalError(message);
}

}  // namespace tcsync::rocksdb_storage
