// Counts and times the requests of another handler, by client and address as well.
#ifndef TCSYNC_SRC_HTTP_INSTRUMENTED_HANDLER_H_
#define TCSYNC_SRC_HTTP_INSTRUMENTED_HANDLER_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <variant>

#include "access/top_talkers.h"
#include "http/router.h"
#include "metrics/registry.h"
#include "tcsync/peer_address.h"
#include "tcsync/uuid.h"

namespace tcsync::http {

// Instruments of requests, by route: one of the protocol's endpoints, "health", or "other" for all
// the rest.
class RequestInstruments {
 public:
  static constexpr size_t kRoutes = 8;

  // Borrows both.
  RequestInstruments(metrics::Registry& registry, access::TopTalkers& top_talkers);

  struct ReceivedRequest {
    Endpoint endpoint = Endpoint::kNone;
    std::chrono::steady_clock::time_point since;
    uint64_t body_bytes = 0;  // as received
    std::optional<Uuid> client_id = std::nullopt;
    PeerAddress source = {};
  };
  void Count(const ReceivedRequest& request, const Response& response);

 private:
  // The statuses that the handlers give, and one place for all others.
  static constexpr std::array<int, 15> kStatuses = {200, 201, 400, 403, 404, 405, 409, 410,
                                                    413, 415, 429, 500, 503, 507, 0};
  struct Route {
    std::array<metrics::Counter*, kStatuses.size()> requests{};
    metrics::Histogram* seconds = nullptr;
    metrics::Counter* request_bytes = nullptr;
    metrics::Counter* response_bytes = nullptr;
  };
  std::array<Route, kRoutes> routes_;
  access::TopTalkers& top_talkers_;
};

// Borrows its arguments. A request counts when it is answered, by the head or by a response that is
// ready to be sent; its time runs from the end of its head until then, so that a slow or large body
// shows, without the time for which it waited at its own wish.
class InstrumentedHandler final : public RoutedHandler {
 public:
  InstrumentedHandler(RoutedHandler& next, RequestInstruments& instruments)
      : next_(next), instruments_(instruments) {}

  std::variant<Response, PendingRequest> StartRequest(const RoutedRequest& request) override;

 private:
  class MeasuredRequest;

  RoutedHandler& next_;
  RequestInstruments& instruments_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_INSTRUMENTED_HANDLER_H_
