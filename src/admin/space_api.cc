// Erasing the bytes of removed records, from the files of the storage and from backups.
#include <algorithm>
#include <functional>
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

absl::StatusOr<uint64_t> EngineApi::StartCompaction(bool everything) {
  return jobs_.StartOrJoin(
      everything ? "compact-everything" : kCompactJob,
      [this, everything](JobProgress& progress) -> absl::StatusOr<Json> {
        const absl::StatusOr<CompactionReport> report =
            administration().Compact({.everything = everything}, std::ref(progress));
        if (!report.ok()) {
          if (!absl::IsCancelled(report.status())) {
            parts_.logger.Log(LogLevel::kError, "the bytes of removed records are still in files: ",
                              report.status().message());
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

Json EngineApi::CompactionJob() {
  if (!administration().NeedsCompaction()) return nullptr;
  const absl::StatusOr<uint64_t> job = StartCompaction(/*everything=*/false);
  // With too many jobs it begins later by itself.
  return job.ok() ? Json(*job) : Json();
}

void EngineApi::CompactIfNeeded() {
  if (jobs_.IsUnderWay(kCompactJob)) return;
  static_cast<void>(CompactionJob());
}

absl::StatusOr<Json> EngineApi::Compact(bool everything) {
  return AnswerWithJob(StartCompaction(everything));
}

absl::StatusOr<Json> EngineApi::ListBackupsOfClient(const Uuid& client_id,
                                                    const std::optional<std::string>& directory) {
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
        parts_.backups.list_of_client(path, client_id);
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
  return Json{{"client_id", client_id.ToString()},
              {"directories", directories},
              {"backups", std::move(backups)},
              {"problems", std::move(problems)}};
}

}  // namespace tcsync::admin
