// What an operator does with a RocksDB storage: tcsync/storage_administration.h.
//
// What writes (administration_writes.cc) goes through the committer, as every write does: it is the
// only writer. What reads (administration_reads.cc) reads the database beside it.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_ADMINISTRATION_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_ADMINISTRATION_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "storage/rocksdb/batch_builder.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/committer.h"
#include "storage/rocksdb/stored_pieces.h"
#include "storage/rocksdb/uploads.h"
#include "tcsync/storage_administration.h"

namespace tcsync::rocksdb_storage {

// Which room on the disk a write may take: kReserve is for what makes room, or keeps somebody from
// taking more, and for what must be known for it (reserve.h).
enum class Room { kOrdinary, kReserve };

// What administration has of the storage that it belongs to. Thread-safe.
class AdministeredStorage {
 public:
  virtual ~AdministeredStorage() = default;

  // Calls `use` with the database and a reader of it that may wait for the disk; both are there
  // only during the call. Returns what `use` returns, or why there is no database now.
  using Use = absl::FunctionRef<absl::Status(rocksdb::DB& database, const ChainReader& reader)>;
  virtual absl::Status WithDatabase(Use use) = 0;

  // Has `change` decided and written by the committer, and waits until that is durable. Must not be
  // called from a callback of storage.
  // On a full disk it may be decided a second time.
  virtual absl::Status Commit(PendingChange::Decide change, Room room = Room::kOrdinary) = 0;

  // Before work that writes files of its own: opens the database again if a write had failed, and
  // gives up the reserve if the disk has less free than that. kResourceExhausted: there is no room.
  virtual absl::Status MakeRoom() = 0;

  // Writes what was noted of replicas (Storage::NoteReplicaSeen) and was not yet, and waits for it.
  // Before whatever reads positions or replicas ahead.
  virtual absl::Status FlushNotes(Room room) = 0;

  // The segment or snapshot that is in these pieces.
  virtual std::shared_ptr<PieceSource> OpenPieces(const PiecesOwner& owner,
                                                  const PiecesRecord& pieces) = 0;
  virtual UploadTable& uploads() = 0;

  virtual StorageTotals totals() const = 0;
  // Whether there are notes of removals whose bytes may still be in files. Set by each removal, and
  // by whoever takes notes back.
  virtual bool has_removals() const = 0;
  virtual void set_has_removals(bool has_removals) = 0;
  // How many writes of this process have removed something.
  virtual uint64_t removals() const = 0;
  virtual CommitterQueue queue() const = 0;
  virtual uint64_t head_cache_bytes() const = 0;
};

// Thread-safe.
class RocksdbAdministration final : public StorageAdministration {
 public:
  // Borrows the storage.
  explicit RocksdbAdministration(AdministeredStorage& storage) : storage_(storage) {}

  // administration_reads.cc
  absl::StatusOr<std::vector<ClientSummary>> ListClients(const std::optional<Uuid>& after,
                                                         size_t limit) override;
  absl::StatusOr<std::optional<ClientSummary>> FindClient(const Uuid& client_id) override;
  absl::StatusOr<std::vector<StoredVersion>> ReadVersions(const Uuid& client_id,
                                                          uint64_t after_number,
                                                          uint64_t bytes_max) override;
  absl::StatusOr<std::vector<VersionSummary>> ListVersions(const Uuid& client_id,
                                                           uint64_t after_number,
                                                           size_t limit) override;
  absl::StatusOr<std::vector<ReplicaPosition>> ReadPositions(const Uuid& client_id,
                                                             int64_t since_unix_seconds) override;
  absl::StatusOr<StorageStats> ReadStats() override;
  uint64_t LiveBytes() override;
  absl::StatusOr<ChainReport> VerifyChain(const Uuid& client_id) override;
  absl::Status VerifyFiles(Progress progress) override;
  absl::Status AcknowledgeLogLosses() override;
  absl::StatusOr<BackupInfo> Backup(const BackupRequest& request, Progress progress) override;
  absl::StatusOr<std::vector<BackupsMade>> ReadBackupsMade() override;
  bool NeedsCompaction() override { return storage_.has_removals(); }
  absl::StatusOr<CompactionReport> Compact(const CompactionRequest& request,
                                           CompactionProgress progress) override;

  // administration_writes.cc
  absl::StatusOr<bool> DeleteClient(const Uuid& client_id) override;
  absl::StatusOr<ImportOutcome> Import(ImportRequest request) override;
  absl::StatusOr<uint64_t> RemoveVersions(const Uuid& client_id, uint64_t first_number) override;
  absl::StatusOr<Rewound> Rewind(const RewindRequest& request) override;
  absl::StatusOr<bool> AcceptDiverged(const Uuid& client_id, bool allow) override;
  absl::StatusOr<AccessRecords> ReadAccessRecords() override;
  absl::Status ChangeAccess(const AccessChange& change) override;
  absl::StatusOr<std::string> PseudonymKey() override;

 private:
  void FlushNotesIfPossible();
  void RememberBackup(const std::string& directory, const BackupInfo& backup);

  AdministeredStorage& storage_;
  std::mutex compaction_mutex_;  // one at a time
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_ADMINISTRATION_H_
