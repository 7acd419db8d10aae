#include "http/health_handler.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "http/bodiless_request.h"
#include "http/route.h"

namespace tcsync::http {
namespace {

Response JsonResponse(int status, std::string json) {
  Response response = EmptyResponse(status);
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = std::move(json);
  return response;
}

}  // namespace

HealthHandler::HealthHandler(metrics::HealthService& health, absl::string_view base_path,
                             Handler& next, Refuse refuse)
    : health_(health),
      base_path_(NormalizeBasePath(base_path)),
      next_(next),
      refuse_(std::move(refuse)) {}

HealthHandler::Target HealthHandler::TargetOf(absl::string_view target) const {
  // Nearly every target is one of the protocol's, and learns here that it is not meant.
  if (!absl::StrContains(target, kHealthPath)) return Target::kOther;
  const absl::string_view path = PathOf(target);
  for (const absl::string_view base : {absl::string_view(), absl::string_view(base_path_)}) {
    absl::string_view rest = path;
    if (!absl::ConsumePrefix(&rest, base)) continue;
    if (rest == kHealthPath) return Target::kHealth;
    if (rest == kHealthLivePath) return Target::kLive;
  }
  return Target::kOther;
}

std::variant<Response, PendingRequest> HealthHandler::Begin(const RequestHead& head) {
  const Target target = TargetOf(head.target);
  if (target == Target::kOther) return next_.Begin(head);
  if (refuse_ != nullptr) {
    if (std::optional<Response> refusal = refuse_(head)) return *std::move(refusal);
  }
  // HEAD is what some of those programs send; the listener leaves its answer's body away.
  if (head.method != "GET" && head.method != "HEAD") {
    Response response = TextResponse(405, "The method for this is GET or HEAD.");
    response.headers.push_back({"Allow", "GET, HEAD"});
    return response;
  }
  if (target == Target::kLive) return JsonResponse(200, "{\"status\":\"ok\"}\n");
  return BodilessRequest::Make([this](ResponseCallback done) {
    health_.Ask([done = std::move(done)](const metrics::Health& health) mutable {
      done(JsonResponse(health.ok() ? 200 : 503, health.ToJson()));
    });
  });
}

}  // namespace tcsync::http
