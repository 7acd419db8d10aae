#include "storage/rocksdb/stored_pieces.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tcsync::rocksdb_storage {
namespace {

// Whether the owner still has these pieces.
absl::StatusOr<bool> IsOwned(const ChainReader& reader, const PiecesOwner& owner,
                             const PiecesRecord& pieces) {
  if (owner.version_number > 0) {
    const absl::StatusOr<std::optional<VersionTrailer>> trailer =
        reader.ReadTrailer(owner.client_id, owner.version_number);
    if (!trailer.ok()) return trailer.status();
    return trailer->has_value() && (*trailer)->pieces &&
           (*trailer)->pieces->upload_id == pieces.upload_id;
  }
  const absl::StatusOr<std::optional<std::string>> value = reader.Read(ClientKey(owner.client_id));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return false;
  const std::optional<ClientRecord> record = DecodeClientRecord(**value);
  return record && record->snapshot && record->snapshot->pieces &&
         record->snapshot->pieces->upload_id == pieces.upload_id;
}

std::string NameOf(const PiecesOwner& owner) {
  return owner.version_number > 0 ? absl::StrCat("version ", owner.version_number) : "the snapshot";
}

class StoredPieces final : public PieceSource {
 public:
  StoredPieces(PieceStorage& storage, const PiecesOwner& owner, const PiecesRecord& pieces)
      : storage_(storage), reading_(std::make_shared<Reading>(Reading{owner, pieces})) {}

  uint64_t bytes() const override { return reading_->pieces.bytes; }
  uint32_t pieces() const override { return reading_->pieces.pieces; }

  void Read(PieceCallback done) override {
    const uint32_t piece = reading_->next_piece++;
    storage_.ReadPieceLater(reading_->owner, reading_->pieces, piece,
                            [reading = reading_, piece,
                             done = std::move(done)](absl::StatusOr<std::string> read) mutable {
                              if (read.ok() && !reading->Counts(piece, read->size())) {
                                return done(absl::DataLossError(absl::StrCat(
                                    "the pieces of ", NameOf(reading->owner), " are not the ",
                                    reading->pieces.bytes, " bytes that were counted")));
                              }
                              done(std::move(read));
                            });
  }

  void SkipTo(uint32_t piece) override {
    reading_->next_piece = piece;
    reading_->began_at_first = piece == 0;
    reading_->bytes_read = 0;
  }

 private:
  // Outlives the source while a piece is being read.
  struct Reading {
    const PiecesOwner owner;
    const PiecesRecord pieces;
    uint32_t next_piece = 0;
    bool began_at_first = true;
    uint64_t bytes_read = 0;

    // Whether the piece fits the counted bytes.
    bool Counts(uint32_t piece, uint64_t bytes) {
      bytes_read += bytes;
      if (piece >= pieces.pieces || bytes_read > pieces.bytes) return false;
      const bool is_last = piece + 1 == pieces.pieces;
      return !is_last || !began_at_first || bytes_read == pieces.bytes;
    }
  };

  PieceStorage& storage_;
  const std::shared_ptr<Reading> reading_;
};

}  // namespace

absl::StatusOr<std::string> ReadPiece(const ChainReader& reader, const PiecesOwner& owner,
                                      const PiecesRecord& pieces, uint32_t piece) {
  absl::StatusOr<std::optional<std::string>> value =
      reader.Read(PieceKey(owner.client_id, pieces.upload_id, piece));
  if (!value.ok()) return value.status();
  if (value->has_value() && !(*value)->empty()) return std::move(**value);
  // The record that refers to the pieces is removed with them, but was read before the piece.
  const absl::StatusOr<bool> is_owned = IsOwned(reader, owner, pieces);
  if (!is_owned.ok()) return is_owned.status();
  if (!*is_owned) {
    return absl::AbortedError(
        absl::StrCat(NameOf(owner), " was removed or replaced while it was being read"));
  }
  return Contradiction(
      absl::StrCat("piece ", piece, " of ", pieces.pieces, " of ", NameOf(owner), " is missing"));
}

std::shared_ptr<PieceSource> OpenStoredPieces(PieceStorage& storage, const PiecesOwner& owner,
                                              const PiecesRecord& pieces) {
  return std::make_shared<StoredPieces>(storage, owner, pieces);
}

}  // namespace tcsync::rocksdb_storage
