// A handler that records its requests, for tests of its callers.
#ifndef TCSYNC_TESTS_UNIT_LISTENER_FAKE_HANDLER_H_
#define TCSYNC_TESTS_UNIT_LISTENER_FAKE_HANDLER_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "http/pending_request.h"
#include "tcsync/handler.h"

namespace tcsync {

// Refuses every target that begins with "/refuse" by its head, with 403; takes bodies of up to 100
// bytes, with 413 for more; and answers the rest with 200 and the body that came. One thread.
class FakeHandler final : public http::Handler {
 public:
  static constexpr size_t kBodyBytesMax = 100;

  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override {
    std::string text = absl::StrCat(head.method, " ", head.target, "\n");
    for (const http::HeaderView& header : head.headers) {
      absl::StrAppend(&text, header.name, "=", header.value, "\n");
    }
    heads.push_back(std::move(text));
    if (absl::StartsWith(head.target, "/refuse")) return NewResponse(403);
    return http::PendingRequest(std::make_unique<Request>(*this));
  }

  std::vector<std::string> heads;  // "METHOD target\nname=value\n..." of each request
  int finished = 0;
  int abandoned = 0;

 private:
  class Request final : public http::PendingRequest::Implementation {
   public:
    explicit Request(FakeHandler& handler) : handler_(handler) {}
    ~Request() override {
      if (!finished_) ++handler_.abandoned;
    }
    std::optional<http::Response> Append(absl::string_view bytes) override {
      absl::StrAppend(&body_, bytes);
      if (body_.size() > kBodyBytesMax) return NewResponse(413);
      return std::nullopt;
    }
    std::optional<http::Response> Finish(http::ResponseCallback) override {
      finished_ = true;
      ++handler_.finished;
      http::Response response = NewResponse(200);
      response.body = std::move(body_);
      return response;
    }

   private:
    FakeHandler& handler_;
    std::string body_;
    bool finished_ = false;
  };

  static http::Response NewResponse(int status) {
    http::Response response;
    response.status = status;
    return response;
  }
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_LISTENER_FAKE_HANDLER_H_
