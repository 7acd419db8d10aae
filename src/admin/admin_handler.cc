#include "admin/admin_handler.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "admin/answer.h"
#include "admin/api.h"
#include "admin/route.h"
#include "base/limits.h"
#include "base/worker.h"
#include "http/body_collector.h"
#include "http/pending_request.h"

namespace tcsync::admin {

// A request that receives its body and then goes to the worker.
class AdminHandler::Request final : public http::PendingRequest::Implementation {
 public:
  Request(AdminHandler& handler, Route route, http::ContentCoding coding, uint64_t declared_bytes)
      : handler_(handler),
        route_(std::move(route)),
        body_(coding, declared_bytes, handler.body_bytes_max_, handler.budget_) {}

  std::optional<http::Response> Append(absl::string_view bytes) override {
    return Refusal(body_.Append(bytes));
  }

  std::optional<http::Response> Finish(http::ResponseCallback done) override {
    if (std::optional<http::Response> refusal = Refusal(body_.Finish())) return refusal;
    route_.call.body = body_.TakeBody();
    if (route_.endpoint.body_kind == BodyKind::kFields) {
      const absl::Status status = route_.call.fields.AddBody(route_.call.body);
      if (!status.ok()) return AnswerFor(status);
    }
    const bool is_posted =
        handler_.worker_->Post([api = handler_.api_.get(), route = std::move(route_),
                                charge = body_.TakeCharge(), done = std::move(done)]() mutable {
          http::Response response = route.Answer(*api);
          // Before the answer: its receiver may send the next body at once.
          route.call.body = {};
          charge.Release();
          done(std::move(response));
        });
    if (!is_posted) return ErrorAnswer(503, "The system has no further thread.");
    return std::nullopt;
  }

 private:
  std::optional<http::Response> Refusal(http::BodyCollector::Result result) {
    switch (result) {
      case http::BodyCollector::Result::kOk:
        return std::nullopt;
      case http::BodyCollector::Result::kTooLarge:
        return handler_.RefuseTooLarge();
      case http::BodyCollector::Result::kNoMemory:
        return ErrorAnswer(503, "Other requests' bodies take all the memory; try again.");
      case http::BodyCollector::Result::kMalformed:
      case http::BodyCollector::Result::kStopped:  // only where storage takes the body
        break;
    }
    return ErrorAnswer(400, http::kMalformedBodySentence);
  }

  AdminHandler& handler_;
  Route route_;
  http::BodyCollector body_;
};

AdminHandler::AdminHandler(CommonParts common, std::variant<OpenEngine, OfflineOperations> others)
    : body_bytes_max_(common.body_bytes_max),
      // One of the longest, and others of the usual length beside it.
      budget_(std::make_shared<http::ByteBudget>(body_bytes_max_ + base::kAdminPageBytes)),
      api_(std::visit(
          [&](auto& parts) { return std::make_unique<Api>(std::move(common), std::move(parts)); },
          others)),
      worker_(std::make_unique<base::Worker>("tcsync-admin")) {}

AdminHandler::~AdminHandler() = default;

void AdminHandler::CompactIfNeeded() { api_->Find<EngineApi>()->CompactIfNeeded(); }

http::Response AdminHandler::RefuseTooLarge() const {
  return ErrorAnswer(413, absl::StrCat("The request body is longer than ", body_bytes_max_,
                                       " bytes; send fewer lines, or set body-bytes-max or "
                                       "memory-budget higher."));
}

std::variant<http::Response, http::PendingRequest> AdminHandler::StartRequest(
    const http::RequestHead& head) {
  std::variant<http::Response, Route> found = FindRoute(head.method, head.target);
  if (auto* const response = std::get_if<http::Response>(&found)) return std::move(*response);
  const std::optional<http::ContentCoding> coding =
      http::ParseContentCoding(head.Header("Content-Encoding"));
  if (!coding) {
    http::Response response =
        ErrorAnswer(415, absl::StrCat("The Content-Encoding '", head.Header("Content-Encoding"),
                                      "' is not supported; gzip, deflate and identity are."));
    response.headers.push_back({"Accept-Encoding", "gzip, deflate"});
    return response;
  }
  const uint64_t declared_bytes = http::DeclaredBytesOf(head);
  if (declared_bytes > body_bytes_max_) return RefuseTooLarge();
  return http::PendingRequest(
      std::make_unique<Request>(*this, std::move(std::get<Route>(found)), *coding, declared_bytes));
}

}  // namespace tcsync::admin
