// A request whose body, if it has one, is ignored.
#ifndef TCSYNC_SRC_HTTP_BODILESS_REQUEST_H_
#define TCSYNC_SRC_HTTP_BODILESS_REQUEST_H_

#include <memory>
#include <optional>
#include <utility>

#include "base/return_or_call_back.h"
#include "http/pending_request.h"

namespace tcsync::http {

// Drops the body as it arrives, and then lets `answer`, which takes a ResponseCallback, give the
// answer at once or later.
template <typename Answer>
PendingRequest MakeBodilessRequest(Answer answer) {
  class BodilessRequest final : public PendingRequest::Implementation {
   public:
    explicit BodilessRequest(Answer answer) : answer_(std::move(answer)) {}

    std::optional<Response> Append(absl::string_view) override { return std::nullopt; }
    std::optional<Response> Finish(ResponseCallback done) override {
      return base::ReturnOrCallBack(std::move(done), std::move(answer_));
    }

   private:
    Answer answer_;
  };
  return PendingRequest(std::make_unique<BodilessRequest>(std::move(answer)));
}

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_BODILESS_REQUEST_H_
