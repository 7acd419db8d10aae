// An operator's side of a storage in PostgreSQL (tcsync/storage_administration.h).
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_ADMINISTRATION_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_ADMINISTRATION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "storage/postgres/appender.h"
#include "storage/postgres/core.h"
#include "tcsync/storage_administration.h"

namespace tcsync::postgres_storage {

// Thread-safe. Calls wait for the database as requests do, for each of their transactions.
class PostgresAdministration final : public StorageAdministration {
 public:
  PostgresAdministration(const Core& core, std::function<Appender::Figures()> queued)
      : core_(core), queued_(std::move(queued)) {}

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
  uint64_t LiveBytes() override { return core_.usage.live_bytes(); }
  absl::StatusOr<ChainReport> VerifyChain(const Uuid& client_id) override;
  absl::Status VerifyFiles(Progress progress) override;
  absl::StatusOr<CompactionReport> Compact(const CompactionRequest& request,
                                           CompactionProgress progress) override;
  absl::StatusOr<BackupInfo> Backup(const BackupRequest& request, Progress progress) override;
  absl::StatusOr<AccessRecords> ReadAccessRecords() override;
  absl::Status ChangeAccess(const AccessChange& change) override;
  absl::StatusOr<std::vector<DeviceGate>> ReadDeviceGates() override;
  absl::StatusOr<DeviceState> ReadDevices(const Uuid& client_id) override;
  absl::Status ChangeDevices(const Uuid& client_id, bool may_use_reserve,
                             DecideDevices decide) override;
  absl::StatusOr<std::string> PseudonymKey() override;

  // administration_writes.cc
  absl::StatusOr<bool> DeleteClient(const Uuid& client_id) override;
  absl::StatusOr<uint64_t> RemoveVersions(const Uuid& client_id, uint64_t first_number) override;
  absl::StatusOr<Rewound> Rewind(const RewindRequest& request) override;
  absl::StatusOr<bool> AcceptDiverged(const Uuid& client_id, bool accept) override;

  // import.cc
  absl::StatusOr<ImportOutcome> Import(ImportRequest request) override;

 private:
  absl::StatusOr<std::vector<ClientSummary>> ReadSummaries(const Statement& statement);

  const Core core_;
  const std::function<Appender::Figures()> queued_;
};

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_ADMINISTRATION_H_
