// Directories of backups, jobs, and the server as a whole.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "admin/api.h"
#include "admin/json.h"

namespace tcsync::admin {
namespace {

absl::Status NoSuchJob(const std::string& id) {
  return absl::NotFoundError(
      absl::StrCat("There is no job ", id, "; those that ended long ago are forgotten."));
}

// 0, which no job has, if `id` is no number.
uint64_t JobNumber(const std::string& id) {
  uint64_t number = 0;
  return absl::SimpleAtoi(id, &number) ? number : 0;
}

// In the order of EffectiveOption::Source.
constexpr const char* kSourceNames[] = {"default", "derived", "environment", "set"};

}  // namespace

Json DescribeBackup(const BackupInfo& backup) {
  return {{"backup", backup.backup_id},
          {"created", backup.created_unix_seconds},
          {"bytes", backup.bytes},
          {"files", backup.files},
          {"problem", OrNull(backup.problem)}};
}

Json DescribeLogLoss(const LogLoss& loss) {
  return {{"accepted", loss.accepted_unix_seconds},
          {"bytes", loss.bytes},
          {"versions_max", loss.versions_max},
          {"kept_in", loss.kept_in},
          {"description", loss.description}};
}

absl::StatusOr<Json> AnswerWithJob(const absl::StatusOr<uint64_t>& number) {
  if (!number.ok()) return number.status();
  return Json{{"job", *number}};
}

absl::StatusOr<Json> CommonApi::ListBackups(const std::string& directory) {
  const absl::StatusOr<std::vector<BackupInfo>> backups = parts_.backups.list(directory);
  if (!backups.ok()) return backups.status();
  Json list = Json::array();
  for (const BackupInfo& backup : *backups) list.push_back(DescribeBackup(backup));
  return Json{{"backups", std::move(list)}};
}

absl::StatusOr<Json> CommonApi::RemoveBackup(const std::string& directory, uint64_t backup_id) {
  const absl::Status removed = parts_.backups.remove(directory, static_cast<uint32_t>(backup_id));
  if (!removed.ok()) return removed;
  Log("backup ", backup_id, " in ", directory, " was removed");
  return Json{{"directory", directory}, {"backup", backup_id}, {"removed", true}};
}

absl::StatusOr<Json> CommonApi::ListJobs() { return Json{{"jobs", jobs_.DescribeAll()}}; }

absl::StatusOr<Json> CommonApi::ShowJob(const std::string& id) {
  const std::optional<Json> job = jobs_.Describe(JobNumber(id));
  if (!job) return NoSuchJob(id);
  return *job;
}

absl::StatusOr<Json> CommonApi::CancelJob(const std::string& id) {
  const uint64_t number = JobNumber(id);
  if (!jobs_.Cancel(number)) return NoSuchJob(id);
  return jobs_.Describe(number).value_or(Json::object());
}

absl::StatusOr<Json> CommonApi::Reload() {
  if (const absl::Status status = parts_.reload(); !status.ok()) return status;
  return Json{{"reloaded", true}};
}

absl::StatusOr<Json> CommonApi::ListOptions() {
  Json options = Json::array();
  for (const EffectiveOption& option : parts_.options) {
    options.push_back({{"name", option.name},
                       {"value", option.value},
                       {"source", kSourceNames[static_cast<size_t>(option.source)]},
                       {"variable", OrNull(option.variable)}});
  }
  return Json{{"options", std::move(options)}};
}

}  // namespace tcsync::admin
