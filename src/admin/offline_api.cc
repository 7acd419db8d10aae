// Work without an open engine: restoring, and saving what can be read.
#include <optional>
#include <string>
#include <utility>

#include "admin/api.h"

namespace tcsync::admin {

absl::StatusOr<Json> OfflineApi::Restore(const std::string& directory,
                                         std::optional<uint32_t> backup_id) {
  const absl::StatusOr<BackupInfo> backup = operations_.restore(directory, backup_id);
  if (!backup.ok()) return backup.status();
  return DescribeBackup(*backup);
}

absl::StatusOr<Json> OfflineApi::RepairLog(bool dry_run) {
  const absl::StatusOr<LogRepair> repair = operations_.repair_log(dry_run);
  if (!repair.ok()) return repair.status();
  return Json{{"dry_run", dry_run},
              {"damaged", repair->is_damaged},
              {"loss", repair->is_damaged ? DescribeLogLoss(repair->loss) : Json()}};
}

absl::StatusOr<Json> OfflineApi::ExtractFromBackup(const std::string& directory,
                                                   const std::string& output, const Uuid& client_id,
                                                   std::optional<uint32_t> backup_id) {
  const absl::StatusOr<ExtractedClient> extracted =
      operations_.extract_client(directory, backup_id, client_id, output);
  if (!extracted.ok()) return extracted.status();
  return Json{{"client_id", client_id.ToString()},
              {"output", output},
              {"versions", extracted->versions},
              {"first_version_id", extracted->first_version_id.ToString()},
              {"latest_version_id", extracted->latest_version_id.ToString()},
              {"latest_appended", extracted->latest_appended_unix_seconds},
              {"snapshot_version_id", OrNull(extracted->snapshot_version_id)}};
}

absl::StatusOr<Json> OfflineApi::Salvage(const std::string& directory, const std::string& output) {
  const absl::StatusOr<SalvageReport> report = operations_.salvage(directory, output);
  if (!report.ok()) return report.status();
  Json skipped = Json::array();
  for (const SalvageReport::Skipped& client : report->skipped) {
    skipped.push_back({{"client_id", client.client_id.ToString()}, {"problems", client.problems}});
  }
  return Json{{"output", output},
              {"clients", report->exported},
              {"versions", report->versions},
              {"damage", report->damage},
              {"skipped", std::move(skipped)}};
}

}  // namespace tcsync::admin
