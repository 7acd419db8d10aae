// A handler for tests of the code around handlers: answers with the peer, at once or after a
// release.
#ifndef TCSYNC_TESTS_CONFORMANCE_ANSWERING_HANDLER_H_
#define TCSYNC_TESTS_CONFORMANCE_ANSWERING_HANDLER_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "http/pending_request.h"
#include "tcsync/handler.h"
#include "tcsync/http_message.h"

namespace tcsync::conformance {

// Answers everything with 200 and "NAME PEER". Thread-safe.
class AnsweringHandler final : public http::Handler {
 public:
  explicit AnsweringHandler(std::string name) : name_(std::move(name)) {}

  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override {
    return http::PendingRequest(
        std::make_unique<Request>(*this, absl::StrCat(name_, " ", head.peer.ToString())));
  }

  // From here on answers wait for Release().
  void Hold() {
    const std::lock_guard lock(mutex_);
    holds_ = true;
  }
  // Waits until that many answers wait.
  void AwaitHeld(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_.size() >= count; });
  }
  void Release() {
    std::vector<std::pair<http::ResponseCallback, std::string>> held;
    {
      const std::lock_guard lock(mutex_);
      holds_ = false;
      held.swap(held_);
    }
    for (auto& [done, text] : held) done(http::TextResponse(200, text));
  }

 private:
  class Request final : public http::PendingRequest::Implementation {
   public:
    Request(AnsweringHandler& handler, std::string text)
        : handler_(handler), text_(std::move(text)) {}
    std::optional<http::Response> Append(absl::string_view) override { return std::nullopt; }
    std::optional<http::Response> Finish(http::ResponseCallback done) override {
      const std::lock_guard lock(handler_.mutex_);
      if (!handler_.holds_) return http::TextResponse(200, text_);
      handler_.held_.emplace_back(std::move(done), std::move(text_));
      handler_.changed_.notify_all();
      return std::nullopt;
    }

   private:
    AnsweringHandler& handler_;
    std::string text_;
  };

  const std::string name_;
  std::mutex mutex_;  // of the members below
  std::condition_variable changed_;
  bool holds_ = false;
  std::vector<std::pair<http::ResponseCallback, std::string>> held_;
};

}  // namespace tcsync::conformance

#endif  // TCSYNC_TESTS_CONFORMANCE_ANSWERING_HANDLER_H_
