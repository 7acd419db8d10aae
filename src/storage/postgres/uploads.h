// Segments and snapshots in pieces, on their way in and out.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_UPLOADS_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_UPLOADS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/postgres/client_record.h"
#include "storage/postgres/core.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync::postgres_storage {

// An upload into the table of pieces. It is in the register of unfinished uploads until it is
// stored; one whose server has died is removed when no piece has come for long.
class PostgresUpload final : public Upload {
 public:
  // The register has it already.
  PostgresUpload(const Core& core, const Uuid& client_id, const Uuid& upload_id,
                 uint64_t bytes_max);
  ~PostgresUpload() override;

  uint64_t bytes() const override;
  void Add(std::string piece, AddedCallback done) override;

  const Uuid& client_id() const;
  StoredPieces pieces() const;
  // It was stored: its pieces stay.
  void SetStored();

 private:
  struct State;
  const Core core_;
  const std::shared_ptr<State> state_;  // outlives this while a piece is being added
};

// Decides whether the upload may begin, and registers it.
absl::StatusOr<UploadOutcome> BeginUpload(const Core& core, const UploadRequest& request,
                                          Deadline deadline);

// Removes the uploads whose servers have died.
absl::Status RemoveAbandonedUploads(const Core& core);

// Reads the pieces of a stored segment or snapshot.
std::shared_ptr<PieceSource> OpenStoredPieces(const Core& core, const Uuid& client_id,
                                              uint64_t bytes, const StoredPieces& pieces);

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_UPLOADS_H_
