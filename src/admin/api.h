// The endpoints of the administration API, in files by subject: clients_api.cc, access_api.cc,
// transfer_api.cc, maintenance_api.cc, upkeep_api.cc, insight_api.cc, space_api.cc.
#ifndef TCSYNC_SRC_ADMIN_API_H_
#define TCSYNC_SRC_ADMIN_API_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "admin/client_names.h"
#include "admin/dependencies.h"
#include "admin/export_pages.h"
#include "admin/fields.h"
#include "admin/jobs.h"
#include "admin/json.h"
#include "admin/large_transfers.h"
#include "tcsync/uuid.h"

namespace tcsync::admin {

// One request: the names in its path, and its parameters.
struct Call {
  // The client's name in the request, if any: its ID, the beginning of that, or its pseudonym.
  std::optional<std::string> client = std::nullopt;
  Uuid client_id = {};  // of that client, from Begin()
  std::string id = {};  // the name in another path
  Fields fields = {};
  std::string body = {};  // as received
};

// One thread at a time. An error is for the caller; answer.h makes HTTP of it.
class Api {
 public:
  explicit Api(Dependencies dependencies);

  absl::StatusOr<Json> ListClients(Call& call);
  absl::StatusOr<Json> ShowClient(Call& call);
  absl::StatusOr<Json> DeleteClient(Call& call);
  absl::StatusOr<Json> ListVersions(Call& call);
  absl::StatusOr<Json> Rewind(Call& call);
  absl::StatusOr<Json> AcceptDiverged(Call& call);
  absl::StatusOr<Json> RefuseDiverged(Call& call);

  absl::StatusOr<Json> ListBans(Call& call);
  absl::StatusOr<Json> Ban(Call& call);
  absl::StatusOr<Json> Unban(Call& call);
  absl::StatusOr<Json> ResetToken(Call& call);
  absl::StatusOr<Json> ClearToken(Call& call);
  absl::StatusOr<Json> ListInvites(Call& call);
  absl::StatusOr<Json> CreateInvite(Call& call);
  absl::StatusOr<Json> RevokeInvite(Call& call);

  absl::StatusOr<ExportedPage> Export(Call& call);
  absl::StatusOr<ExportedPage> ExportAccess(Call& call);
  absl::StatusOr<Json> Import(Call& call);

  absl::StatusOr<Json> Stats(Call& call);
  absl::StatusOr<Json> Verify(Call& call);
  absl::StatusOr<Json> VerifyFiles(Call& call);
  absl::StatusOr<Json> Prune(Call& call);
  absl::StatusOr<Json> ListBackups(Call& call);
  absl::StatusOr<Json> MakeBackup(Call& call);
  absl::StatusOr<Json> Restore(Call& call);
  absl::StatusOr<Json> RepairLog(Call& call);
  absl::StatusOr<Json> AcknowledgeLogLosses(Call& call);
  absl::StatusOr<Json> ExtractFromBackup(Call& call);
  absl::StatusOr<Json> Salvage(Call& call);
  absl::StatusOr<Json> ListJobs(Call& call);
  absl::StatusOr<Json> ShowJob(Call& call);
  absl::StatusOr<Json> CancelJob(Call& call);
  absl::StatusOr<Json> Reload(Call& call);
  absl::StatusOr<Json> ShowLogLevel(Call& call);
  absl::StatusOr<Json> SetLogLevel(Call& call);
  absl::StatusOr<Json> ListOptions(Call& call);
  absl::StatusOr<Json> Top(Call& call);

  // space_api.cc
  absl::StatusOr<Json> Compact(Call& call);
  absl::StatusOr<Json> ListBackupsOfClient(Call& call);
  absl::StatusOr<Json> RemoveBackup(Call& call);

  // Starts a compaction if records were removed and none is under way. On any thread.
  void CompactIfNeeded();

 private:
  // Call this after all parameters have been read: it reports why the request cannot proceed.
  // kInvalidArgument for the parameters, kFailedPrecondition when no data directory is open. Finds
  // the client that the call names.
  absl::Status Begin(Call& call) const;
  // The same for work without a storage. `while_open` is the reason to refuse it while there is
  // one.
  absl::Status BeginOffline(const Call& call, absl::string_view while_open) const;
  // After Begin().
  StorageAdministration& administration() const { return dependencies_.storage->administration(); }

  absl::StatusOr<Json> SetAcceptsDiverged(Call& call, bool allow);
  // Stores a change and puts it into force.
  absl::Status ChangeAccess(const AccessChange& change);
  // Puts stored changes into force.
  absl::Status RefreshAccess();
  absl::StatusOr<Json> ImportAccess(const AccessRecords& imported);
  absl::StatusOr<Json> StartJob(absl::string_view kind, Jobs::Work work);
  // The job's number; joins one that has not begun yet.
  absl::StatusOr<uint64_t> StartCompaction(bool everything);
  // The number of the job that erases the bytes of removed records; null if there is none.
  Json CompactionJob();

  static Json DescribeBackup(const BackupInfo& backup);
  // The losses of a damaged log.
  static Json DescribeLogLoss(const LogLoss& loss);

  // The client's name in the log, so that people find it there; null if it is unknown.
  Json PseudonymOf(const Uuid& client_id) const;
  int64_t NowSeconds() const;
  template <typename... Parts>
  void Log(const Parts&... parts) const {
    dependencies_.logger.Log(LogLevel::kInfo, "administration: ", parts...);
  }
  // Logs an event of a client.
  template <typename... Parts>
  void LogAbout(const Uuid& client_id, const Parts&... parts) const {
    dependencies_.logger.Log(LogLevel::kInfo, {.client = client_id}, "administration: ", parts...);
  }

  const Dependencies dependencies_;
  std::optional<LargeImports> large_imports_;  // null without a storage
  Jobs jobs_;                                  // the last member: its work uses the others
};

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_API_H_
