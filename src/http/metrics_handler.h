// GET /metrics, for Prometheus, and an index of the other pages.
#ifndef TCSYNC_SRC_HTTP_METRICS_HANDLER_H_
#define TCSYNC_SRC_HTTP_METRICS_HANDLER_H_

#include <variant>

#include "http/router.h"
#include "metrics/health.h"
#include "metrics/registry.h"

namespace tcsync::http {

// Borrows its arguments. Answers /metrics and /; a HealthHandler in front of it answers the rest.
class MetricsHandler final : public RoutedHandler {
 public:
  // Each scrape checks the health first, so that its metrics are up to date.
  MetricsHandler(const metrics::Registry& registry, metrics::HealthService& health)
      : registry_(registry), health_(health) {}

  std::variant<Response, PendingRequest> StartRequest(const RoutedRequest& request) override;

 private:
  const metrics::Registry& registry_;
  metrics::HealthService& health_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_METRICS_HANDLER_H_
