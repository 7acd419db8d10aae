// GET /health and GET /health/live, in front of another handler.
//
//   /health       200 {"status":"ok",...} or 503 {"status":"failing",...}: writes, syncs and reads
//   /health/live  200 {"status":"ok"}: this process answers; touches nothing
//
// Both are for anybody, and for programs that look after the server: no client ID is needed. What
// is found is shared by all who ask within a second, so that nobody can make it a load, and is told
// in words that give no figures away.
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

// Borrows what it is given.
class HealthHandler final : public RoutedHandler {
 public:
  // `refuse`, unless it is null, may refuse a request, as one that its address makes too often.
  // What is not for the health is for `next`.
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
