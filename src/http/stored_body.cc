#include "http/stored_body.h"

#include <utility>

#include "absl/status/status.h"
#include "base/return_or_call_back.h"

namespace tcsync::http {

StoredBody::StoredBody(const Uuid& client_id, std::shared_ptr<PieceSource> pieces,
                       TransferShares::Place place, base::Logger logger)
    : client_id_(client_id),
      pieces_(std::move(pieces)),
      place_(std::move(place)),
      logger_(std::move(logger)) {}

std::optional<BodySource::Piece> StoredBody::Read(PieceCallback done) {
  return base::ReturnOrCallBack(std::move(done), [this](PieceCallback give) {
    pieces_->Read(
        [client_id = client_id_, logger = logger_, give = std::move(give)](Piece piece) mutable {
          if (!piece.ok()) {
            logger.Log(absl::IsAborted(piece.status()) ? LogLevel::kWarning : LogLevel::kError,
                       {.client = client_id},
                       "an answer ended before its end: ", piece.status().message());
          }
          give(std::move(piece));
        });
  });
}

}  // namespace tcsync::http
