// Applies the changes of other servers over the same storage: bans, tokens and invites, and the
// versions for which requests wait here.
#ifndef TCSYNC_SRC_ENGINE_OTHERS_CHANGES_H_
#define TCSYNC_SRC_ENGINE_OTHERS_CHANGES_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/logger.h"
#include "http/long_polls.h"
#include "tcsync/other_servers.h"

namespace tcsync::engine {

// One thread at a time.
class OthersChanges {
 public:
  // Borrows all but the function, which reads the records of admission again.
  OthersChanges(OtherServers& others, http::LongPolls& long_polls,
                std::function<absl::Status()> refresh_access, const base::Logger& logger)
      : others_(others),
        long_polls_(long_polls),
        refresh_access_(std::move(refresh_access)),
        logger_(logger) {}

  // To be called about once a second.
  void Apply();

 private:
  absl::Status ApplyAccess();
  absl::Status EndPolls();

  OtherServers& others_;
  http::LongPolls& long_polls_;
  const std::function<absl::Status()> refresh_access_;
  const base::Logger& logger_;
  std::optional<std::string> access_revision_;  // at the last reading
  bool has_failed_ = false;                     // the last time
};

}  // namespace tcsync::engine

#endif  // TCSYNC_SRC_ENGINE_OTHERS_CHANGES_H_
