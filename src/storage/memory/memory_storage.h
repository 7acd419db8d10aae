// Storage in memory, for trials and tests. Its data is gone at the end of the process, so "durable"
// means nothing here; otherwise it keeps the contracts of tcsync/storage.h and
// tcsync/storage_administration.h.
#ifndef TCSYNC_SRC_STORAGE_MEMORY_MEMORY_STORAGE_H_
#define TCSYNC_SRC_STORAGE_MEMORY_MEMORY_STORAGE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/limits.h"
#include "tcsync/storage.h"
#include "tcsync/storage_administration.h"

namespace tcsync::memory_storage {

// Thread-safe. Callbacks run before the call that they were passed to returns.
class MemoryStorage final : public Storage, public StorageAdministration {
 public:
  void BeginUpload(UploadRequest request, BeginUploadCallback done) override;
  void Append(AppendRequest request, AppendCallback done) override;
  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override;
  void GetChild(const Uuid& client_id, const Uuid& parent_version_id, ChildCallback done) override;
  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override;
  void NoteReplicaSeen(const Uuid& client_id, const Uuid& version_id,
                       int64_t now_unix_seconds) override;
  void NoteReplicaAhead(const Uuid& client_id, const Uuid& version_id,
                        int64_t now_unix_seconds) override;
  StorageAdministration& administration() override { return *this; }

  // memory_administration.cc
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
  absl::StatusOr<BackupInfo> Backup(const BackupRequest& request, Progress progress) override;
  absl::StatusOr<AccessRecords> ReadAccessRecords() override;
  absl::Status ChangeAccess(const AccessChange& change) override;
  absl::StatusOr<std::vector<DeviceGate>> ReadDeviceGates() override;
  absl::StatusOr<DeviceState> ReadDevices(const Uuid& client_id) override;
  absl::Status ChangeDevices(const Uuid& client_id, bool may_use_reserve,
                             DecideDevices decide) override;
  absl::StatusOr<std::string> PseudonymKey() override;

  // memory_storage.cc
  absl::StatusOr<bool> DeleteClient(const Uuid& client_id) override;
  absl::StatusOr<ImportOutcome> Import(ImportRequest request) override;
  absl::StatusOr<uint64_t> RemoveVersions(const Uuid& client_id, uint64_t first_number) override;
  absl::StatusOr<Rewound> Rewind(const RewindRequest& request) override;
  absl::StatusOr<bool> AcceptDiverged(const Uuid& client_id, bool allow) override;

 private:
  struct StoredSnapshot {
    Snapshot snapshot;
    uint64_t number = 0;  // of the snapshot's version
    int64_t stored_unix_seconds = 0;
  };
  struct Client {
    explicit Client(int64_t created, uint64_t first = 1)
        : created_unix_seconds(created), first_number(first) {}

    int64_t created_unix_seconds;
    uint64_t first_number;            // of the first one in `chain`
    std::deque<StoredVersion> chain;  // numbers rise by one; empty only while it is being created
    absl::flat_hash_map<Uuid, uint64_t> number_by_parent;
    uint64_t history_bytes = 0;  // of the segments in `chain`
    std::optional<StoredSnapshot> snapshot;
    bool accepts_diverged = false;
    std::map<uint32_t, uint64_t> positions;    // the day -> the oldest number of a replica seen
    std::vector<ReplicaAhead> replicas_ahead;  // the latest seen first

    uint64_t latest_number() const { return first_number + chain.size() - 1; }
    Uuid latest_version_id() const {
      return chain.empty() ? Uuid() : chain.back().version.version_id;
    }
    // `number` is of a version that is kept.
    const StoredVersion& At(uint64_t number) const { return chain[number - first_number]; }
    // nullopt for a version that is not kept.
    std::optional<uint64_t> NumberOf(const Uuid& version_id) const;
    // The same; for the parent of the first version, the number before the first one.
    std::optional<uint64_t> NumberOrBase(const Uuid& version_id) const;
    // Whether the snapshot is newer than the present one, and was taken.
    bool TakeSnapshot(ImportRequest::ImportedSnapshot imported);
    void TakeReplicas(const ImportRequest::ImportedReplicas& imported, uint32_t today);
    // Whether a replica at a version that is not the latest one is accepted.
    bool AcceptsDivergedAt(const Uuid& version_id) const {
      return accepts_diverged && !version_id.IsNil() && !number_by_parent.contains(version_id);
    }
    std::optional<SnapshotSummary> Summary() const;
    uint64_t snapshot_bytes() const { return snapshot ? snapshot->snapshot.bytes.size() : 0; }
    uint64_t live_bytes() const {
      return history_bytes + snapshot_bytes() + chain.size() * base::kVersionRecordBytes +
             base::kClientRecordBytes;
    }
    void Add(Version version, int64_t appended_unix_seconds);
    void RemoveFirst();
    void RemoveLast();
  };

  static constexpr int64_t kSecondsOfDay = 86'400;
  static uint32_t DayOf(int64_t unix_seconds);

  static ClientSummary Summarize(const Uuid& client_id, const Client& client);
  class CollectedUpload;
  class StoredSlices;

  // Moves the upload's bytes, if there is an upload, into `bytes`.
  absl::Status TakeUploaded(Upload* upload, std::string& bytes);
  // With mutex_: the bytes that an upload may have, or the reason that none may begin.
  std::variant<uint64_t, Conflict, NoSuchClient, OverLimit, NotWanted> AllowedUpload(
      const UploadRequest& request);
  // The segment of a version, or the snapshot (number 0), if it is still there; with mutex_.
  const std::string* FindBytes(const Uuid& client_id, uint64_t number,
                               const Uuid& version_id) const;
  // The version without its bytes, which are read in pieces.
  Version InPieces(const Uuid& client_id, const StoredVersion& stored);
  uint64_t LiveBytesLocked() const;
  DeviceState DevicesLocked(const Uuid& client_id) const;
  void StoreDevicesLocked(const Uuid& client_id, DeviceState state);
  AppendOutcome AppendLocked(AppendRequest request);
  // The invite, if it may create a client now; with mutex_.
  Invite* UsableInvite(const TokenDigest& digest, int64_t now_unix_seconds);
  StoreSnapshotOutcome StoreSnapshotLocked(StoreSnapshotRequest request);
  ChildOutcome GetChildLocked(const Uuid& client_id, const Uuid& parent_version_id);
  std::optional<Snapshot> GetSnapshotLocked(const Uuid& client_id);

  mutable std::mutex mutex_;        // guards the members below
  std::map<Uuid, Client> clients_;  // in the order in which they are listed
  std::map<Uuid, Ban> bans_;
  std::map<Uuid, ClientToken> tokens_;
  std::map<Uuid, ClientDevices> devices_;  // of clients that have any
  std::map<TokenDigest, Invite> invites_;
  // The uploads in progress, of clients that have any.
  absl::flat_hash_map<Uuid, std::vector<CollectedUpload*>> uploads_;
  uint64_t upload_bytes_ = 0;  // of all of these uploads
  std::string pseudonym_key_;  // empty: not made yet
};

}  // namespace tcsync::memory_storage

#endif  // TCSYNC_SRC_STORAGE_MEMORY_MEMORY_STORAGE_H_
