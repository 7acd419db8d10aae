// The object of a tcsync_remote, and the codes of its faults.
#ifndef TCSYNC_CAPI_SRC_REMOTE_H_
#define TCSYNC_CAPI_SRC_REMOTE_H_

#include <atomic>
#include <memory>

#include "capi/src/guard.h"
#include "capi/src/handle.h"
#include "tcsync.h"
#include "tcsync/remote_server.h"

struct tcsync_remote : tcsync::capi::Handle<tcsync::capi::HandleType::kRemote> {
  std::unique_ptr<tcsync::RemoteServer> server;
  // Whether the host has cancelled it, and not resumed it. A sync that its progress function ends
  // cancels the server for itself alone.
  std::atomic<bool> is_cancelled{false};
};

namespace tcsync::capi {

static_assert(std::atomic<bool>::is_always_lock_free, "signal handlers cancel");

Result FromRemote(RemoteError&& error);

// Whether calls that seal or unseal may use this remote.
Result CheckRemote(const tcsync_remote* remote);

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_REMOTE_H_
