#include "engine/others_changes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/limits.h"

namespace tcsync::engine {

absl::Status OthersChanges::ApplyAccess() {
  absl::StatusOr<std::string> revision = others_.AccessRevision();
  if (!revision.ok()) return revision.status();
  if (access_revision_ == *revision) return absl::OkStatus();
  // The revision precedes the reading, so that no later change is missed.
  if (absl::Status refreshed = refresh_access_(); !refreshed.ok()) return refreshed;
  access_revision_ = *std::move(revision);
  return absl::OkStatus();
}

absl::Status OthersChanges::EndPolls() {
  if (long_polls_.count() == 0) return absl::OkStatus();
  const std::vector<Uuid> clients = long_polls_.clients();
  for (size_t begin = 0; begin < clients.size(); begin += base::kLatestVersionsPerQuery) {
    const auto page = absl::MakeConstSpan(clients).subspan(begin, base::kLatestVersionsPerQuery);
    const absl::StatusOr<std::vector<std::pair<Uuid, Uuid>>> latest = others_.LatestVersions(page);
    if (!latest.ok()) return latest.status();
    for (const auto& [client_id, version_id] : *latest) {
      long_polls_.EndBehind(client_id, version_id);
    }
  }
  return absl::OkStatus();
}

void OthersChanges::Apply() {
  absl::Status status = ApplyAccess();
  status.Update(EndPolls());
  if (!status.ok() && !std::exchange(has_failed_, true)) {
    logger_.Log(
        LogLevel::kWarning,
        "changes of other servers, such as bans, are not noticed at present: ", status.message());
  }
  if (status.ok() && std::exchange(has_failed_, false)) {
    logger_.Log(LogLevel::kInfo, "changes of other servers are noticed again");
  }
}

}  // namespace tcsync::engine
