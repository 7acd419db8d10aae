// Removes old versions and idle clients.
//
// A version goes when it is older than the client's snapshot by a number of days and by a number of
// versions, and no replica was at it, or before it, within another number of days. So a new replica
// can always start (from the snapshot), and a recently used one can always continue.
#ifndef TCSYNC_SRC_SYNC_RETENTION_H_
#define TCSYNC_SRC_SYNC_RETENTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tcsync/client_histories.h"
#include "tcsync/uuid.h"

namespace tcsync::sync {

// The options of these names (docs/options.md).
struct RetentionPolicy {
  int64_t retention_days = 0;       // 0: no version is removed
  uint64_t retention_versions = 0;  // before the snapshot, of any age
  int64_t replica_seen_days = 0;
  int64_t idle_client_days = 0;  // 0: no client is removed
};

// The removals from one client, planned or done.
struct ClientRetention {
  Uuid client_id;
  bool whole_client = false;  // idle, with everything
  uint64_t versions = 0;
  uint64_t bytes = 0;        // freed: segments, and the snapshot of a whole client
  std::string problem = {};  // the reason why a due removal failed; else empty
};

struct RetentionPage {
  uint64_t examined = 0;                 // clients
  std::vector<ClientRetention> clients;  // those with removals
  std::optional<Uuid> next;              // the next page's `after`; nullopt: this is the last one
};

// Whether the client was unused for `policy.idle_client_days` before `now`.
bool IsIdle(const ClientSummary& client, const RetentionPolicy& policy, absl::Time now);

// The highest first number that the policy allows to be kept, for the ages of versions: a version
// goes when its number is below `number_bound` and it was appended before `time_bound`.
struct RetentionBounds {
  uint64_t number_bound = 1;
  absl::Time time_bound;
};
// `positions`: of replicas within policy.replica_seen_days. nullopt: all versions stay.
std::optional<RetentionBounds> BoundsOf(const ClientSummary& client,
                                        const std::vector<ReplicaPosition>& positions,
                                        const RetentionPolicy& policy, absl::Time now);

// Thread-safe. Borrows the histories. Blocks, as all of their calls do.
class Retention {
 public:
  Retention(ClientHistories& histories, const RetentionPolicy& policy)
      : histories_(histories), policy_(policy) {}

  // Examines some clients after `after`, for about kAdminPageMs, and removes the due records,
  // unless it is a `dry_run`. Repeating a failed page is harmless.
  absl::StatusOr<RetentionPage> RunPage(const std::optional<Uuid>& after, absl::Time now,
                                        bool dry_run);

 private:
  absl::StatusOr<ClientRetention> RunClient(const ClientSummary& client, absl::Time now,
                                            bool dry_run);
  absl::StatusOr<ClientRetention> RemoveIdle(const ClientSummary& client, absl::Time now,
                                             bool dry_run);
  // The first version from `first` on, but at most `bound`, that was appended at or after `time`.
  absl::StatusOr<uint64_t> FirstNotOlderThan(const Uuid& client_id, uint64_t first, uint64_t bound,
                                             absl::Time time);
  // The bytes of the segments from `first` on, below `end`.
  absl::StatusOr<uint64_t> BytesOfVersions(const Uuid& client_id, uint64_t first, uint64_t end);

  ClientHistories& histories_;
  const RetentionPolicy policy_;
};

}  // namespace tcsync::sync

#endif  // TCSYNC_SRC_SYNC_RETENTION_H_
