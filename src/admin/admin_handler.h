// The handler of the administration API (docs/administration.md): JSON under /v1/admin/.
//
// It asks nobody who they are: whoever reaches it may do everything. So it is served at a socket of
// the data directory's owner only, never to the network.
#ifndef TCSYNC_SRC_ADMIN_ADMIN_HANDLER_H_
#define TCSYNC_SRC_ADMIN_ADMIN_HANDLER_H_

#include <memory>
#include <variant>

#include "admin/dependencies.h"
#include "tcsync/handler.h"

namespace tcsync::admin {

class Api;
class Worker;

// Answers on a thread of its own, one request after the other, and does what takes longer on a
// second one; begins neither thread before it is needed. Destroying it cancels that longer work and
// waits until it has ended, which a comparison of all files does only at its end.
class AdminHandler final : public http::Handler {
 public:
  explicit AdminHandler(Dependencies dependencies);
  ~AdminHandler() override;

  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override;

  // Begins a job that makes the bytes of what was removed go, if there are any and none is at it.
  void CompactIfNeeded();

 private:
  class Request;

  http::Response RefuseTooLarge() const;

  const uint64_t body_bytes_max_;
  const std::shared_ptr<http::ByteBudget> budget_;
  const std::unique_ptr<Api> api_;
  const std::unique_ptr<Worker> worker_;  // uses the API, so it ends before it
};

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_ADMIN_HANDLER_H_
