// The versions in a 200 of get-child-version.
#ifndef TCSYNC_SRC_REMOTE_CHILD_VERSIONS_H_
#define TCSYNC_SRC_REMOTE_CHILD_VERSIONS_H_

#include <string>
#include <vector>

#include "remote/cancellation.h"
#include "remote/connection.h"
#include "tcsync/envelope.h"
#include "tcsync/remote_server.h"
#include "tcsync/uuid.h"

namespace tcsync::remote {

// The facts of the request that its answer is read with. Borrowed.
struct ChildRequest {
  const Uuid& parent_version_id;
  const std::string& description;  // for messages
  const SealingKey& key;
  const Cancellation& cancellation;
};

// The one version of the protocol.
RemoteResult<ChildVersions::Found> ReadChildVersion(const ChildRequest& request,
                                                    const Answer& answer);

// The same, or the many of the extension, from an answer that may have broken off. At least one.
RemoteResult<std::vector<ChildVersions::Found>> ReadChildVersions(const ChildRequest& request,
                                                                  const Answer& answer);

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_CHILD_VERSIONS_H_
