// One sync of a replica with its server (docs/replica.md, "Sync").
#ifndef TCSYNC_SRC_REPLICA_SYNCHRONIZATION_H_
#define TCSYNC_SRC_REPLICA_SYNCHRONIZATION_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <variant>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "replica/rebase.h"
#include "replica/store.h"
#include "tcsync/remote_server.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

// For one Run(). No transaction is open during a request, so other programs may change the database
// meanwhile. Every step therefore begins with a look at the base version, and if that has moved,
// the step's result is dropped: the server will give it again.
class Synchronization {
 public:
  // All are borrowed for the life of the object.
  Synchronization(Store& store, RemoteServer& server, const SyncOptions& options)
      : store_(store), server_(server), options_(options) {}

  std::variant<SyncReport, SyncError> Run();

 private:
  struct ReceivedVersion {
    Uuid version_id;
    std::vector<Operation> operations;
  };
  // Versions that follow `base`, not applied yet.
  struct ReceivedGroup {
    Uuid base;
    std::vector<ReceivedVersion> versions = {};
    size_t bytes = 0;
    std::chrono::steady_clock::time_point begin;
  };
  enum class SendOutcome { kNothing, kSent, kConflict, kOvertaken };
  using Failure = std::optional<SyncError>;

  Failure BeginWithSnapshot();
  bool CanReceiveFromBeginning();
  Failure Receive();
  Failure Finish();
  Failure SendSnapshot();

  // Sends the next batch.
  std::variant<SendOutcome, SyncError> SendBatch();
  // Applies the versions, unless another program has synced meanwhile. Empties the group. Whether
  // it has applied them, or there were none.
  absl::StatusOr<bool> Apply(ReceivedGroup& group);
  // Records that the server has the batch under this ID. Whether the replica had not changed.
  absl::StatusOr<bool> RecordSent(const Uuid& base, const Uuid& version_id,
                                  const std::vector<int64_t>& operation_ids);
  // Reads the pending operations, unless those in memory are up to date. In a transaction.
  absl::Status ReadPending();

  SyncError RemoteFailure(RemoteError error) const;
  SyncError DatabaseFailure(absl::Status status) const;
  SyncError OtherFailure(SyncFault fault, const Uuid& version_id, std::string message) const;
  void ReportProgress();

  Store& store_;
  RemoteServer& server_;
  const SyncOptions& options_;
  SyncReport report_;
  std::optional<Rebase> pending_;
  int64_t data_version_of_pending_ = 0;
  // The versions that this sync has received. Not Abseil's, which cannot be destroyed after it ran
  // out of memory.
  std::unordered_set<Uuid, absl::Hash<Uuid>> received_;
  // The latest version that the server named in its last conflict.
  std::optional<Uuid> latest_in_conflict_;
  // The last version sent, and what the server answered to it.
  Uuid sent_version_id_;
  RequestedSnapshot requested_snapshot_ = RequestedSnapshot::kNone;
};

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_SYNCHRONIZATION_H_
