// The administration of a RocksDB storage: tcsync/storage_administration.h.
//
// Writes (administration_writes.cc) go through the committer, which is the only writer. Reads
// (administration_reads.cc) use the database directly.
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

// The disk space that a write may use: kReserve is for writes that make room or stop a client from
// taking more, and for the notes that they depend on (reserve.h).
enum class Room { kOrdinary, kReserve };

// The storage, as its administration sees it. Thread-safe.
class AdministeredStorage {
 public:
  virtual ~AdministeredStorage() = default;

  // Calls `use` with the database and a reader of it that may wait for the disk; both are valid
  // during the call only. Returns the result of `use`, or the reason that there is no database now.
  using Use = absl::FunctionRef<absl::Status(rocksdb::DB& database, const ChainReader& reader)>;
  virtual absl::Status WithDatabase(Use use) = 0;

  // Has the committer decide and write `change`, and waits until it is durable. On a full disk it
  // may be decided a second time. Must not be called from a callback of storage.
  virtual absl::Status Commit(PendingChange::Decide change, Room room = Room::kOrdinary) = 0;

  // For work that writes files of its own: opens the database again after a failed write, and gives
  // up the reserve if the disk has less than that free. kResourceExhausted: there is no room.
  virtual absl::Status MakeRoom() = 0;

  // Writes the notes of replicas (Storage::NoteReplicaSeen) that are not written yet, and waits for
  // it. To be called before positions or replicas ahead are read.
  virtual absl::Status FlushNotes(Room room) = 0;

  // The segment or snapshot that these pieces make up.
  virtual std::shared_ptr<PieceSource> OpenPieces(const PiecesOwner& owner,
                                                  const PiecesRecord& pieces) = 0;
  virtual UploadTable& uploads() = 0;

  virtual StorageTotals totals() const = 0;
  // Whether there are notes of removals whose bytes may still be in files. Set by each removal, and
  // when notes are taken back.
  virtual bool has_removals() const = 0;
  virtual void set_has_removals(bool has_removals) = 0;
  // The number of writes of this process that have removed something.
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
  absl::StatusOr<std::vector<DeviceGate>> ReadDeviceGates() override;
  absl::StatusOr<DeviceState> ReadDevices(const Uuid& client_id) override;
  absl::Status ChangeDevices(const Uuid& client_id, bool may_use_reserve,
                             DecideDevices decide) override;
  absl::StatusOr<std::string> PseudonymKey() override;

 private:
  void FlushNotesIfPossible();
  void RememberBackup(const std::string& directory, const BackupInfo& backup);

  AdministeredStorage& storage_;
  std::mutex compaction_mutex_;  // one at a time
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_ADMINISTRATION_H_
