#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "tcsync/handler.h"

namespace tcsync::http {
namespace {

class Collection : public std::enable_shared_from_this<Collection> {
 public:
  Collection(Response response, ResponseCallback done)
      : response_(std::move(response)), done_(std::move(done)) {}

  // Reads on until a piece does not come at once. Pieces that do are read in this loop, so that any
  // number of them takes no deeper stack.
  void Run() {
    for (;;) {
      if (response_.body.size() >= response_.body_source->bytes()) {
        response_.body_source.reset();
        return done_(std::move(response_));
      }
      {
        const std::lock_guard lock(mutex_);
        is_reading_ = true;
      }
      response_.body_source->Read([self = shared_from_this()](absl::StatusOr<std::string> piece) {
        self->OnPiece(std::move(piece));
      });
      const std::lock_guard lock(mutex_);
      is_reading_ = false;
      if (!piece_) return;  // OnPiece goes on
      if (!Take()) break;
    }
    Fail();
  }

 private:
  void OnPiece(absl::StatusOr<std::string> piece) {
    bool is_taken = false;
    {
      const std::lock_guard lock(mutex_);
      piece_ = std::move(piece);
      if (is_reading_) return;  // Run goes on
      is_taken = Take();
    }
    return is_taken ? Run() : Fail();
  }

  bool Take() {
    absl::StatusOr<std::string> piece = *std::exchange(piece_, std::nullopt);
    if (!piece.ok()) return false;
    response_.body += *piece;
    return true;
  }

  void Fail() {
    done_(TextResponse(500, "What was asked for could not be read to its end; the log says why."));
  }

  Response response_;
  ResponseCallback done_;
  std::mutex mutex_;  // of what follows
  bool is_reading_ = false;
  std::optional<absl::StatusOr<std::string>> piece_;
};

}  // namespace

void CollectBody(Response response, ResponseCallback done) {
  if (response.body_source == nullptr) return done(std::move(response));
  try {
    response.body.reserve(response.body_source->bytes());
  } catch (const std::bad_alloc&) {
    return done(TextResponse(503, "There is no memory for what was asked for."));
  }
  std::make_shared<Collection>(std::move(response), std::move(done))->Run();
}

}  // namespace tcsync::http
