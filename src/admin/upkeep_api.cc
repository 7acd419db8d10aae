// Figures, jobs and the server as a whole.
#include <optional>
#include <string>

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

}  // namespace

absl::StatusOr<Json> Api::Stats(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  const absl::StatusOr<StorageStats> stats = administration().ReadStats();
  if (!stats.ok()) return stats.status();
  Json backend = Json::object();
  for (const auto& [name, value] : stats->backend) backend[name] = value;
  Json log_losses = Json::array();
  for (const LogLoss& loss : stats->log_losses) log_losses.push_back(DescribeLogLoss(loss));
  const std::optional<std::string> proxy =
      dependencies_.unnamed_proxy != nullptr ? dependencies_.unnamed_proxy() : std::nullopt;
  return Json{
      {"clients", stats->clients},
      {"live_bytes", stats->live_bytes},
      {"dead_bytes", DeadBytes(*stats)},
      {"bytes_on_disk", stats->bytes_on_disk},
      {"disk_bytes_free", stats->disk_bytes_free},
      {"disk_bytes_total", stats->disk_bytes_total},
      {"queued_writes", stats->queued_writes},
      {"queued_bytes", stats->queued_bytes},
      {"last_backup",
       stats->last_backup_unix_seconds == 0 ? Json() : Json(stats->last_backup_unix_seconds)},
      {"log_losses", std::move(log_losses)},
      {"unnamed_proxy", proxy ? Json(*proxy) : Json()},
      {"backend", std::move(backend)}};
}

absl::StatusOr<Json> Api::ListJobs(Call& call) {
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  return Json{{"jobs", jobs_.DescribeAll()}};
}

absl::StatusOr<Json> Api::ShowJob(Call& call) {
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  const std::optional<Json> job = jobs_.Describe(JobNumber(call.id));
  if (!job) return NoSuchJob(call.id);
  return *job;
}

absl::StatusOr<Json> Api::CancelJob(Call& call) {
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  const uint64_t number = JobNumber(call.id);
  if (!jobs_.Cancel(number)) return NoSuchJob(call.id);
  return jobs_.Describe(number).value_or(Json::object());
}

absl::StatusOr<Json> Api::Reload(Call& call) {
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  if (dependencies_.reload != nullptr) {
    const absl::Status status = dependencies_.reload();
    if (!status.ok()) return status;
  }
  return Json{{"reloaded", true}};
}

}  // namespace tcsync::admin
