// A database that is opened for reading only, as a storage: a backup in place, or the readable part
// of a damaged data directory.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_READONLY_STORAGE_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_READONLY_STORAGE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "storage/rocksdb/administration.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/stored_pieces.h"
#include "storage/rocksdb/uploads.h"
#include "tcsync/storage.h"

namespace tcsync::rocksdb_storage {

// The options for reading only. RocksDB then creates no file, not even a log of its own.
rocksdb::Options ReadOnlyDatabaseOptions(rocksdb::Env& env);

// Thread-safe. Every write is kFailedPrecondition. Reads wait for the disk.
class ReadOnlyStorage final : public Storage, private AdministeredStorage, private PieceStorage {
 public:
  // `needed`: objects that the database needs while it is open. Destroyed in reverse order.
  ReadOnlyStorage(std::unique_ptr<rocksdb::DB> database,
                  std::vector<std::shared_ptr<const void>> needed);
  ~ReadOnlyStorage() override;

  void Append(AppendRequest request, AppendCallback done) override;
  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override;
  void GetChild(const Uuid& client_id, const Uuid& parent_version_id, ChildCallback done) override;
  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override;
  void Probe(ProbeCallback done) override;
  StorageAdministration& administration() override { return administration_; }

 private:
  absl::Status WithDatabase(Use use) override;
  absl::Status Commit(PendingChange::Decide change, Room room) override;
  absl::Status MakeRoom() override;
  absl::Status FlushNotes(Room) override { return absl::OkStatus(); }  // there are none
  std::shared_ptr<PieceSource> OpenPieces(const PiecesOwner& owner,
                                          const PiecesRecord& pieces) override;
  UploadTable& uploads() override { return uploads_; }
  StorageTotals totals() const override { return {}; }
  bool has_removals() const override { return false; }
  void set_has_removals(bool) override {}
  uint64_t removals() const override { return 0; }
  CommitterQueue queue() const override { return {}; }
  uint64_t head_cache_bytes() const override { return 0; }

  void ReadPieceLater(const PiecesOwner& owner, const PiecesRecord& pieces, uint32_t piece,
                      PieceSource::PieceCallback done) override;

  std::vector<std::shared_ptr<const void>> needed_;
  std::unique_ptr<rocksdb::DB> database_;
  const ChainReader reader_;
  UploadTable uploads_;  // none
  RocksdbAdministration administration_{*this};
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_READONLY_STORAGE_H_
