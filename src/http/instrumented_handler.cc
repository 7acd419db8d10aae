#include "http/instrumented_handler.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "http/pending_request.h"
#include "http/route.h"

namespace tcsync::http {
namespace {

constexpr std::array<Endpoint, 5> kEndpoints = {Endpoint::kIndex, Endpoint::kAddVersion,
                                                Endpoint::kGetChildVersion, Endpoint::kAddSnapshot,
                                                Endpoint::kGetSnapshot};
// Behind the endpoints' routes.
constexpr size_t kHealthRoute = kEndpoints.size();
constexpr size_t kOtherRoute = kHealthRoute + 1;
static_assert(kOtherRoute + 1 == RequestInstruments::kRoutes);

std::string RouteName(size_t route) {
  if (route == kHealthRoute) return "health";
  if (route == kOtherRoute) return "other";
  return std::string(NameOf(kEndpoints[route]));
}

size_t RouteOf(Endpoint endpoint) {
  return static_cast<size_t>(std::find(kEndpoints.begin(), kEndpoints.end(), endpoint) -
                             kEndpoints.begin());
}

// Whether the answer is none that the protocol has for everybody.
bool IsRefusal(size_t route, int status) {
  if (status < 400) return false;
  const bool is_of_protocol = status == 404 || status == 409;
  return !is_of_protocol || route == kOtherRoute;
}

}  // namespace

RequestInstruments::RequestInstruments(metrics::Registry& registry, access::TopTalkers& top_talkers)
    : top_talkers_(top_talkers) {
  for (size_t index = 0; index < kRoutes; ++index) {
    const metrics::Label route{"route", RouteName(index)};
    Route& instruments = routes_[index];
    for (size_t i = 0; i < kStatuses.size(); ++i) {
      // All from the beginning on, or the first failure of a kind would not show as an increase.
      instruments.requests[i] = &registry.AddCounter(
          "tcsync_http_requests_total", "Requests that were answered.",
          {route, {"status", kStatuses[i] == 0 ? "other" : absl::StrCat(kStatuses[i])}});
    }
    instruments.seconds = &registry.AddHistogram(
        "tcsync_http_request_duration_seconds",
        "From where a request's head was complete until its response was ready to be sent.",
        metrics::RequestSeconds(), {route});
    instruments.request_bytes = &registry.AddCounter(
        "tcsync_http_request_body_bytes_total",
        "Bytes of request bodies as they came, of requests that were answered.", {route});
    instruments.response_bytes = &registry.AddCounter("tcsync_http_response_body_bytes_total",
                                                      "Bytes of response bodies.", {route});
  }
}

void RequestInstruments::Count(const ReceivedRequest& request, const Response& response) {
  Route& route = routes_[request.route];
  const auto* const known = std::find(kStatuses.begin(), kStatuses.end() - 1, response.status);
  route.requests[static_cast<size_t>(known - kStatuses.begin())]->Add();
  route.seconds->Observe(std::chrono::steady_clock::now() - request.since);
  if (request.body_bytes > 0) route.request_bytes->Add(request.body_bytes);
  if (response.body_bytes() > 0) route.response_bytes->Add(response.body_bytes());
  // Health checks ask often, and are nobody's business.
  if (request.route == kHealthRoute) return;
  top_talkers_.Count({.client_id = request.client_id,
                      .source = request.source,
                      .bytes = request.body_bytes + response.body_bytes(),
                      .is_refused = IsRefusal(request.route, response.status)});
}

class InstrumentedHandler::MeasuredRequest final : public PendingRequest::Implementation {
 public:
  MeasuredRequest(PendingRequest request, RequestInstruments& instruments,
                  const RequestInstruments::ReceivedRequest& received)
      : request_(std::move(request)), instruments_(instruments), received_(received) {}

  std::optional<Response> Append(absl::string_view bytes) override {
    received_.body_bytes += bytes.size();
    std::optional<Response> response = request_.Append(bytes);
    if (response) instruments_.Count(received_, *response);
    return response;
  }

  bool PauseUntil(absl::AnyInvocable<void()> resume) override {
    return request_.PauseUntil(std::move(resume));
  }

  void Finish(ResponseCallback done) override {
    std::move(request_).Finish([&instruments = instruments_, received = received_,
                                done = std::move(done)](Response response) mutable {
      instruments.Count(received, response);
      done(std::move(response));
    });
  }

 private:
  PendingRequest request_;
  RequestInstruments& instruments_;
  RequestInstruments::ReceivedRequest received_;
};

InstrumentedHandler::InstrumentedHandler(Handler& next, absl::string_view base_path,
                                         const access::AccessControl& access,
                                         RequestInstruments& instruments)
    : next_(next),
      base_path_(NormalizeBasePath(base_path)),
      access_(access),
      instruments_(instruments) {}

size_t InstrumentedHandler::RouteOf(absl::string_view target) const {
  if (const std::optional<Endpoint> endpoint = EndpointLike(target)) {
    return http::RouteOf(*endpoint);
  }
  absl::string_view path = PathOf(target);
  if (absl::EndsWith(path, kHealthPath) || absl::EndsWith(path, kHealthLivePath)) {
    return kHealthRoute;
  }
  if (absl::ConsumePrefix(&path, base_path_) && (path.empty() || path == "/")) {
    return http::RouteOf(Endpoint::kIndex);
  }
  return kOtherRoute;
}

std::variant<Response, PendingRequest> InstrumentedHandler::Begin(const RequestHead& head) {
  const RequestInstruments::ReceivedRequest received{
      .route = RouteOf(head.target),
      .since = std::chrono::steady_clock::now(),
      .body_bytes = 0,
      .client_id = Uuid::Parse(head.Header("X-Client-Id")),
      .source = access_.SourceOf(head)};
  std::variant<Response, PendingRequest> decision = next_.Begin(head);
  if (const auto* response = std::get_if<Response>(&decision)) {
    instruments_.Count(received, *response);
    return decision;
  }
  return PendingRequest(std::make_unique<MeasuredRequest>(
      std::move(std::get<PendingRequest>(decision)), instruments_, received));
}

}  // namespace tcsync::http
