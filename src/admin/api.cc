#include "admin/api.h"

#include <utility>

namespace tcsync::admin {

Api::Api(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}

absl::StatusOr<StorageAdministration*> Api::Administration() const {
  if (dependencies_.storage == nullptr) {
    return absl::FailedPreconditionError("No data directory is open, which this needs.");
  }
  StorageAdministration* const administration = dependencies_.storage->administration();
  if (administration == nullptr) {
    return absl::UnimplementedError("This storage backend has no administration.");
  }
  return administration;
}

}  // namespace tcsync::admin
