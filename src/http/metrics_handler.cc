#include "http/metrics_handler.h"

#include <optional>
#include <utility>

#include "http/bodiless_request.h"
#include "http/refusal_response.h"

namespace tcsync::http {
namespace {

constexpr absl::string_view kIndexPage =
    "tcsync-server: /metrics for Prometheus, /health and /health/live for programs that look after "
    "the server.";

}  // namespace

std::variant<Response, PendingRequest> MetricsHandler::StartRequest(const RoutedRequest& request) {
  const bool is_index = request.path == "/";
  if (!is_index && request.path != "/metrics") {
    return TextResponse(404, "There is nothing here but /metrics, /health and /health/live.");
  }
  if (std::optional<Response> refusal = RefuseMethod(request, nullptr)) {
    return *std::move(refusal);
  }
  if (is_index) return TextResponse(200, kIndexPage);
  return MakeBodilessRequest([this](ResponseCallback done) {
    health_.Check([this, done = std::move(done)](const metrics::Health&) mutable {
      Response response = EmptyResponse(200);
      response.headers.push_back({"Content-Type", "text/plain; version=0.0.4; charset=utf-8"});
      response.body = registry_.Render();
      done(std::move(response));
    });
  });
}

}  // namespace tcsync::http
