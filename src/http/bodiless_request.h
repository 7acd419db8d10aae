// A request whose body, if it comes with one, has no meaning.
#ifndef TCSYNC_SRC_HTTP_BODILESS_REQUEST_H_
#define TCSYNC_SRC_HTTP_BODILESS_REQUEST_H_

#include <memory>
#include <optional>
#include <utility>

#include "http/pending_request.h"

namespace tcsync::http {

// Drops the body as it comes, and lets `finish` answer.
class BodilessRequest final : public PendingRequest::Implementation {
 public:
  using FinishFunction = absl::AnyInvocable<void(ResponseCallback)>;

  static PendingRequest Make(FinishFunction finish) {
    return PendingRequest(std::make_unique<BodilessRequest>(std::move(finish)));
  }

  explicit BodilessRequest(FinishFunction finish) : finish_(std::move(finish)) {}

  std::optional<Response> Append(absl::string_view) override { return std::nullopt; }
  void Finish(ResponseCallback done) override { finish_(std::move(done)); }

 private:
  FinishFunction finish_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_BODILESS_REQUEST_H_
