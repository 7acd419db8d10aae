// What each request of the administration API does, in files by subject: clients_api.cc,
// access_api.cc, transfer_api.cc, maintenance_api.cc, upkeep_api.cc, insight_api.cc, space_api.cc.
#ifndef TCSYNC_SRC_ADMIN_API_H_
#define TCSYNC_SRC_ADMIN_API_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "admin/answer.h"
#include "admin/dependencies.h"
#include "admin/fields.h"
#include "admin/jobs.h"
#include "admin/large_transfers.h"
#include "tcsync/http_message.h"
#include "tcsync/uuid.h"

namespace tcsync::admin {

// One request: what its path names, and what comes with it.
struct Call {
  Uuid client_id;  // of /clients/ID...
  std::string id;  // of another path with a name in it
  Fields fields;
  std::string body;  // as it came
};

// One thread at a time.
class Api {
 public:
  explicit Api(Dependencies dependencies);

  http::Response ListClients(Call& call);
  http::Response ShowClient(Call& call);
  http::Response DeleteClient(Call& call);
  http::Response ListVersions(Call& call);
  http::Response Rewind(Call& call);
  http::Response AcceptDiverged(Call& call);
  http::Response RefuseDiverged(Call& call);

  http::Response ListBans(Call& call);
  http::Response Ban(Call& call);
  http::Response Unban(Call& call);
  http::Response ResetToken(Call& call);
  http::Response ClearToken(Call& call);
  http::Response ListInvites(Call& call);
  http::Response CreateInvite(Call& call);
  http::Response RevokeInvite(Call& call);

  http::Response Export(Call& call);
  http::Response ExportAccess(Call& call);
  http::Response Import(Call& call);

  http::Response Stats(Call& call);
  http::Response Verify(Call& call);
  http::Response VerifyFiles(Call& call);
  http::Response Prune(Call& call);
  http::Response ListBackups(Call& call);
  http::Response MakeBackup(Call& call);
  http::Response Restore(Call& call);
  http::Response RepairLog(Call& call);
  http::Response AcknowledgeLogLosses(Call& call);
  http::Response ExtractFromBackup(Call& call);
  http::Response Salvage(Call& call);
  http::Response ListJobs(Call& call);
  http::Response ShowJob(Call& call);
  http::Response CancelJob(Call& call);
  http::Response Reload(Call& call);
  http::Response ShowLogLevel(Call& call);
  http::Response SetLogLevel(Call& call);
  http::Response ListOptions(Call& call);
  http::Response Top(Call& call);

  // space_api.cc
  http::Response Compact(Call& call);
  http::Response ListBackupsOfClient(Call& call);
  http::Response RemoveBackup(Call& call);

  // Begins a compaction if something was removed and none is under way. On any thread.
  void CompactIfNeeded();

 private:
  // Call this when all parameters have been asked for: the storage's administration, or why the
  // request cannot go on. kInvalidArgument for the parameters, kFailedPrecondition when no data
  // directory is open, kUnimplemented when the backend has no administration.
  absl::StatusOr<StorageAdministration*> Begin(const Call& call) const;

  http::Response SetAcceptsDiverged(Call& call, bool allow);
  // Keeps a change and lets it take effect.
  absl::Status ChangeAccess(StorageAdministration& administration, const AccessChange& change);
  // Lets changes that were kept take effect.
  absl::Status RefreshAccess();
  // The last page of a client's export, with where its replicas are as the last line, so that an
  // import knows all versions when it comes to it.
  http::Response LastPage(StorageAdministration& administration, const ClientSummary& client,
                          std::string lines);
  // The client's "replicas" line of an export.
  absl::StatusOr<std::string> DescribeReplicas(StorageAdministration& administration,
                                               const ClientSummary& client);
  absl::StatusOr<Json> ImportAccess(StorageAdministration& administration,
                                    const AccessRecords& imported);
  http::Response StartJob(absl::string_view kind, Jobs::Work work);
  // The job's number; one that has not begun yet is joined.
  absl::StatusOr<uint64_t> StartCompaction(StorageAdministration& administration, bool everything);
  // The number of the job that makes the bytes of what was removed go; null when there is none.
  Json CompactionJob(StorageAdministration& administration);

  static Json DescribeBackup(const BackupInfo& backup);
  // A path as another process named it: relative to what, nobody could say.
  static absl::Status CheckPath(absl::string_view name, const std::string& path);
  static absl::Status CheckDirectory(const std::string& directory);
  static absl::Status CheckPaths(const std::string& directory, const std::string& output);

  // What the log calls the client, for people to find it there; null where nobody knows.
  Json PseudonymOf(const Uuid& client_id) const;
  int64_t NowSeconds() const;
  template <typename... Parts>
  void Log(const Parts&... parts) const {
    dependencies_.logger.Log(LogLevel::kInfo, "administration: ", parts...);
  }
  // What happened to a client.
  template <typename... Parts>
  void LogAbout(const Uuid& client_id, const Parts&... parts) const {
    dependencies_.logger.Log(LogLevel::kInfo, {.client = client_id}, "administration: ", parts...);
  }

  // The page of an export that begins with a piece of a large segment or snapshot.
  http::Response ExportPieces(StorageAdministration& administration, const ClientSummary& client,
                              const ExportPosition& position);

  const Dependencies dependencies_;
  std::optional<LargeImports> large_imports_;  // null without a storage
  Jobs jobs_;                                  // the last member: its work uses the others
};

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_API_H_
