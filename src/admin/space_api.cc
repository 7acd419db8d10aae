// Erasing the bytes of removed records, from the files of the storage and from backups.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "admin/api.h"
#include "admin/json.h"

namespace tcsync::admin {
namespace {

constexpr absl::string_view kCompactJob = "compact";

}  // namespace

absl::StatusOr<uint64_t> Api::StartCompaction(bool everything) {
  return jobs_.StartOrJoin(
      everything ? "compact-everything" : kCompactJob,
      [this, everything](JobProgress& progress) -> absl::StatusOr<Json> {
        const absl::StatusOr<CompactionReport> report = administration().Compact(
            {.everything = everything},
            [&progress](absl::string_view doing, uint64_t done, uint64_t total) {
              return progress.Report(doing, done, total);
            });
        if (!report.ok()) {
          if (!absl::IsCancelled(report.status())) {
            dependencies_.logger.Log(
                LogLevel::kError,
                "the bytes of removed records are still in files: ", report.status().message());
          }
          return report.status();
        }
        Log("compacted: the removed bytes of ", report->removals, " clients are gone; ",
            report->bytes_before, " bytes before, ", report->bytes_after, " bytes after");
        return Json{{"removals", report->removals},
                    {"bytes_before", report->bytes_before},
                    {"bytes_after", report->bytes_after}};
      });
}

Json Api::CompactionJob() {
  if (!administration().NeedsCompaction()) return nullptr;
  const absl::StatusOr<uint64_t> job = StartCompaction(/*everything=*/false);
  // With too many jobs it begins later by itself.
  return job.ok() ? Json(*job) : Json();
}

void Api::CompactIfNeeded() {
  if (dependencies_.storage == nullptr || jobs_.IsUnderWay(kCompactJob)) return;
  static_cast<void>(CompactionJob());
}

absl::StatusOr<Json> Api::Compact(Call& call) {
  const bool everything = call.fields.Flag("everything").value_or(false);
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  const absl::StatusOr<uint64_t> job = StartCompaction(everything);
  if (!job.ok()) return job.status();
  return Json{{"job", *job}};
}

absl::StatusOr<Json> Api::ListBackupsOfClient(Call& call) {
  const std::optional<std::string> directory = call.fields.Path("directory");
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  std::vector<std::string> directories;
  if (directory) directories.push_back(*directory);
  const absl::StatusOr<std::vector<BackupsMade>> made = administration().ReadBackupsMade();
  if (!made.ok()) return made.status();
  for (const BackupsMade& backups : *made) {
    if (std::find(directories.begin(), directories.end(), backups.directory) == directories.end()) {
      directories.push_back(backups.directory);
    }
  }
  Json backups = Json::array();
  Json problems = Json::array();
  for (const std::string& path : directories) {
    const absl::StatusOr<std::vector<BackupInfo>> with_client =
        dependencies_.backups.list_of_client(path, call.client_id);
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
  return Json{{"client_id", call.client_id.ToString()},
              {"directories", directories},
              {"backups", std::move(backups)},
              {"problems", std::move(problems)}};
}

absl::StatusOr<Json> Api::RemoveBackup(Call& call) {
  const std::string directory = call.fields.RequiredPath("directory");
  const uint64_t backup_id = call.fields.RequiredCount("backup", UINT32_MAX);
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  const absl::Status removed =
      dependencies_.backups.remove(directory, static_cast<uint32_t>(backup_id));
  if (!removed.ok()) return removed;
  Log("backup ", backup_id, " in ", directory, " was removed");
  return Json{{"directory", directory}, {"backup", backup_id}, {"removed", true}};
}

}  // namespace tcsync::admin
