// GET /health and GET /health/live, in front of another handler.
//
//   /health       200 {"status":"ok",...} or 503 {"status":"failing",...}: writes, syncs and reads
//   /health/live  200 {"status":"ok"}: this process answers; touches nothing
//
// Both are public, and for monitoring programs: they need no client ID. All requests within a
// second share one finding, so that they cause no load, and its words contain no figures.
#ifndef TCSYNC_SRC_HTTP_HEALTH_HANDLER_H_
#define TCSYNC_SRC_HTTP_HEALTH_HANDLER_H_

#include <functional>
#include <optional>
#include <utility>
#include <variant>

#include "http/router.h"
#include "metrics/health.h"
#include "tcsync/peer_address.h"

namespace tcsync::http {

// Borrows its arguments.
class HealthHandler final : public RoutedHandler {
 public:
  // `refuse`, unless it is null, may refuse a request, such as one over its address' rate. Other
  // requests go to `next`.
  using Refuse = std::function<std::optional<Response>(const PeerAddress& source)>;
  HealthHandler(metrics::HealthService& health, RoutedHandler& next, Refuse refuse = nullptr)
      : health_(health), next_(next), refuse_(std::move(refuse)) {}

  std::variant<Response, PendingRequest> StartRequest(const RoutedRequest& request) override;

 private:
  metrics::HealthService& health_;
  RoutedHandler& next_;
  const Refuse refuse_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_HEALTH_HANDLER_H_
