#include "http/instrumented_handler.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "http/pending_request.h"

namespace tcsync::http {
namespace {

// One for each name of an endpoint.
constexpr std::array<Endpoint, RequestInstruments::kRoutes> kCounted = {
    Endpoint::kIndex,       Endpoint::kAddVersion,  Endpoint::kGetChildVersion,
    Endpoint::kAddSnapshot, Endpoint::kGetSnapshot, Endpoint::kDevices,
    Endpoint::kHealth,      Endpoint::kNone};

size_t IndexOf(Endpoint endpoint) {
  if (IsHealth(endpoint)) endpoint = Endpoint::kHealth;
  if (IsOfDevices(endpoint)) endpoint = Endpoint::kDevices;
  return static_cast<size_t>(std::find(kCounted.begin(), kCounted.end(), endpoint) -
                             kCounted.begin());
}

// Whether the answer is outside those that the protocol gives to all clients.
bool IsRefusal(Endpoint endpoint, int status) {
  if (status < 400) return false;
  const bool is_of_protocol = status == 404 || status == 409;
  return !is_of_protocol || endpoint == Endpoint::kNone;
}

}  // namespace

RequestInstruments::RequestInstruments(metrics::Registry& registry, access::TopTalkers& top_talkers)
    : top_talkers_(top_talkers) {
  for (size_t index = 0; index < kRoutes; ++index) {
    const metrics::Label route{"route", std::string(NameOf(kCounted[index]))};
    Route& instruments = routes_[index];
    for (size_t i = 0; i < kStatuses.size(); ++i) {
      // All from the beginning, or the first failure of a kind would not show as an increase.
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
  Route& route = routes_[IndexOf(request.endpoint)];
  const auto* const known = std::find(kStatuses.begin(), kStatuses.end() - 1, response.status);
  route.requests[static_cast<size_t>(known - kStatuses.begin())]->Add();
  route.seconds->Observe(std::chrono::steady_clock::now() - request.since - response.waited);
  if (request.body_bytes > 0) route.request_bytes->Add(request.body_bytes);
  if (response.body_bytes() > 0) route.response_bytes->Add(response.body_bytes());
  // Health checks are frequent, and belong to no client.
  if (IsHealth(request.endpoint)) return;
  top_talkers_.Count({.client_id = request.client_id,
                      .source = request.source,
                      .bytes = request.body_bytes + response.body_bytes(),
                      .is_refused = IsRefusal(request.endpoint, response.status)});
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

  std::optional<Response> Finish(ResponseCallback done) override {
    std::optional<Response> response =
        std::move(request_).Finish([&instruments = instruments_, received = received_,
                                    done = std::move(done)](Response later) mutable {
          instruments.Count(received, later);
          done(std::move(later));
        });
    if (response) instruments_.Count(received_, *response);
    return response;
  }

  bool IsWaiting() const override { return request_.IsWaiting(); }
  void EndWait() override { request_.EndWait(); }

 private:
  PendingRequest request_;
  RequestInstruments& instruments_;
  RequestInstruments::ReceivedRequest received_;
};

std::variant<Response, PendingRequest> InstrumentedHandler::StartRequest(
    const RoutedRequest& request) {
  const RequestInstruments::ReceivedRequest received{.endpoint = request.route.endpoint,
                                                     .since = std::chrono::steady_clock::now(),
                                                     .body_bytes = 0,
                                                     .client_id = request.client_id,
                                                     .source = request.source};
  std::variant<Response, PendingRequest> decision = next_.StartRequest(request);
  if (const auto* response = std::get_if<Response>(&decision)) {
    instruments_.Count(received, *response);
    return decision;
  }
  return PendingRequest(std::make_unique<MeasuredRequest>(
      std::move(std::get<PendingRequest>(decision)), instruments_, received));
}

}  // namespace tcsync::http
