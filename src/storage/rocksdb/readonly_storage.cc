#include "storage/rocksdb/readonly_storage.h"

#include <optional>
#include <utility>

#include "base/limits.h"
#include "rocksdb/slice_transform.h"
#include "storage/rocksdb/info_log.h"
#include "storage/rocksdb/record_codec.h"

namespace tcsync::rocksdb_storage {
namespace {

absl::Status ReadOnlyError() {
  return absl::FailedPreconditionError("this storage is open for reading only");
}

}  // namespace

rocksdb::Options ReadOnlyDatabaseOptions(rocksdb::Env& env) {
  rocksdb::Options options;
  options.env = &env;
  options.info_log = NoInfoLog();
  // Any number but "all": with that one, RocksDB opens a database of one level in such a way that
  // it does not find the values in blob files.
  options.max_open_files = base::kStorageOpenFilesMax;
  // As in the storage itself, for reads by a client's prefix.
  options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(kKeyPrefixBytes));
  return options;
}

ReadOnlyStorage::ReadOnlyStorage(std::unique_ptr<rocksdb::DB> database,
                                 std::vector<std::shared_ptr<const void>> needed)
    : needed_(std::move(needed)),
      database_(std::move(database)),
      reader_(*database_, ReadTier::kDisk) {}

ReadOnlyStorage::~ReadOnlyStorage() {
  database_.reset();
  while (!needed_.empty()) needed_.pop_back();
}

void ReadOnlyStorage::Append(AppendRequest, AppendCallback done) { done(ReadOnlyError()); }

void ReadOnlyStorage::StoreSnapshot(StoreSnapshotRequest, StoreSnapshotCallback done) {
  done(ReadOnlyError());
}

void ReadOnlyStorage::GetChild(const Uuid&, const Uuid&, ChildCallback done) {
  done(ReadOnlyError());
}

void ReadOnlyStorage::GetSnapshot(const Uuid& client_id, SnapshotCallback done) {
  absl::StatusOr<std::optional<FoundSnapshot>> found = reader_.ReadSnapshot(client_id);
  if (!found.ok()) return done(found.status());
  if (!found->has_value()) return done(std::optional<Snapshot>());
  Snapshot snapshot = std::move((*found)->snapshot);
  if ((*found)->pieces) {
    snapshot.pieces = OpenPieces({.client_id = client_id, .version_number = 0}, *(*found)->pieces);
  }
  done(std::optional<Snapshot>(std::move(snapshot)));
}

std::shared_ptr<PieceSource> ReadOnlyStorage::OpenPieces(const PiecesOwner& owner,
                                                         const PiecesRecord& pieces) {
  return OpenStoredPieces(*this, owner, pieces);
}

void ReadOnlyStorage::ReadPieceLater(const PiecesOwner& owner, const PiecesRecord& pieces,
                                     uint32_t piece, PieceSource::PieceCallback done) {
  done(ReadPiece(reader_, owner, pieces, piece));
}

void ReadOnlyStorage::Probe(ProbeCallback done) { done(ReadOnlyError()); }

absl::Status ReadOnlyStorage::WithDatabase(Use use) { return use(*database_, reader_); }

absl::Status ReadOnlyStorage::Commit(PendingChange::Decide, Room) { return ReadOnlyError(); }

absl::Status ReadOnlyStorage::MakeRoom() { return ReadOnlyError(); }

}  // namespace tcsync::rocksdb_storage
