// A response's body that is read from storage while it is sent.
#ifndef TCSYNC_SRC_HTTP_STORED_BODY_H_
#define TCSYNC_SRC_HTTP_STORED_BODY_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "base/logger.h"
#include "http/transfer_shares.h"
#include "tcsync/http_message.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync::http {

// Logs an incomplete body. One thread at a time.
class StoredBody final : public BodySource {
 public:
  // `place` is kept until the whole body is sent.
  StoredBody(const Uuid& client_id, std::shared_ptr<PieceSource> pieces,
             TransferShares::Place place, base::Logger logger);

  uint64_t bytes() const override { return pieces_->bytes(); }
  std::optional<Piece> Read(PieceCallback done) override;

 private:
  const Uuid client_id_;
  const std::shared_ptr<PieceSource> pieces_;
  const TransferShares::Place place_;
  const base::Logger logger_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_STORED_BODY_H_
