// Reads a segment or snapshot that is stored in pieces.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_STORED_PIECES_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_STORED_PIECES_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/record_codec.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync::rocksdb_storage {

// The owner of the pieces.
struct PiecesOwner {
  Uuid client_id;
  uint64_t version_number = 0;  // 0: they are the snapshot's
};

// Reads a piece. kAborted when the owner has other pieces or none by now, and kDataLoss when the
// piece is missing nevertheless.
absl::StatusOr<std::string> ReadPiece(const ChainReader& reader, const PiecesOwner& owner,
                                      const PiecesRecord& pieces, uint32_t piece);

// The part of the storage that StoredPieces needs.
class PieceStorage {
 public:
  virtual ~PieceStorage() = default;

  // ReadPiece, at once if memory has it, and otherwise on a thread that may wait for the disk.
  virtual void ReadPieceLater(const PiecesOwner& owner, const PiecesRecord& pieces, uint32_t piece,
                              PieceSource::PieceCallback done) = 0;
};

std::shared_ptr<PieceSource> OpenStoredPieces(PieceStorage& storage, const PiecesOwner& owner,
                                              const PiecesRecord& pieces);

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_STORED_PIECES_H_
