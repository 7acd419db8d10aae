// Decides a batch of writes against the clients' heads, and collects the resulting records.
#ifndef TCSYNC_SRC_STORAGE_ROCKSDB_BATCH_BUILDER_H_
#define TCSYNC_SRC_STORAGE_ROCKSDB_BATCH_BUILDER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/write_batch.h"
#include "storage/rocksdb/chain_reader.h"
#include "storage/rocksdb/head_cache.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/uploads.h"
#include "tcsync/storage.h"
#include "tcsync/storage_administration.h"

namespace tcsync::rocksdb_storage {

// Totals over all clients.
struct StorageTotals {
  uint64_t clients = 0;
  uint64_t live_bytes = 0;
};

// For one batch, on the committer's thread. Outcomes hold only once the batch is written, and later
// requests of the batch see the earlier ones. Segments and snapshots are released as soon as the
// batch contains them, so that a large one is in memory once.
//
// The order of calls is: the requests; BeforeWrite; the batch is written; AfterWrite.
class BatchBuilder {
 public:
  // `totals`: before the batch.
  BatchBuilder(const ChainReader& reader, HeadCache& head_cache, UploadTable& uploads,
               const StorageTotals& totals, uint64_t reserved_bytes)
      : reader_(reader),
        head_cache_(head_cache),
        uploads_(uploads),
        writes_(reserved_bytes),
        totals_(totals) {}

  absl::StatusOr<AppendOutcome> Append(AppendRequest& request);
  absl::StatusOr<StoreSnapshotOutcome> StoreSnapshot(StoreSnapshotRequest& request);

  // Adds a piece of the upload, after those that are written. At most one for an upload in a batch.
  absl::Status AddPiece(const std::shared_ptr<UploadState>& upload, std::string& piece);
  // Removes the upload's pieces, unless it was stored.
  void DiscardUpload(const std::shared_ptr<UploadState>& upload);

  // Whether the append may have to remove records that this batch adds, and so must begin another
  // batch.
  bool NeedsAnotherBatch(const AppendRequest& request) const;

  // The following methods are for changes (PendingChange), each of which has a batch of its own.

  const ChainReader& reader() const { return reader_; }

  // The head after the batch so far; nullopt when there is no such client.
  absl::StatusOr<std::optional<ChainHead>> Head(const Uuid& client_id);

  // Prepares a head without versions, or whose versions have been removed, for a version with this
  // parent (storage/version_numbers.h).
  static void BeginHistoryAfter(const Uuid& parent_version_id, ChainHead& head);
  // Adds a version to the head's chain. The caller has checked that it fits, and, if its segment is
  // an upload, that this may be stored. Does not put the head.
  void AddVersion(const Uuid& client_id, Version version,
                  const std::shared_ptr<UploadState>& upload, int64_t appended_unix_seconds,
                  ChainHead& head);
  // Writes the client's record from `head`, and counts a new client.
  void PutHead(const Uuid& client_id, const ChainHead& head, bool is_new_client);
  // Replaces the client's snapshot in `head` by `bytes` or by the upload. Does not put the head.
  void PutSnapshot(const Uuid& client_id, const SnapshotRecord& record, std::string& bytes,
                   const std::shared_ptr<UploadState>& upload, ChainHead& head);
  // Removes all records of the client except its client record.
  absl::Status RemoveHistory(const Uuid& client_id, const ChainHead& head);
  // Removes the versions from the first one kept to the one before `end_number`. Puts the head.
  // The bytes of their segments.
  absl::StatusOr<uint64_t> RemoveVersions(const Uuid& client_id, uint64_t end_number,
                                          ChainHead head);
  // Removes the versions after `latest_number`, and the snapshot if it is of one of them or if
  // `remove_snapshot`. Later positions of replicas are set to `latest_number`. Puts the head.
  absl::Status Rewind(const Uuid& client_id, uint64_t latest_number, bool remove_snapshot,
                      ChainHead head);
  // Removes the pieces of the client's uploads in progress, which cannot be stored any more.
  void RemoveUploads(const Uuid& client_id);
  // Removes the client with all of its records and uploads.
  absl::Status RemoveClient(const Uuid& client_id, const ChainHead& head);

  // Notes the removal of pieces of the client that belonged to no version and no snapshot.
  void NoteRemoval(const Uuid& client_id);

  void Put(const std::string& key, const std::string& value);
  void Delete(const std::string& key);

  // The batch needs no sync: its writes may be lost in a crash.
  void LeaveUnsynced() { needs_sync_ = false; }

  // The following methods are for the committer.

  rocksdb::WriteBatch& writes() { return writes_; }
  bool needs_sync() const { return needs_sync_; }
  // The totals after the batch; complete after BeforeWrite.
  const StorageTotals& totals() const { return totals_; }
  // Whether the batch removes bytes that stay in files until a compaction.
  bool removes() const { return !reduced_clients_.empty() || !noted_clients_.empty(); }
  // Clients whose whole history is removed, together with the notes about their replicas.
  const std::vector<Uuid>& forgotten_clients() const { return forgotten_clients_; }

  // To be called before the batch is written.
  void BeforeWrite();
  // `written`: the write succeeded, and the outcomes hold.
  void AfterWrite(bool written);

 private:
  // Whether a replica at `parent`, which is not the latest version, is accepted; false also when
  // the version, or a child of it, is here.
  absl::StatusOr<bool> AcceptsDivergedAt(const Uuid& client_id, const ChainHead& head,
                                         const Uuid& parent);
  // Adds the storage's own records of the changes in the batch.
  void PutTotals();
  void PutRemovals();
  // The invite after the batch so far; nullopt when it may create no client now.
  absl::StatusOr<std::optional<Invite>> UsableInvite(const TokenDigest& digest,
                                                     int64_t now_unix_seconds);

  // Makes the pieces of the upload the client's.
  PiecesRecord Adopt(const std::shared_ptr<UploadState>& upload);
  void RemoveSnapshotBytes(const Uuid& client_id, const ChainHead& head);

  const ChainReader& reader_;
  HeadCache& head_cache_;
  UploadTable& uploads_;
  rocksdb::WriteBatch writes_;
  bool needs_sync_ = true;
  StorageTotals totals_;  // includes the number of clients after the batch so far
  bool client_count_changed_ = false;
  absl::flat_hash_map<Uuid, uint64_t> live_bytes_before_;  // of clients whose head was asked for
  absl::flat_hash_map<Uuid, std::optional<ChainHead>> changed_heads_;  // nullopt: removed
  std::vector<Uuid> reduced_clients_;                                  // those with removed records
  std::vector<Uuid> noted_clients_;  // those with other removed bytes
  std::vector<Uuid> forgotten_clients_;
  absl::flat_hash_map<TokenDigest, Invite> changed_invites_;
  std::vector<std::shared_ptr<UploadState>> stored_uploads_;
  std::vector<std::shared_ptr<UploadState>> removed_uploads_;
  std::vector<std::pair<std::shared_ptr<UploadState>, uint64_t>> added_pieces_;  // and their bytes
};

}  // namespace tcsync::rocksdb_storage

#endif  // TCSYNC_SRC_STORAGE_ROCKSDB_BATCH_BUILDER_H_
