// Checks, retention and backups.
#include <functional>
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

  absl::Status Add(const Uuid& client_id, const std::string& pseudonym,
                   absl::StatusOr<ChainReport> report) {
    // Deleted since the list was read.
    if (absl::IsNotFound(report.status())) return absl::OkStatus();
    if (absl::IsDataLoss(report.status())) {
      ChainReport damaged;
      damaged.problems.emplace_back(report.status().message());
      report = std::move(damaged);
    }
    if (!report.ok()) return report.status();
    ++clients;
    versions += report->versions;
    bytes += report->bytes;
    const Json client = {{"client_id", client_id.ToString()}, {"pseudonym", pseudonym}};
    if (!report->problems.empty()) {
      problems.push_back(client);
      problems.back()["problems"] = report->problems;
    }
    if (!report->notes.empty()) {
      notes.push_back(client);
      notes.back()["notes"] = report->notes;
      notes.back()["new_replica_cannot_start"] = report->new_replica_cannot_start;
    }
    return absl::OkStatus();
  }

  Json Describe(const std::optional<Uuid>& next) const {
    return {{"clients", clients},   {"versions", versions}, {"bytes", bytes},
            {"problems", problems}, {"notes", notes},       {"next", OrNull(next)}};
  }
};

}  // namespace

absl::StatusOr<Json> EngineApi::Verify(std::optional<Uuid> after,
                                       const std::optional<std::string>& client) {
  Verification verification;
  if (client) {
    const absl::StatusOr<Uuid> client_id = ClientIdOf(*client);
    if (!client_id.ok()) return client_id.status();
    const absl::StatusOr<ChainReport> report = administration().VerifyChain(*client_id);
    if (absl::IsNotFound(report.status())) return NoSuchClient(*client_id);
    const absl::Status status =
        verification.Add(*client_id, engine_.pseudonym_of(*client_id), report);
    if (!status.ok()) return status;
    return verification.Describe(std::nullopt);
  }
  const absl::Time deadline = absl::Now() + absl::Milliseconds(base::kAdminPageMs);
  const absl::StatusOr<std::vector<ClientSummary>> clients =
      administration().ListClients(after, base::kAdminPageClients);
  if (!clients.ok()) return clients.status();
  std::optional<Uuid> last;
  for (const ClientSummary& client : *clients) {
    const absl::Status status =
        verification.Add(client.client_id, engine_.pseudonym_of(client.client_id),
                         administration().VerifyChain(client.client_id));
    if (!status.ok()) return status;
    last = client.client_id;
    if (absl::Now() >= deadline) break;
  }
  const bool is_end =
      clients->size() < base::kAdminPageClients && (!last || *last == clients->back().client_id);
  return verification.Describe(is_end ? std::nullopt : last);
}

absl::StatusOr<Json> EngineApi::VerifyFiles() {
  return AnswerWithJob(
      jobs_.Start("verify-files", [this](JobProgress& progress) -> absl::StatusOr<Json> {
        const absl::Status status = administration().VerifyFiles(std::ref(progress));
        if (!status.ok()) return status;
        return Json{{"intact", true}};
      }));
}

absl::StatusOr<Json> EngineApi::Prune(bool dry_run, std::optional<Uuid> after,
                                      std::optional<uint64_t> retention_days,
                                      std::optional<uint64_t> replica_seen_days,
                                      std::optional<uint64_t> idle_client_days,
                                      std::optional<uint64_t> retention_versions) {
  sync::RetentionPolicy policy = engine_.retention;
  const auto override = [](auto& value, std::optional<uint64_t> given) {
    if (given) value = static_cast<std::remove_reference_t<decltype(value)>>(*given);
  };
  override(policy.retention_days, retention_days);
  override(policy.replica_seen_days, replica_seen_days);
  override(policy.idle_client_days, idle_client_days);
  override(policy.retention_versions, retention_versions);
  sync::Retention retention(administration(), policy);
  const absl::StatusOr<sync::RetentionPage> page =
      retention.RunPage(after, engine_.clock.Now(), dry_run);
  if (!page.ok()) return page.status();
  Json clients = Json::array();
  for (const sync::ClientRetention& client : page->clients) {
    clients.push_back({{"client_id", client.client_id.ToString()},
                       {"pseudonym", engine_.pseudonym_of(client.client_id)},
                       {"whole_client", client.whole_client},
                       {"versions", client.versions},
                       {"bytes", client.bytes},
                       {"problem", OrNull(client.problem)}});
  }
  return Json{{"dry_run", dry_run},
              {"examined", page->examined},
              {"clients", std::move(clients)},
              {"next", OrNull(page->next)},
              // Once for all pages.
              {"job", dry_run || page->next ? Json() : CompactionJob()}};
}

absl::StatusOr<Json> EngineApi::MakeBackup(const std::string& directory,
                                           std::optional<uint64_t> keep) {
  const BackupRequest request{.directory = directory,
                              .keep = static_cast<uint32_t>(keep.value_or(0))};
  return AnswerWithJob(
      jobs_.Start("backup", [this, request](JobProgress& progress) -> absl::StatusOr<Json> {
        const absl::StatusOr<BackupInfo> backup =
            administration().Backup(request, std::ref(progress));
        if (!backup.ok()) return backup.status();
        return DescribeBackup(*backup);
      }));
}

absl::StatusOr<Json> EngineApi::AcknowledgeLogLosses() {
  const absl::Status status = administration().AcknowledgeLogLosses();
  if (!status.ok()) return status;
  return Json{{"acknowledged", true}};
}

}  // namespace tcsync::admin
