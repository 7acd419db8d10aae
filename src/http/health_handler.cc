#include "http/health_handler.h"

#include <string>
#include <utility>

#include "http/bodiless_request.h"
#include "http/refusal_response.h"

namespace tcsync::http {
namespace {

Response JsonResponse(int status, std::string json) {
  Response response = EmptyResponse(status);
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = std::move(json);
  return response;
}

}  // namespace

std::variant<Response, PendingRequest> HealthHandler::StartRequest(const RoutedRequest& request) {
  const Endpoint endpoint = request.route.endpoint;
  if (!IsHealth(endpoint)) return next_.StartRequest(request);
  if (refuse_ != nullptr) {
    if (std::optional<Response> refusal = refuse_(request.source)) return *std::move(refusal);
  }
  if (std::optional<Response> refusal = RefuseMethod(request, nullptr)) {
    return *std::move(refusal);
  }
  if (endpoint == Endpoint::kHealthLive) return JsonResponse(200, "{\"status\":\"ok\"}\n");
  return MakeBodilessRequest([this](ResponseCallback done) {
    health_.Check([done = std::move(done)](const metrics::Health& health) mutable {
      done(JsonResponse(health.ok() ? 200 : 503, health.ToJson()));
    });
  });
}

}  // namespace tcsync::http
