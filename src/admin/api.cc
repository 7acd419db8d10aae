#include "admin/api.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tcsync::admin {

Api::Api(Dependencies dependencies) : dependencies_(std::move(dependencies)) {
  if (dependencies_.storage != nullptr) large_imports_.emplace(*dependencies_.storage);
}

absl::StatusOr<StorageAdministration*> Api::Begin(const Call& call) const {
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  if (dependencies_.storage == nullptr) {
    return absl::FailedPreconditionError("No data directory is open, which this needs.");
  }
  StorageAdministration* const administration = dependencies_.storage->administration();
  if (administration == nullptr) {
    return absl::UnimplementedError("This storage backend has no administration.");
  }
  return administration;
}

Json Api::PseudonymOf(const Uuid& client_id) const {
  if (dependencies_.client_name == nullptr) return nullptr;
  return dependencies_.client_name(client_id);
}

int64_t Api::NowSeconds() const { return absl::ToUnixSeconds(dependencies_.clock->Now()); }

}  // namespace tcsync::admin
