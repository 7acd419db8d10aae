#include "metrics/health.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tcsync::metrics {
namespace {

absl::string_view ProblemOf(const std::optional<absl::Status>& probe) {
  if (!probe) return "the committer is stuck: a write was not durable and read back in time";
  switch (probe->code()) {
    case absl::StatusCode::kOk:
      return "";
    case absl::StatusCode::kResourceExhausted:
      return "the disk is full";
    case absl::StatusCode::kUnavailable:
      return "the committer is stuck: writes are refused, because others have waited for too long";
    case absl::StatusCode::kDataLoss:
      return "stored bytes are damaged";
    case absl::StatusCode::kFailedPrecondition:
      return "the data directory is not in its place; nothing is stored";
    default:
      break;
  }
  // Storage has no code for it, but quotes the system's message.
  if (absl::StrContains(probe->message(), std::strerror(EROFS))) return "the disk is read-only";
  return "writing and reading back fails";
}

// Of a storage in a database: the same codes have other causes.
absl::string_view DatabaseProblemOf(const std::optional<absl::Status>& probe) {
  if (!probe) return "the database did not store and return a record in time";
  switch (probe->code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return "the database cannot be reached, or takes no writes";
    case absl::StatusCode::kFailedPrecondition:
      return "the database lacks tables of this release";
    case absl::StatusCode::kPermissionDenied:
      return "the database refuses the server's role";
    default:
      return ProblemOf(probe);
  }
}

absl::string_view DiskSpaceProblem(const StorageReport& report, const HealthPolicy& policy) {
  if (absl::IsDeadlineExceeded(report.stats_status)) {
    return policy.is_in_database ? "the database does not answer" : "the disk does not answer";
  }
  const bool is_known = report.stats && report.stats->disk_bytes_total > 0;
  if (is_known && report.stats->disk_bytes_free < policy.disk_free_bytes_min) {
    return "the free space is below the server's minimum; no new data is stored";
  }
  return "";
}

absl::string_view TotalSizeProblem(const StorageReport& report, const HealthPolicy& policy) {
  if (policy.total_bytes_max > 0 && report.stats &&
      report.stats->live_bytes >= policy.total_bytes_max) {
    return "all clients together have reached the server's limit; no new data is stored";
  }
  return "";
}

}  // namespace

bool Health::ok() const {
  return std::all_of(checks.begin(), checks.end(),
                     [](const HealthCheck& check) { return check.ok(); });
}

std::string Health::ToJson() const {
  // Every text is a constant without a character that JSON must escape.
  std::string json = absl::StrCat("{\"status\":\"", ok() ? "ok" : "failing", "\",\"checks\":{");
  for (const HealthCheck& check : checks) {
    absl::StrAppend(&json, &check == checks.data() ? "" : ",", "\"", check.name, "\":\"",
                    check.ok() ? "ok" : check.problem, "\"");
  }
  json += '}';
  for (const HealthCheck& note : notes) {
    absl::StrAppend(&json, &note == notes.data() ? ",\"notes\":{" : ",", "\"", note.name, "\":\"",
                    note.problem, "\"");
  }
  return absl::StrCat(json, notes.empty() ? "" : "}", "}\n");
}

Health Judge(const StorageReport& report, const HealthPolicy& policy) {
  Health health{.checks = {{"storage", policy.is_in_database ? DatabaseProblemOf(report.probe)
                                                             : ProblemOf(report.probe)},
                           {"disk_space", DiskSpaceProblem(report, policy)},
                           {"total_size", TotalSizeProblem(report, policy)}}};
  if (report.stats && !report.stats->log_losses.empty()) {
    health.notes.push_back(
        {"log", "versions were lost with a damaged log, which the operator accepted"});
  }
  return health;
}

HealthService::HealthService(HealthMonitor& monitor, const HealthPolicy& policy, Registry& registry,
                             base::Logger logger)
    : monitor_(monitor), policy_(policy), logger_(std::move(logger)) {
  for (const HealthCheck& check : Judge({}, {}).checks) {
    gauges_.push_back(&registry.AddGauge(
        "tcsync_health_ok", "Whether the check of /health found nothing wrong: 1, or 0.",
        {{"check", std::string(check.name)}}));
    gauges_.back()->Set(1);
  }
}

void HealthService::AddNote(absl::string_view name, std::function<absl::string_view()> note) {
  notes_.emplace_back(name, std::move(note));
}

void HealthService::Check(absl::AnyInvocable<void(const Health&)> done) {
  monitor_.Check([this, done = std::move(done)](const StorageReport& report) mutable {
    Health health = Judge(report, policy_);
    for (const auto& [name, note] : notes_) {
      if (const absl::string_view text = note(); !text.empty())
        health.notes.push_back({name, text});
    }
    Note(report, health);
    done(health);
  });
}

void HealthService::Note(const StorageReport& report, const Health& health) {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < health.checks.size(); ++i) {
    const HealthCheck& check = health.checks[i];
    if ((gauges_[i]->Value() == 1) == check.ok()) continue;
    gauges_[i]->Set(check.ok() ? 1 : 0);
    if (check.ok()) {
      logger_.Log(LogLevel::kInfo, "health: ", check.name, " is ok again");
      continue;
    }
    // Storage's message is for the operator; /health says only the state.
    const bool is_explained = check.name == "storage" && report.probe;
    logger_.Log(LogLevel::kError, "health: ", check.name, ": ", check.problem,
                is_explained ? absl::StrCat(" (", report.probe->ToString(), ")") : "");
  }
}

}  // namespace tcsync::metrics
