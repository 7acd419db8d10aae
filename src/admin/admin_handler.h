// The handler of the administration API (docs/administration.md): JSON under /v1/admin/.
//
// It has no authentication: anyone who reaches it may do everything. So it is served at a socket of
// the data directory's owner only, never to the network.
#ifndef TCSYNC_SRC_ADMIN_ADMIN_HANDLER_H_
#define TCSYNC_SRC_ADMIN_ADMIN_HANDLER_H_

#include <memory>
#include <variant>

#include "admin/dependencies.h"
#include "http/byte_budget.h"
#include "tcsync/handler.h"

namespace tcsync::base {
class Worker;
}  // namespace tcsync::base

namespace tcsync::admin {

class Api;

// Answers on a thread of its own, one request after the other, and does longer work on a second
// one; starts neither thread before its first use. Destroying it cancels the longer work and waits
// for its end, which a comparison of all files reaches only when it is complete.
class AdminHandler final : public http::Handler {
 public:
  AdminHandler(CommonParts common, std::variant<OpenEngine, OfflineOperations> others);
  ~AdminHandler() override;

  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override;

  // With an open engine: starts a job that erases the bytes of removed records, if there are any
  // and no such job runs.
  void CompactIfNeeded();

 private:
  class Request;

  http::Response RefuseTooLarge() const;

  const uint64_t body_bytes_max_;
  const std::shared_ptr<http::ByteBudget> budget_;
  const std::unique_ptr<Api> api_;
  const std::unique_ptr<base::Worker> worker_;  // uses the API, so it ends before it
};

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_ADMIN_HANDLER_H_
