// An engine's metrics and health, and the handlers that answer with them.
#ifndef TCSYNC_SRC_ENGINE_MONITORING_H_
#define TCSYNC_SRC_ENGINE_MONITORING_H_

#include <vector>

#include "base/limits.h"
#include "base/logger.h"
#include "http/health_handler.h"
#include "http/instrumented_handler.h"
#include "http/metrics_handler.h"
#include "http/router.h"
#include "metrics/health.h"
#include "metrics/health_monitor.h"
#include "metrics/registry.h"
#include "tcsync/handler.h"
#include "tcsync/options.h"
#include "tcsync/storage.h"

namespace tcsync::engine {

// Thread-safe. Borrows the registry, the storage and the handler.
class Monitoring {
 public:
  // `clients` answers requests at the clients' addresses; `refuse` may refuse health checks there.
  Monitoring(const Options& options, const base::Limits& limits, metrics::Registry& registry,
             Storage& storage, http::RoutedHandler& clients, http::HealthHandler::Refuse refuse,
             const access::AccessControl& access, access::TopTalkers& top_talkers,
             const base::Logger& logger);

  metrics::HealthService& health() { return health_; }

  // `clients`, measured, with the health checks in front.
  http::Handler& clients_handler() { return clients_router_; }
  // For the metrics' addresses.
  http::Handler& metrics_handler() { return metrics_router_; }

  // Ends its use of storage. Call it before storage is destroyed.
  void Stop() { monitor_.Stop(); }

 private:
  // In the order of use: each is made from those before it.
  metrics::HealthMonitor monitor_;
  metrics::HealthService health_;
  http::HealthHandler health_handler_;
  http::RequestInstruments request_instruments_;
  http::InstrumentedHandler instrumented_handler_;
  http::Router clients_router_;
  http::MetricsHandler metrics_handler_;
  http::HealthHandler metrics_health_handler_;
  http::Router metrics_router_;
  std::vector<metrics::Registry::Registration> registrations_;
};

}  // namespace tcsync::engine

#endif  // TCSYNC_SRC_ENGINE_MONITORING_H_
