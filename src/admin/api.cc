#include "admin/api.h"

#include <string>
#include <utility>

namespace tcsync::admin {

Api::Api(Dependencies dependencies) : dependencies_(std::move(dependencies)) {
  if (dependencies_.storage != nullptr) large_imports_.emplace(*dependencies_.storage);
}

absl::Status Api::Begin(Call& call) const {
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  if (dependencies_.storage == nullptr) {
    return absl::FailedPreconditionError("No data directory is open, which this needs.");
  }
  if (!call.client) return absl::OkStatus();
  const auto pseudonym_of = [this](const Uuid& id) {
    return dependencies_.client_name != nullptr ? dependencies_.client_name(id) : std::string();
  };
  const absl::StatusOr<Uuid> client_id = ClientIdOf(*call.client, administration(), pseudonym_of);
  if (client_id.ok()) call.client_id = *client_id;
  return client_id.status();
}

absl::Status Api::BeginOffline(const Call& call, absl::string_view while_open) const {
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  if (dependencies_.storage == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(while_open);
}

Json Api::PseudonymOf(const Uuid& client_id) const {
  if (dependencies_.client_name == nullptr) return nullptr;
  return dependencies_.client_name(client_id);
}

int64_t Api::NowSeconds() const { return absl::ToUnixSeconds(dependencies_.clock->Now()); }

}  // namespace tcsync::admin
