// Checks, retention and backups.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "admin/api.h"
#include "admin/json.h"
#include "base/limits.h"
#include "sync/retention.h"

namespace tcsync::admin {
namespace {

// The findings of walks along some clients' chains.
struct Verification {
  uint64_t clients = 0;
  uint64_t versions = 0;
  uint64_t bytes = 0;
  Json problems = Json::array();
  Json notes = Json::array();

  absl::Status Add(const Uuid& client_id, const Json& pseudonym,
                   const absl::StatusOr<ChainReport>& report) {
    // Deleted since the list was read.
    if (absl::IsNotFound(report.status())) return absl::OkStatus();
    if (absl::IsDataLoss(report.status())) {
      ++clients;
      AddTo(problems, client_id, pseudonym, "problems", {std::string(report.status().message())});
      return absl::OkStatus();
    }
    if (!report.ok()) return report.status();
    ++clients;
    versions += report->versions;
    bytes += report->bytes;
    if (!report->problems.empty()) {
      AddTo(problems, client_id, pseudonym, "problems", report->problems);
    }
    if (!report->notes.empty()) {
      AddTo(notes, client_id, pseudonym, "notes", report->notes);
      notes.back()["new_replica_cannot_start"] = report->new_replica_cannot_start;
    }
    return absl::OkStatus();
  }

  static void AddTo(Json& list, const Uuid& client_id, const Json& pseudonym, const char* name,
                    const std::vector<std::string>& sentences) {
    list.push_back(
        {{"client_id", client_id.ToString()}, {"pseudonym", pseudonym}, {name, sentences}});
  }

  Json Describe(const std::optional<Uuid>& next) const {
    return {{"clients", clients}, {"versions", versions},
            {"bytes", bytes},     {"problems", problems},
            {"notes", notes},     {"next", next ? Json(next->ToString()) : Json()}};
  }
};

constexpr absl::string_view kOnlyOffline = "This needs tcsync_administer without an engine.";

std::optional<uint32_t> BackupIdIn(Fields& fields) {
  const std::optional<uint64_t> count = fields.Count("backup", UINT32_MAX);
  if (!count) return std::nullopt;
  return static_cast<uint32_t>(*count);
}

}  // namespace

Json Api::DescribeBackup(const BackupInfo& backup) {
  Json description = {{"backup", backup.backup_id},
                      {"created", backup.created_unix_seconds},
                      {"bytes", backup.bytes},
                      {"files", backup.files}};
  description["problem"] = backup.problem.empty() ? Json() : Json(backup.problem);
  return description;
}

Json Api::DescribeLogLoss(const LogLoss& loss) {
  return {{"accepted", loss.accepted_unix_seconds},
          {"bytes", loss.bytes},
          {"versions_max", loss.versions_max},
          {"kept_in", loss.kept_in},
          {"description", loss.description}};
}

absl::StatusOr<Json> Api::StartJob(absl::string_view kind, Jobs::Work work) {
  const absl::StatusOr<uint64_t> job = jobs_.Start(kind, std::move(work));
  if (!job.ok()) return job.status();
  return Json{{"job", *job}};
}

absl::StatusOr<Json> Api::Verify(Call& call) {
  const std::optional<Uuid> after = call.fields.Id("after");
  call.client = call.fields.Text("client_id");
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  Verification verification;
  if (call.client) {
    const absl::StatusOr<ChainReport> report = administration().VerifyChain(call.client_id);
    if (absl::IsNotFound(report.status())) return NoSuchClient(call.client_id);
    const absl::Status status =
        verification.Add(call.client_id, PseudonymOf(call.client_id), report);
    if (!status.ok()) return status;
    return verification.Describe(std::nullopt);
  }
  const absl::Time deadline = absl::Now() + absl::Milliseconds(base::kAdminPageMs);
  const absl::StatusOr<std::vector<ClientSummary>> clients =
      administration().ListClients(after, base::kAdminPageClients);
  if (!clients.ok()) return clients.status();
  std::optional<Uuid> last;
  for (const ClientSummary& client : *clients) {
    const absl::Status status = verification.Add(client.client_id, PseudonymOf(client.client_id),
                                                 administration().VerifyChain(client.client_id));
    if (!status.ok()) return status;
    last = client.client_id;
    if (absl::Now() >= deadline) break;
  }
  const bool is_end =
      clients->size() < base::kAdminPageClients && (!last || *last == clients->back().client_id);
  return verification.Describe(is_end ? std::nullopt : last);
}

absl::StatusOr<Json> Api::VerifyFiles(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  return StartJob("verify-files", [this](JobProgress& progress) -> absl::StatusOr<Json> {
    const absl::Status status = administration().VerifyFiles(
        [&progress](uint64_t done, uint64_t total) { return progress.Report(done, total); });
    if (!status.ok()) return status;
    return Json{{"intact", true}};
  });
}

absl::StatusOr<Json> Api::Prune(Call& call) {
  const bool dry_run = call.fields.Flag("dry_run").value_or(false);
  const std::optional<Uuid> after = call.fields.Id("after");
  constexpr uint64_t kDaysMax = 36'500;
  sync::RetentionPolicy policy = dependencies_.retention;
  const auto override_days = [&](absl::string_view name, int64_t& days) {
    const std::optional<uint64_t> given = call.fields.Count(name, kDaysMax);
    if (given) days = static_cast<int64_t>(*given);
  };
  override_days("retention_days", policy.retention_days);
  override_days("replica_seen_days", policy.replica_seen_days);
  override_days("idle_client_days", policy.idle_client_days);
  policy.retention_versions = call.fields.Count("retention_versions", base::kVersionNumberMax)
                                  .value_or(policy.retention_versions);
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  sync::Retention retention(administration(), policy);
  const absl::StatusOr<sync::RetentionPage> page =
      retention.RunPage(after, dependencies_.clock->Now(), dry_run);
  if (!page.ok()) return page.status();
  Json clients = Json::array();
  for (const sync::ClientRetention& client : page->clients) {
    clients.push_back({{"client_id", client.client_id.ToString()},
                       {"pseudonym", PseudonymOf(client.client_id)},
                       {"whole_client", client.whole_client},
                       {"versions", client.versions},
                       {"bytes", client.bytes},
                       {"problem", client.problem.empty() ? Json() : Json(client.problem)}});
  }
  return Json{{"dry_run", dry_run},
              {"examined", page->examined},
              {"clients", std::move(clients)},
              {"next", page->next ? Json(page->next->ToString()) : Json()},
              // Once for all pages.
              {"job", dry_run || page->next ? Json() : CompactionJob()}};
}

absl::StatusOr<Json> Api::ListBackups(Call& call) {
  const std::string directory = call.fields.RequiredPath("directory");
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  const absl::StatusOr<std::vector<BackupInfo>> backups = dependencies_.backups.list(directory);
  if (!backups.ok()) return backups.status();
  Json list = Json::array();
  for (const BackupInfo& backup : *backups) list.push_back(DescribeBackup(backup));
  return Json{{"backups", std::move(list)}};
}

absl::StatusOr<Json> Api::MakeBackup(Call& call) {
  BackupRequest request{.directory = call.fields.RequiredPath("directory")};
  request.keep = static_cast<uint32_t>(call.fields.Count("keep", UINT32_MAX).value_or(0));
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  return StartJob(
      "backup",
      [this, request = std::move(request)](JobProgress& progress) -> absl::StatusOr<Json> {
        const absl::StatusOr<BackupInfo> backup = administration().Backup(
            request,
            [&progress](uint64_t done, uint64_t total) { return progress.Report(done, total); });
        if (!backup.ok()) return backup.status();
        return DescribeBackup(*backup);
      });
}

absl::StatusOr<Json> Api::Restore(Call& call) {
  const std::string directory = call.fields.RequiredPath("directory");
  const std::optional<uint32_t> backup_id = BackupIdIn(call.fields);
  const absl::Status status = BeginOffline(
      call, "The data directory is open, so nothing can be restored there: stop the server first.");
  if (!status.ok()) return status;
  const absl::StatusOr<BackupInfo> backup = dependencies_.offline.restore(directory, backup_id);
  if (!backup.ok()) return backup.status();
  return DescribeBackup(*backup);
}

absl::StatusOr<Json> Api::RepairLog(Call& call) {
  const bool dry_run = call.fields.Flag("dry_run").value_or(false);
  const absl::Status status =
      BeginOffline(call,
                   "The data directory is open, so its log is not damaged, or cannot be repaired "
                   "now: stop the server first.");
  if (!status.ok()) return status;
  const absl::StatusOr<LogRepair> repair = dependencies_.offline.repair_log(dry_run);
  if (!repair.ok()) return repair.status();
  return Json{{"dry_run", dry_run},
              {"damaged", repair->is_damaged},
              {"loss", repair->is_damaged ? DescribeLogLoss(repair->loss) : Json()}};
}

absl::StatusOr<Json> Api::AcknowledgeLogLosses(Call& call) {
  if (const absl::Status status = Begin(call); !status.ok()) return status;
  const absl::Status status = administration().AcknowledgeLogLosses();
  if (!status.ok()) return status;
  return Json{{"acknowledged", true}};
}

absl::StatusOr<Json> Api::ExtractFromBackup(Call& call) {
  const std::string directory = call.fields.RequiredPath("directory");
  const std::string output = call.fields.RequiredPath("output");
  const Uuid client_id = call.fields.RequiredId("client_id");
  const std::optional<uint32_t> backup_id = BackupIdIn(call.fields);
  if (const absl::Status status = BeginOffline(call, kOnlyOffline); !status.ok()) return status;
  const absl::StatusOr<ExtractedClient> extracted =
      dependencies_.offline.extract_client(directory, backup_id, client_id, output);
  if (!extracted.ok()) return extracted.status();
  const std::optional<Uuid>& snapshot = extracted->snapshot_version_id;
  return Json{{"client_id", client_id.ToString()},
              {"output", output},
              {"versions", extracted->versions},
              {"first_version_id", extracted->first_version_id.ToString()},
              {"latest_version_id", extracted->latest_version_id.ToString()},
              {"latest_appended", extracted->latest_appended_unix_seconds},
              {"snapshot_version_id", snapshot ? Json(snapshot->ToString()) : Json()}};
}

absl::StatusOr<Json> Api::Salvage(Call& call) {
  const std::string directory = call.fields.RequiredPath("directory");
  const std::string output = call.fields.RequiredPath("output");
  if (const absl::Status status = BeginOffline(call, kOnlyOffline); !status.ok()) return status;
  const absl::StatusOr<SalvageReport> report = dependencies_.offline.salvage(directory, output);
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
