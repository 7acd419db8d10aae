// A storage that the test keeps beside the engine: so it can put clients, bans, tokens and invites
// there, and set the free space of the disk.
#ifndef TCSYNC_TESTS_CONFORMANCE_SHARED_STORAGE_H_
#define TCSYNC_TESTS_CONFORMANCE_SHARED_STORAGE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tcsync/storage.h"
#include "tcsync/storage_administration.h"

namespace tcsync::conformance {

// Passes all calls on to `storage`, whose figures it replaces by `stats`. Each engine gets one of
// its own over the same storage.
class SharedStorage final : public Storage, public StorageAdministration {
 public:
  explicit SharedStorage(std::shared_ptr<Storage> storage, StorageStats stats = {})
      : storage_(std::move(storage)), stats_(std::move(stats)) {}

  bool RefusesWrites() const override { return storage_->RefusesWrites(); }
  void Append(AppendRequest request, AppendCallback done) override {
    storage_->Append(std::move(request), std::move(done));
  }
  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override {
    storage_->StoreSnapshot(std::move(request), std::move(done));
  }
  void GetChild(const Uuid& client_id, const Uuid& parent_version_id, ChildCallback done) override {
    storage_->GetChild(client_id, parent_version_id, std::move(done));
  }
  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override {
    storage_->GetSnapshot(client_id, std::move(done));
  }
  void NoteReplicaSeen(const Uuid& client_id, const Uuid& version_id, int64_t now) override {
    storage_->NoteReplicaSeen(client_id, version_id, now);
  }
  void NoteReplicaAhead(const Uuid& client_id, const Uuid& version_id, int64_t now) override {
    storage_->NoteReplicaAhead(client_id, version_id, now);
  }
  void Probe(ProbeCallback done) override { storage_->Probe(std::move(done)); }
  StorageAdministration& administration() override { return *this; }

  absl::StatusOr<std::vector<ClientSummary>> ListClients(const std::optional<Uuid>& after,
                                                         size_t limit) override {
    return inner().ListClients(after, limit);
  }
  absl::StatusOr<std::optional<ClientSummary>> FindClient(const Uuid& client_id) override {
    return inner().FindClient(client_id);
  }
  absl::StatusOr<std::vector<StoredVersion>> ReadVersions(const Uuid& client_id, uint64_t after,
                                                          uint64_t bytes_max) override {
    return inner().ReadVersions(client_id, after, bytes_max);
  }
  absl::StatusOr<std::vector<ReplicaPosition>> ReadPositions(const Uuid& client_id,
                                                             int64_t since) override {
    return inner().ReadPositions(client_id, since);
  }
  absl::StatusOr<bool> DeleteClient(const Uuid& client_id) override {
    return inner().DeleteClient(client_id);
  }
  absl::StatusOr<ImportOutcome> Import(ImportRequest request) override {
    return inner().Import(std::move(request));
  }
  absl::StatusOr<std::vector<VersionSummary>> ListVersions(const Uuid& client_id,
                                                           uint64_t after_number,
                                                           size_t limit) override {
    return inner().ListVersions(client_id, after_number, limit);
  }
  absl::StatusOr<Rewound> Rewind(const RewindRequest& request) override {
    return inner().Rewind(request);
  }
  absl::StatusOr<uint64_t> RemoveVersions(const Uuid& client_id, uint64_t first) override {
    return inner().RemoveVersions(client_id, first);
  }
  absl::StatusOr<bool> AcceptDiverged(const Uuid& client_id, bool allow) override {
    return inner().AcceptDiverged(client_id, allow);
  }
  absl::StatusOr<AccessRecords> ReadAccessRecords() override { return inner().ReadAccessRecords(); }
  absl::Status ChangeAccess(const AccessChange& change) override {
    return inner().ChangeAccess(change);
  }
  absl::StatusOr<std::vector<DeviceGate>> ReadDeviceGates() override {
    return inner().ReadDeviceGates();
  }
  absl::StatusOr<DeviceState> ReadDevices(const Uuid& client_id) override {
    return inner().ReadDevices(client_id);
  }
  absl::Status ChangeDevices(const Uuid& client_id, bool may_use_reserve,
                             DecideDevices decide) override {
    return inner().ChangeDevices(client_id, may_use_reserve, decide);
  }
  absl::StatusOr<std::string> PseudonymKey() override { return inner().PseudonymKey(); }
  absl::StatusOr<StorageStats> ReadStats() override { return stats_; }
  uint64_t LiveBytes() override { return stats_.live_bytes; }
  absl::StatusOr<ChainReport> VerifyChain(const Uuid& client_id) override {
    return inner().VerifyChain(client_id);
  }
  absl::Status VerifyFiles(Progress progress) override { return inner().VerifyFiles(progress); }
  absl::StatusOr<BackupInfo> Backup(const BackupRequest& request, Progress progress) override {
    return inner().Backup(request, progress);
  }

 private:
  StorageAdministration& inner() { return storage_->administration(); }

  const std::shared_ptr<Storage> storage_;
  const StorageStats stats_;
};

}  // namespace tcsync::conformance

#endif  // TCSYNC_TESTS_CONFORMANCE_SHARED_STORAGE_H_
