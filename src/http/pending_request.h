// The implementation of a PendingRequest: one subclass for each kind of request.
#ifndef TCSYNC_SRC_HTTP_PENDING_REQUEST_H_
#define TCSYNC_SRC_HTTP_PENDING_REQUEST_H_

#include <optional>

#include "tcsync/handler.h"

namespace tcsync::http {

class PendingRequest::Implementation {
 public:
  virtual ~Implementation() = default;
  // As PendingRequest's.
  virtual std::optional<Response> Append(absl::string_view bytes) = 0;
  // Never pauses, unless overridden.
  virtual bool PauseUntil(absl::AnyInvocable<void()> resume) {
    static_cast<void>(resume);
    return false;
  }
  virtual std::optional<Response> Finish(ResponseCallback done) = 0;
  // Never waits, unless overridden.
  virtual bool IsWaiting() const { return false; }
  virtual void EndWait() {}
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_PENDING_REQUEST_H_
