// Making the bytes of what was removed go: out of the files of the storage, and out of backups.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "admin/answer.h"
#include "admin/api.h"

namespace tcsync::admin {
namespace {

constexpr absl::string_view kCompactJob = "compact";

}  // namespace

absl::StatusOr<uint64_t> Api::StartCompaction(StorageAdministration& administration,
                                              bool everything) {
  return jobs_.StartOrJoin(
      everything ? "compact-everything" : kCompactJob,
      [this, &administration, everything](JobProgress& progress) -> absl::StatusOr<Json> {
        const absl::StatusOr<CompactionReport> report = administration.Compact(
            {.everything = everything},
            [&progress](absl::string_view doing, uint64_t done, uint64_t total) {
              return progress.Report(doing, done, total);
            });
        if (!report.ok()) {
          if (!absl::IsCancelled(report.status())) {
            dependencies_.logger.Log(
                LogLevel::kError,
                "the bytes of what was removed are still in files: ", report.status().message());
          }
          return report.status();
        }
        Log("compacted: the bytes of what was removed of ", report->removals, " clients are gone; ",
            report->bytes_before, " bytes before, ", report->bytes_after, " bytes after");
        return Json{{"removals", report->removals},
                    {"bytes_before", report->bytes_before},
                    {"bytes_after", report->bytes_after}};
      });
}

Json Api::CompactionJob(StorageAdministration& administration) {
  if (!administration.NeedsCompaction()) return nullptr;
  const absl::StatusOr<uint64_t> job = StartCompaction(administration, /*everything=*/false);
  // With too many jobs it is begun later, without being asked for.
  return job.ok() ? Json(*job) : Json();
}

void Api::CompactIfNeeded() {
  StorageAdministration* const administration =
      dependencies_.storage == nullptr ? nullptr : dependencies_.storage->administration();
  if (administration == nullptr || jobs_.IsUnderWay(kCompactJob)) return;
  static_cast<void>(CompactionJob(*administration));
}

http::Response Api::Compact(Call& call) {
  const bool everything = call.fields.Flag("everything").value_or(false);
  const absl::StatusOr<StorageAdministration*> administration = Begin(call);
  if (!administration.ok()) return AnswerForStatus(administration.status());
  const absl::StatusOr<uint64_t> job = StartCompaction(**administration, everything);
  if (!job.ok()) return AnswerForStatus(job.status());
  return JsonAnswer(202, {{"job", *job}});
}

http::Response Api::ListBackupsOfClient(Call& call) {
  const std::optional<std::string> directory = call.fields.Text("directory");
  const absl::StatusOr<StorageAdministration*> administration = Begin(call);
  if (!administration.ok()) return AnswerForStatus(administration.status());
  if (dependencies_.offline.backups_of_client == nullptr) {
    return ErrorAnswer(501, "This storage backend has no backups.");
  }
  std::vector<std::string> directories;
  if (directory) {
    if (const absl::Status status = CheckDirectory(*directory); !status.ok()) {
      return AnswerForStatus(status);
    }
    directories.push_back(*directory);
  }
  const absl::StatusOr<std::vector<BackupsMade>> made = (*administration)->ReadBackupsMade();
  if (!made.ok()) return AnswerForStatus(made.status());
  for (const BackupsMade& backups : *made) {
    if (std::find(directories.begin(), directories.end(), backups.directory) == directories.end()) {
      directories.push_back(backups.directory);
    }
  }
  Json backups = Json::array();
  Json problems = Json::array();
  for (const std::string& path : directories) {
    const absl::StatusOr<std::vector<BackupInfo>> with_client =
        dependencies_.offline.backups_of_client(path, call.client_id);
    if (!with_client.ok()) {
      problems.push_back(
          {{"directory", path}, {"problem", std::string(with_client.status().message())}});
      continue;
    }
    for (const BackupInfo& backup : *with_client) {
      Json description = DescribeBackup(backup);
      description["directory"] = path;
      backups.push_back(std::move(description));
    }
  }
  return JsonAnswer(200, {{"client_id", call.client_id.ToString()},
                          {"directories", directories},
                          {"backups", std::move(backups)},
                          {"problems", std::move(problems)}});
}

http::Response Api::RemoveBackup(Call& call) {
  const std::string directory = call.fields.RequiredText("directory");
  const uint64_t backup_id = call.fields.RequiredCount("backup", UINT32_MAX);
  if (const absl::Status status = call.fields.Check(); !status.ok()) return AnswerForStatus(status);
  if (const absl::Status status = CheckDirectory(directory); !status.ok()) {
    return AnswerForStatus(status);
  }
  if (dependencies_.offline.remove_backup == nullptr) {
    return ErrorAnswer(501, "This storage backend has no backups.");
  }
  const absl::Status removed =
      dependencies_.offline.remove_backup(directory, static_cast<uint32_t>(backup_id));
  if (!removed.ok()) return AnswerForStatus(removed);
  Log("backup ", backup_id, " in ", directory, " was removed");
  return JsonAnswer(200, {{"directory", directory}, {"backup", backup_id}, {"removed", true}});
}

}  // namespace tcsync::admin
