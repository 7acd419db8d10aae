// The object of a tcsync_replica, and its use by one call.
#ifndef TCSYNC_CAPI_SRC_REPLICA_H_
#define TCSYNC_CAPI_SRC_REPLICA_H_

#include <atomic>
#include <memory>

#include "base/process_mark.h"
#include "capi/src/guard.h"
#include "capi/src/handle.h"
#include "tcsync.h"
#include "tcsync/replica.h"

struct tcsync_replica : tcsync::capi::Handle<tcsync::capi::HandleType::kReplica> {
  std::unique_ptr<tcsync::Replica> replica;
  std::atomic<bool> is_in_use{false};
  const tcsync::base::ProcessMark opener = tcsync::base::ProcessMark::Current();
};

namespace tcsync::capi {

// The meaning of a replica's status codes, but for those that an opening or a commit gives.
inline constexpr StatusMeaning kReplicaMeaning{.failed_precondition = TCSYNC_WRONG_FORMAT,
                                               .unavailable = TCSYNC_IN_USE};

// One call's use of a replica. A second one at the same time is a mistake of the host's, on another
// thread or in a progress function, and is refused before it does harm.
class ReplicaUse {
 public:
  ReplicaUse() = default;
  ReplicaUse(const ReplicaUse&) = delete;
  ReplicaUse& operator=(const ReplicaUse&) = delete;
  ~ReplicaUse();

  // Once. Whether the caller's replica can be used, now and in this process.
  Result Begin(tcsync_replica* replica);

 private:
  tcsync_replica* replica_ = nullptr;
};

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_REPLICA_H_
