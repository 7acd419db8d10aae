// The other servers of a storage that several servers share, as far as one of them must know.
//
// Every call here blocks, some for seconds, and belongs on a thread of its own. An absl::Status
// reports a failure of storage, with the codes of tcsync/storage.h.
#ifndef TCSYNC_OTHER_SERVERS_H_
#define TCSYNC_OTHER_SERVERS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tcsync/uuid.h"

namespace tcsync {

// Thread-safe. An engine asks about once a second.
class OtherServers {
 public:
  virtual ~OtherServers() = default;

  // A value that is another one after each change of the records of admission
  // (tcsync/access_records.h), by any server.
  virtual absl::StatusOr<std::string> AccessRevision() = 0;

  // The latest versions of those clients that exist, in any order.
  virtual absl::StatusOr<std::vector<std::pair<Uuid, Uuid>>> LatestVersions(
      absl::Span<const Uuid> client_ids) = 0;

  // Whether this server does a chore that one of them has to do: true for one caller in that time.
  virtual absl::StatusOr<bool> TakeChore(absl::string_view name, absl::Duration time) = 0;
};

}  // namespace tcsync

#endif  // TCSYNC_OTHER_SERVERS_H_
