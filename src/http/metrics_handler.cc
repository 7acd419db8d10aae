#include "http/metrics_handler.h"

#include <utility>

#include "http/bodiless_request.h"

namespace tcsync::http {
namespace {

constexpr absl::string_view kIndexPage =
    "tcsync-server: /metrics for Prometheus, /health and /health/live for programs that look after "
    "the server.";

}  // namespace

std::variant<Response, PendingRequest> MetricsHandler::StartRequest(const RoutedRequest& request) {
  const RequestHead& head = request.head;
  const absl::string_view path = PathOf(head.target);
  if (path != "/" && path != "/metrics") {
    return TextResponse(404, "There is nothing here but /metrics, /health and /health/live.");
  }
  if (head.method != "GET" && head.method != "HEAD") {
    Response response = TextResponse(405, "The method for this is GET or HEAD.");
    response.headers.push_back({"Allow", "GET, HEAD"});
    return response;
  }
  if (path == "/") return TextResponse(200, kIndexPage);
  return MakeBodilessRequest([this](ResponseCallback done) {
    health_.Ask([this, done = std::move(done)](const metrics::Health&) mutable {
      Response response = EmptyResponse(200);
      response.headers.push_back({"Content-Type", "text/plain; version=0.0.4; charset=utf-8"});
      response.body = registry_.Render();
      done(std::move(response));
    });
  });
}

}  // namespace tcsync::http
