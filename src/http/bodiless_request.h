// A request whose body, if it comes with one, has no meaning.
#ifndef TCSYNC_SRC_HTTP_BODILESS_REQUEST_H_
#define TCSYNC_SRC_HTTP_BODILESS_REQUEST_H_

#include <memory>
#include <optional>
#include <utility>

#include "http/pending_request.h"

namespace tcsync::http {

// Drops the body as it comes, and lets `answer`, which takes a ResponseCallback, give the answer.
template <typename Answer>
PendingRequest MakeBodilessRequest(Answer answer) {
  class BodilessRequest final : public PendingRequest::Implementation {
   public:
    explicit BodilessRequest(Answer answer) : answer_(std::move(answer)) {}

    std::optional<Response> Append(absl::string_view) override { return std::nullopt; }
    void Finish(ResponseCallback done) override { answer_(std::move(done)); }

   private:
    Answer answer_;
  };
  return PendingRequest(std::make_unique<BodilessRequest>(std::move(answer)));
}

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_BODILESS_REQUEST_H_
