#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "tcsync/handler.h"

namespace tcsync::http {
namespace {

class Collection : public std::enable_shared_from_this<Collection> {
 public:
  Collection(Response response, ResponseCallback done)
      : response_(std::move(response)), done_(std::move(done)) {}

  // Reads until a piece is not ready; that piece's callback then continues, possibly before this
  // has returned.
  std::optional<Response> Run() {
    while (response_.body.size() < response_.body_source->bytes()) {
      const std::optional<BodySource::Piece> piece =
          response_.body_source->Read([self = shared_from_this()](const BodySource::Piece& later) {
            std::optional<Response> complete = self->Take(later) ? self->Run() : Failed();
            if (complete) self->done_(*std::move(complete));
          });
      if (!piece) return std::nullopt;
      if (!Take(*piece)) return Failed();
    }
    response_.body_source.reset();
    return std::move(response_);
  }

 private:
  bool Take(const BodySource::Piece& piece) {
    if (piece.ok()) response_.body += *piece;
    return piece.ok();
  }

  static Response Failed() {
    return TextResponse(500, "The data could not be read to its end; the log has the reason.");
  }

  Response response_;
  ResponseCallback done_;
};

}  // namespace

std::optional<Response> CollectBody(Response response, ResponseCallback done) {
  if (response.body_source == nullptr) return response;
  try {
    response.body.reserve(response.body_source->bytes());
  } catch (const std::bad_alloc&) {
    return TextResponse(503, "There is no memory for the data.");
  }
  return std::make_shared<Collection>(std::move(response), std::move(done))->Run();
}

}  // namespace tcsync::http
