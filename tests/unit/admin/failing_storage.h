// Storage in memory whose administration fails on a test's command.
#ifndef TCSYNC_TESTS_UNIT_ADMIN_FAILING_STORAGE_H_
#define TCSYNC_TESTS_UNIT_ADMIN_FAILING_STORAGE_H_

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/memory/memory_storage.h"

namespace tcsync {

class FailingStorage : public Storage, public StorageAdministration {
 public:
  void Append(AppendRequest request, AppendCallback done) override {
    memory.Append(std::move(request), std::move(done));
  }
  void StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) override {
    memory.StoreSnapshot(std::move(request), std::move(done));
  }
  void GetChild(const Uuid& client_id, const Uuid& parent, ChildCallback done) override {
    memory.GetChild(client_id, parent, std::move(done));
  }
  void GetSnapshot(const Uuid& client_id, SnapshotCallback done) override {
    memory.GetSnapshot(client_id, std::move(done));
  }
  StorageAdministration& administration() override { return *this; }

  absl::StatusOr<std::vector<ClientSummary>> ListClients(const std::optional<Uuid>& after,
                                                         size_t limit) override {
    return memory.ListClients(after, limit);
  }
  absl::StatusOr<std::optional<ClientSummary>> FindClient(const Uuid& client_id) override {
    return memory.FindClient(client_id);
  }
  absl::StatusOr<std::vector<StoredVersion>> ReadVersions(const Uuid& client_id, uint64_t after,
                                                          uint64_t bytes_max) override {
    return memory.ReadVersions(client_id, after, bytes_max);
  }
  absl::StatusOr<std::vector<ReplicaPosition>> ReadPositions(const Uuid& client_id,
                                                             int64_t since) override {
    return memory.ReadPositions(client_id, since);
  }
  absl::StatusOr<bool> DeleteClient(const Uuid& client_id) override {
    return memory.DeleteClient(client_id);
  }
  absl::StatusOr<ImportOutcome> Import(ImportRequest request) override {
    if (!import_status.ok()) return import_status;
    return memory.Import(std::move(request));
  }
  absl::StatusOr<std::vector<VersionSummary>> ListVersions(const Uuid& client_id,
                                                           uint64_t after_number,
                                                           size_t limit) override {
    return memory.ListVersions(client_id, after_number, limit);
  }
  absl::StatusOr<Rewound> Rewind(const RewindRequest& request) override {
    return memory.Rewind(request);
  }
  absl::StatusOr<uint64_t> RemoveVersions(const Uuid& client_id, uint64_t first) override {
    return memory.RemoveVersions(client_id, first);
  }
  absl::StatusOr<bool> AcceptDiverged(const Uuid& client_id, bool allow) override {
    return memory.AcceptDiverged(client_id, allow);
  }
  absl::StatusOr<AccessRecords> ReadAccessRecords() override { return memory.ReadAccessRecords(); }
  absl::Status ChangeAccess(const AccessChange& change) override {
    return memory.ChangeAccess(change);
  }
  absl::StatusOr<std::vector<DeviceGate>> ReadDeviceGates() override {
    return memory.ReadDeviceGates();
  }
  absl::StatusOr<DeviceState> ReadDevices(const Uuid& client_id) override {
    return memory.ReadDevices(client_id);
  }
  absl::Status ChangeDevices(const Uuid& client_id, bool may_use_reserve,
                             DecideDevices decide) override {
    return memory.ChangeDevices(client_id, may_use_reserve, decide);
  }
  absl::StatusOr<std::string> PseudonymKey() override { return memory.PseudonymKey(); }
  absl::StatusOr<StorageStats> ReadStats() override { return memory.ReadStats(); }
  uint64_t LiveBytes() override { return memory.LiveBytes(); }
  absl::StatusOr<ChainReport> VerifyChain(const Uuid& client_id) override {
    if (!verify_status.ok()) return verify_status;
    return memory.VerifyChain(client_id);
  }
  bool NeedsCompaction() override { return compaction != nullptr; }
  absl::StatusOr<CompactionReport> Compact(const CompactionRequest& request,
                                           CompactionProgress progress) override {
    return compaction(request, progress);
  }
  absl::Status VerifyFiles(Progress) override { return verify_status; }
  absl::StatusOr<BackupInfo> Backup(const BackupRequest& request, Progress progress) override {
    return backup(request, progress);
  }

  memory_storage::MemoryStorage memory;
  absl::Status import_status;
  absl::Status verify_status;
  std::function<absl::StatusOr<BackupInfo>(const BackupRequest&, Progress)> backup;
  // Null: nothing was removed.
  std::function<absl::StatusOr<CompactionReport>(const CompactionRequest&, CompactionProgress)>
      compaction;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_ADMIN_FAILING_STORAGE_H_
