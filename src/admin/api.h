// The endpoints of the administration API. route.cc reads their parameters.
#ifndef TCSYNC_SRC_ADMIN_API_H_
#define TCSYNC_SRC_ADMIN_API_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "admin/dependencies.h"
#include "admin/export_pages.h"
#include "admin/jobs.h"
#include "admin/json.h"
#include "admin/large_transfers.h"
#include "tcsync/uuid.h"

namespace tcsync::admin {

// The classes below answer one request at a time. An error is for the caller; answer.h makes HTTP
// of it.

// The endpoints that every administration has, in common_api.cc. Borrows the jobs.
class CommonApi {
 public:
  CommonApi(CommonParts parts, Jobs& jobs) : parts_(std::move(parts)), jobs_(jobs) {}

  absl::StatusOr<Json> ListBackups(const std::string& directory);
  absl::StatusOr<Json> RemoveBackup(const std::string& directory, uint64_t backup_id);
  absl::StatusOr<Json> ListJobs();
  absl::StatusOr<Json> ShowJob(const std::string& id);
  absl::StatusOr<Json> CancelJob(const std::string& id);
  absl::StatusOr<Json> Reload();
  absl::StatusOr<Json> ListOptions();

 protected:
  template <typename... Parts>
  void Log(const Parts&... parts) const {
    parts_.logger.Log(LogLevel::kInfo, "administration: ", parts...);
  }

  const CommonParts parts_;
  Jobs& jobs_;
};

// The endpoints without an open engine, in offline_api.cc.
class OfflineApi final : public CommonApi {
 public:
  OfflineApi(CommonParts parts, Jobs& jobs, OfflineOperations operations)
      : CommonApi(std::move(parts), jobs), operations_(std::move(operations)) {}

  absl::StatusOr<Json> Restore(const std::string& directory, std::optional<uint32_t> backup_id);
  absl::StatusOr<Json> RepairLog(bool dry_run);
  absl::StatusOr<Json> ExtractFromBackup(const std::string& directory, const std::string& output,
                                         const Uuid& client_id, std::optional<uint32_t> backup_id);
  absl::StatusOr<Json> Salvage(const std::string& directory, const std::string& output);
  absl::StatusOr<Json> CheckDatabase();
  absl::StatusOr<Json> UpgradeDatabase();

 private:
  const OfflineOperations operations_;
};

// The endpoints of an open engine, in files by subject: clients_api.cc, access_api.cc,
// transfer_api.cc, maintenance_api.cc, insight_api.cc, space_api.cc.
class EngineApi final : public CommonApi {
 public:
  EngineApi(CommonParts parts, Jobs& jobs, OpenEngine engine)
      : CommonApi(std::move(parts), jobs),
        engine_(std::move(engine)),
        large_imports_(engine_.storage) {}

  // The client of that name: its ID, the beginning of that, or its pseudonym. A full ID may be of
  // an unknown client. kInvalidArgument for a malformed name, kNotFound for an unknown one,
  // kFailedPrecondition for an ambiguous one.
  absl::StatusOr<Uuid> ClientIdOf(absl::string_view name) const;

  absl::StatusOr<Json> ListClients(std::optional<Uuid> after, std::optional<uint64_t> limit);
  absl::StatusOr<Json> ShowClient(const Uuid& client_id);
  absl::StatusOr<Json> DeleteClient(const Uuid& client_id);
  absl::StatusOr<Json> ListVersions(const Uuid& client_id, std::optional<uint64_t> after,
                                    std::optional<uint64_t> limit);
  absl::StatusOr<Json> Rewind(const Uuid& client_id, const Uuid& version_id,
                              const Uuid& latest_version_id,
                              std::optional<Uuid> snapshot_version_id, bool remove_snapshot);
  absl::StatusOr<Json> AcceptDiverged(const Uuid& client_id);
  absl::StatusOr<Json> RefuseDiverged(const Uuid& client_id);

  absl::StatusOr<Json> ListBans();
  absl::StatusOr<Json> Ban(const Uuid& client_id, const std::string& reason);
  absl::StatusOr<Json> Unban(const Uuid& client_id);
  absl::StatusOr<Json> ResetToken(const Uuid& client_id);
  absl::StatusOr<Json> ClearToken(const Uuid& client_id);
  absl::StatusOr<Json> ListInvites();
  absl::StatusOr<Json> CreateInvite(const std::string& label, std::optional<uint64_t> uses_max,
                                    std::optional<uint64_t> expires_days);
  absl::StatusOr<Json> RevokeInvite(const std::string& digest_prefix);

  absl::StatusOr<ExportedPage> Export(const Uuid& client_id,
                                      const std::optional<std::string>& after);
  absl::StatusOr<ExportedPage> ExportAccess(const std::optional<std::string>& client);
  absl::StatusOr<Json> Import(std::string lines);

  absl::StatusOr<Json> Verify(std::optional<Uuid> after, const std::optional<std::string>& client);
  absl::StatusOr<Json> VerifyFiles();
  // The counts, if given, are in place of the options' values.
  absl::StatusOr<Json> Prune(bool dry_run, std::optional<Uuid> after,
                             std::optional<uint64_t> retention_days,
                             std::optional<uint64_t> replica_seen_days,
                             std::optional<uint64_t> idle_client_days,
                             std::optional<uint64_t> retention_versions);
  absl::StatusOr<Json> MakeBackup(const std::string& directory, std::optional<uint64_t> keep);
  absl::StatusOr<Json> AcknowledgeLogLosses();

  absl::StatusOr<Json> Stats();
  absl::StatusOr<Json> ShowLogLevel();
  absl::StatusOr<Json> SetLogLevel(LogLevel level);
  absl::StatusOr<Json> Top(std::optional<uint64_t> limit);

  absl::StatusOr<Json> Compact(bool everything);
  absl::StatusOr<Json> ListBackupsOfClient(const Uuid& client_id,
                                           const std::optional<std::string>& directory);

  // Starts a compaction if records were removed and none is under way. On any thread.
  void CompactIfNeeded();

 private:
  StorageAdministration& administration() const { return engine_.storage.administration(); }

  // The client, or an error if there is none.
  absl::StatusOr<ClientSummary> FindClient(const Uuid& client_id) const;
  absl::StatusOr<Json> SetAcceptsDiverged(const Uuid& client_id, bool accept);
  // Stores a change and puts it into force.
  absl::Status ChangeAccess(const AccessChange& change);
  // Puts stored changes into force.
  absl::Status RefreshAccess();
  absl::StatusOr<Json> ImportAccess(const AccessRecords& imported);
  absl::Status ImportToken(const ClientToken& token);
  // Whether that changed anything.
  absl::StatusOr<bool> ImportDevices(const Uuid& client_id, const ClientDevices& imported);
  // The job's number; joins one that has not begun yet.
  absl::StatusOr<uint64_t> StartCompaction(bool everything);
  // The number of the job that erases the bytes of removed records; null if there is none.
  Json CompactionJob();

  int64_t NowSeconds() const { return absl::ToUnixSeconds(engine_.clock.Now()); }
  // Logs an event of a client.
  template <typename... Parts>
  void LogAbout(const Uuid& client_id, const Parts&... parts) const {
    parts_.logger.Log(LogLevel::kInfo, {.client = client_id}, "administration: ", parts...);
  }

  const OpenEngine engine_;
  LargeImports large_imports_;
};

// The endpoints of one administration: those of an open engine, or those without one.
class Api {
 public:
  Api(CommonParts common, OpenEngine engine)
      : endpoints_(std::in_place_type<EngineApi>, std::move(common), jobs_, std::move(engine)) {}
  Api(CommonParts common, OfflineOperations operations)
      : endpoints_(std::in_place_type<OfflineApi>, std::move(common), jobs_,
                   std::move(operations)) {}

  // The endpoints of that class; null if this administration does not have them.
  template <typename Endpoints>
  Endpoints* Find() {
    return std::get_if<Endpoints>(&endpoints_);
  }

 private:
  std::variant<EngineApi, OfflineApi> endpoints_;
  Jobs jobs_;  // the last member: its work uses the others
};
template <>
inline CommonApi* Api::Find() {
  return std::visit([](CommonApi& endpoints) { return &endpoints; }, endpoints_);
}

// For a request that names an unknown client.
absl::Status NoSuchClient(const Uuid& client_id);
Json DescribeBackup(const BackupInfo& backup);
Json DescribeLogLoss(const LogLoss& loss);
// For a request that started a job: its number, or the reason that it has not started.
absl::StatusOr<Json> AnswerWithJob(const absl::StatusOr<uint64_t>& number);

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_API_H_
