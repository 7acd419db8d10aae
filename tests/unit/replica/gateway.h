// A gateway in front of a handler, which makes it a server without our extension of the protocol,
// or cuts its answers in the middle.
#ifndef TCSYNC_TESTS_UNIT_REPLICA_GATEWAY_H_
#define TCSYNC_TESTS_UNIT_REPLICA_GATEWAY_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "base/version_frames.h"
#include "http/pending_request.h"
#include "tcsync/handler.h"
#include "tcsync/http_message.h"

namespace tcsync {

class Gateway final : public http::Handler {
 public:
  explicit Gateway(http::Handler& next) : next_(next) {}

  std::variant<http::Response, http::PendingRequest> StartRequest(
      const http::RequestHead& head) override {
    http::RequestHead passed = head;
    std::vector<http::HeaderView> headers;
    for (const http::HeaderView& header : head.headers) {
      if (passes_accept || !absl::EqualsIgnoreCase(header.name, "Accept"))
        headers.push_back(header);
    }
    passed.headers = headers;
    std::variant<http::Response, http::PendingRequest> decision = next_.StartRequest(passed);
    if (std::holds_alternative<http::Response>(decision)) return decision;
    return http::PendingRequest(std::make_unique<PassedRequest>(
        std::get<http::PendingRequest>(std::move(decision)), *this));
  }

  std::atomic<bool> passes_accept = true;
  // How many of the next answers with many versions are cut, and where: after so much of the body.
  std::atomic<int> cuts = 0;
  std::atomic<double> cut_place = 0.5;
  // Answers with many versions so far.
  std::atomic<int> answers_with_many = 0;

 private:
  // The beginning of a body, and then an error.
  class CutBody final : public http::BodySource {
   public:
    CutBody(std::string body, size_t cut) : bytes_(body.size()), beginning_(std::move(body)) {
      beginning_.resize(cut);
    }

    uint64_t bytes() const override { return bytes_; }
    std::optional<Piece> Read(PieceCallback) override {
      if (beginning_.empty()) return Piece(absl::AbortedError("cut"));
      return Piece(std::exchange(beginning_, ""));
    }

   private:
    const uint64_t bytes_;
    std::string beginning_;
  };

  class PassedRequest final : public http::PendingRequest::Implementation {
   public:
    PassedRequest(http::PendingRequest request, Gateway& gateway)
        : request_(std::move(request)), gateway_(gateway) {}

    std::optional<http::Response> Append(absl::string_view bytes) override {
      return request_.Append(bytes);
    }
    bool PauseUntil(absl::AnyInvocable<void()> resume) override {
      return request_.PauseUntil(std::move(resume));
    }
    std::optional<http::Response> Finish(http::ResponseCallback done) override {
      std::optional<http::Response> response = std::move(request_).Finish(
          [&gateway = gateway_, done = std::move(done)](http::Response later) mutable {
            done(gateway.Passed(std::move(later)));
          });
      if (response) response = gateway_.Passed(*std::move(response));
      return response;
    }

   private:
    http::PendingRequest request_;
    Gateway& gateway_;
  };

  http::Response Passed(http::Response response) {
    for (const http::Header& header : response.headers) {
      if (header.value != base::kVersionFramesMediaType) continue;
      ++answers_with_many;
      if (cuts.fetch_sub(1) <= 0) {
        cuts = 0;
        break;
      }
      const auto cut = static_cast<size_t>(cut_place * static_cast<double>(response.body.size()));
      response.body_source = std::make_unique<CutBody>(std::exchange(response.body, ""), cut);
      break;
    }
    return response;
  }

  http::Handler& next_;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_REPLICA_GATEWAY_H_
