// Work without an open engine: restoring, saving what can be read, and the tables of a database.
#include <optional>
#include <string>
#include <utility>

#include "admin/api.h"

namespace tcsync::admin {
namespace {

const char* NameOfTables(const DatabaseState& state) {
  if (!state.tables_version) return "unreadable";
  if (*state.tables_version == 0) return "none";
  if (*state.tables_version == state.release_tables_version) return "current";
  return *state.tables_version < state.release_tables_version ? "older" : "newer";
}

Json DescribeDatabase(const DatabaseState& state) {
  return {{"server_version", state.server_version},
          {"role", state.role},
          {"tables", NameOfTables(state)},
          {"tables_version", state.tables_version ? Json(*state.tables_version) : Json()},
          {"release_tables_version", state.release_tables_version},
          {"warnings", state.warnings},
          {"problem", OrNull(state.problem)}};
}

}  // namespace

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

absl::StatusOr<Json> OfflineApi::CheckDatabase() {
  const absl::StatusOr<DatabaseState> state = operations_.check_database();
  if (!state.ok()) return state.status();
  return DescribeDatabase(*state);
}

absl::StatusOr<Json> OfflineApi::UpgradeDatabase() {
  const absl::StatusOr<DatabaseState> before = operations_.check_database();
  if (!before.ok()) return before.status();
  const absl::StatusOr<DatabaseState> after = operations_.upgrade_database();
  if (!after.ok()) return after.status();
  Json answer = DescribeDatabase(*after);
  answer["tables_before"] = NameOfTables(*before);
  answer["tables_version_before"] = before->tables_version ? Json(*before->tables_version) : Json();
  return answer;
}

}  // namespace tcsync::admin
